// SPDX-License-Identifier: Apache-2.0
// What each linear layer of a model would lose in bytes, measured while the model runs on floats.
import Synchronization

/// How far the product of one layer in bytes is from the one in floats, over all inputs seen.
package struct ProductLoss: Sendable, Equatable {
    private var floatSquares = 0.0, byteSquares = 0.0, products = 0.0

    /// Cosine between both products, 1 where nothing is lost. Products that are all zero lose nothing.
    package var cosine: Double {
        let norm = (floatSquares * byteSquares).squareRoot()
        return norm > 0 ? products / norm : floatSquares == byteSquares ? 1 : 0
    }

    /// Rows of one input that are looked at, at most.
    private static let mostRows = 256

    private final class Found: Sendable {
        let losses = Mutex<[String: ProductLoss]>([:])
    }

    /// Of the task or thread that measures, so that models which run beside it are not taken for its own.
    @TaskLocal private static var found: Found?

    /// Runs `body` and measures every linear layer of float weights on the way that it runs itself, not on other threads.
    ///
    /// - Returns: by the key of the weight; layers that no input came to are absent.
    package static func measure(_ body: () throws -> Void) rethrows -> [String: ProductLoss] {
        let found = Found()
        try $found.withValue(found, operation: body)
        return found.losses.withLock { $0 }
    }

    static func note(_ x: Tensor, _ weight: Tensor, key: String) {
        guard let found, ByteMatrix.serves(weight.shape), x.count > 0 else { return }
        let rows = x.detached().reshaped(-1, weight.shape[1])
        let step = (rows.shape[0] + mostRows - 1) / mostRows
        let some = step == 1 ? rows : rows.gathered(Array(stride(from: 0, to: rows.shape[0], by: step)))
        let floats = linear(some, weight.detached())
        let bytes = linear(
            some, ByteMatrix(rounding: weight.detached()), nil, activation: .none, residual: nil)
        var loss = ProductLoss()
        floats.withValues { floats in
            bytes.withValues { bytes in
                for (a, b) in zip(floats, bytes) {
                    loss.floatSquares += Double(a) * Double(a)
                    loss.byteSquares += Double(b) * Double(b)
                    loss.products += Double(a) * Double(b)
                }
            }
        }
        found.losses.withLock { $0[key, default: ProductLoss()].add(loss) }
    }

    private mutating func add(_ other: ProductLoss) {
        floatSquares += other.floatSquares
        byteSquares += other.byteSquares
        products += other.products
    }
}
