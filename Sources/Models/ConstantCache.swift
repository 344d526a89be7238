// SPDX-License-Identifier: Apache-2.0
// Values that follow from weights or sizes alone. They are computed once; only weights in training change, so what is
// made of a tracked one is made anew at each use.
import Synchronization
import TensorEngine

/// A tensor made of weights: once, or at each use while one of them is being trained.
struct Folded: Sendable {
    private let make: @Sendable () -> Tensor
    private let value: Tensor?

    init(_ weights: [Tensor?], _ make: @escaping @Sendable () -> Tensor) {
        self.make = make
        value = weights.contains { $0?.isTracked == true } ? nil : make()
    }

    func callAsFunction() -> Tensor { value ?? make() }
}

/// Values computed once per size. Holds a few sizes: a model works at one, sometimes two.
final class SizeCache<Value: Sendable>: Sendable {
    private let values = Mutex<[Int: Value]>([:])
    private static var limit: Int { 4 }

    /// - Parameter weight: what the value depends on beside the size; it is not kept while this is being trained.
    func callAsFunction(_ size: Int, of weight: Tensor? = nil, _ make: () -> Value) -> Value {
        if weight?.isTracked == true { return make() }
        if let value = values.withLock({ $0[size] }) { return value }
        let value = make()
        values.withLock {
            if $0.count >= Self.limit { $0.removeAll() }
            $0[size] = value
        }
        return value
    }
}

extension Tensor {
    /// Adds to each of N entries the one of `fine` that serves it: B of these serve N / B entries in a row each.
    /// `[N, …] + [B, …] → [N, …]`; one entry on either side serves all.
    func adding(shared fine: Tensor) -> Tensor {
        let (n, b) = (shape[0], fine.shape[0])
        guard n > b, b > 1 else { return self + fine }
        let grouped = reshaped([b, n / b] + shape.dropFirst())
        return (grouped + fine.reshaped([b, 1] + fine.shape.dropFirst())).reshaped(shape)
    }
}
