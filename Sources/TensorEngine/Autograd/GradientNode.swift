// SPDX-License-Identifier: Apache-2.0
// The gradient tape. A tensor that depends on a parameter carries the node of the operation that made it; nodes hold
// their operation's inputs, so the graph lives exactly as long as a result of it. Tensors without a node pay nothing.
import Synchronization

/// What a tracked tensor was made by: an operation, or nothing for a parameter.
// Only the thread that runs the backward pass changes `op`, after the graph is complete.
final class GradientNode: @unchecked Sendable {
    /// Grows with time, so that a larger number never feeds a smaller one.
    let id: Int
    /// Nil for leaves, and once the backward pass is done with it.
    var op: Op?
    let isLeaf: Bool

    private static let counter = Atomic(0)

    init(_ op: Op?) {
        id = Self.counter.add(1, ordering: .relaxed).oldValue
        self.op = op
        isLeaf = op == nil
    }
}

enum GradientMode {
    @TaskLocal static var isEnabled = true
    @TaskLocal static var usesCheckpoints = false
}

/// Runs `body` with the stretches marked by `checkpointed` computed twice: less memory for a third more work.
public func withCheckpoints<R>(_ body: () throws -> R) rethrows -> R {
    try GradientMode.$usesCheckpoints.withValue(true, operation: body)
}

/// Runs `body` without recording operations: for evaluation with tracked weights.
public func withoutGradients<R>(_ body: () throws -> R) rethrows -> R {
    try GradientMode.$isEnabled.withValue(false, operation: body)
}

extension Tensor {
    /// Whether gradients flow back through this tensor.
    public var isTracked: Bool { node != nil }

    /// The same values, cut off from what they were computed from.
    public func detached() -> Tensor { Tensor(shape: shape, storage: storage, offset: offset) }

    /// The same values as a leaf of a gradient tape: a parameter, or an input whose gradient is wanted.
    public func tracked() -> Tensor { with(GradientNode(nil)) }

    func with(_ node: GradientNode) -> Tensor {
        var result = self
        result.node = node
        return result
    }

    /// This result with its operation on the tape, if one of its inputs is tracked.
    func recorded(_ isTracked: Bool, _ op: (Tensor) -> Op) -> Tensor {
        guard isTracked, GradientMode.isEnabled else { return self }
        return with(GradientNode(op(self)))
    }
}
