// SPDX-License-Identifier: Apache-2.0

/// Weights in training. It hands out weights as any source does; those not frozen are leaves of the gradient tape, and
/// an optimizer changes them where they lie: a model built from the store sees each step.
// Built by one thread; afterwards only `parameters` are written, by `AdamW`, between forward passes.
public final class ParameterStore: WeightSource, @unchecked Sendable {
    private let initial: any WeightSource
    private let isFrozen: @Sendable (String) -> Bool
    private var handedOut: [String: Tensor] = [:]

    /// - Parameters:
    ///   - initial: the values to start from; those of parameters are copied, frozen ones used where they are.
    ///   - isFrozen: by full key; frozen weights get no gradient.
    public init(_ initial: any WeightSource, isFrozen: @escaping @Sendable (String) -> Bool = { _ in false })
    {
        self.initial = initial
        self.isFrozen = isFrozen
    }

    public var keys: Set<String>? { initial.keys }

    public func shape(of key: String, expected: [Int]) -> [Int]? {
        initial.shape(of: key, expected: expected)
    }

    public func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        if let known = handedOut[key] { return known }
        let value = try initial.tensor(key, shape: shape)
        let tensor = isFrozen(key) ? value : value.copied().tracked()
        handedOut[key] = tensor
        return tensor
    }

    /// Every weight that was handed out, frozen ones too, without gradients: shares memory with the store, so values
    /// follow later steps.
    public var weights: [String: Tensor] { handedOut.mapValues { $0.detached() } }

    /// The weights that were handed out and stay as they are.
    public var frozen: [String: Tensor] { handedOut.filter { !$0.value.isTracked } }

    /// The weights being trained, by key in alphabetical order.
    public var parameters: [(key: String, tensor: Tensor)] {
        handedOut.filter { $0.value.isTracked }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Replaces the values of a parameter, e.g. by those of a checkpoint.
    public func set(_ key: String, to values: Tensor) {
        guard let parameter = handedOut[key], parameter.isTracked else {
            preconditionFailure("ParameterStore: \(key) is no parameter")
        }
        precondition(
            values.shape == parameter.shape, "ParameterStore: \(key) \(parameter.shape), \(values.shape)")
        parameter.overwrite { to in
            values.withValues { if let from = $0.baseAddress { to.update(from: from, count: $0.count) } }
        }
    }
}

extension Tensor {
    /// Changes the elements for everyone who shares them. For parameters, between steps, only.
    func overwrite(_ body: (UnsafeMutablePointer<Float>) -> Void) {
        precondition(storage.isWritable, "overwrite: mapped memory")
        withExtendedLifetime(storage) { body(storage.base + offset) }
    }
}
