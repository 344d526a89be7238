// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A checkpoint as a source of weights: mapped tensors are used where they lie, others are converted to float32.
package struct CheckpointWeights: WeightSource {
    private let tensors: [String: CheckpointTensor]

    package init(_ tensors: [CheckpointTensor]) {
        self.tensors = Dictionary(tensors.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package var keys: Set<String>? { Set(tensors.keys) }
    package func shape(of key: String, expected: [Int]) -> [Int]? { tensors[key]?.shape }

    package func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        guard let tensor = tensors[key] else { return Tensor(shape) }
        if let (file, offset) = tensor.mappedFloat32, let base = file.bytes.baseAddress {
            return Tensor(
                borrowing: (base + offset).assumingMemoryBound(to: Float.self), shape: shape, owner: file)
        }
        return try Tensor(shape: shape) { try tensor.floats(into: $0) }
    }
}

/// Name-seeded weights of any model, for tests, benchmarks and the demonstration: deterministic and meaningless.
package struct SeededSource: WeightSource {
    private let fills: [String: Float]
    private let prefix: String

    /// - Parameters:
    ///   - prefix: put before each key when seeding.
    ///   - fills: tensors that get one value throughout instead.
    package init(prefix: String = "", fills: [String: Float] = [:]) {
        self.prefix = prefix
        self.fills = fills
    }

    package var keys: Set<String>? { nil }
    package func shape(of key: String, expected: [Int]) -> [Int]? { expected }

    package func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        if let value = fills[key] { return Tensor(shape, filled: value) }
        return Tensor(shape: shape) { out in
            let piece = 1 << 20
            ThreadPool.shared.run((out.count + piece - 1) / piece) { index in
                let range = index * piece..<min(out.count, (index + 1) * piece)
                SeededWeights.fill(
                    key: prefix + key, shape: shape, from: range.lowerBound,
                    into: UnsafeMutableBufferPointer(rebasing: out[range]))
            }
        }
    }
}
