// SPDX-License-Identifier: Apache-2.0

/// A stretch of a computation whose inner results are forgotten and computed again for the backward pass.
// `leaves` is written and taken by the thread of the backward pass.
final class GradientCheckpoint: @unchecked Sendable {
    let inputs: [Tensor]
    private let body: ([Tensor]) -> Tensor
    private var leaves: [Int: Tensor] = [:]

    init(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> Tensor) {
        self.inputs = inputs
        self.body = body
    }

    func gradients(_ dy: Tensor) -> [Tensor?] {
        let fresh = inputs.map { $0.isTracked ? $0.detached().tracked() : $0 }
        let found = TensorEngine.gradients(of: body(fresh), seed: dy)
        leaves = found.leaves
        return fresh.map { input in input.node.flatMap { leaves.removeValue(forKey: $0.id) } }
    }

    /// Gradients of parameters that the body reaches by itself.
    func takeLeaves() -> [Int: Tensor] {
        defer { leaves = [:] }
        return leaves
    }
}

/// Computes `body(inputs)`. Within `withCheckpoints`, only its inputs and result are kept for the backward pass, which
/// runs it a second time.
///
/// - Parameter body: depends on tracked tensors through `inputs` and on parameters (leaves), nothing else.
public func checkpointed(_ inputs: [Tensor], _ body: @escaping ([Tensor]) -> Tensor) -> Tensor {
    guard GradientMode.isEnabled, GradientMode.usesCheckpoints else { return body(inputs) }
    let result = withoutGradients { body(inputs.map { $0.detached() }) }
    return result.with(GradientNode(.checkpoint(GradientCheckpoint(inputs, body))))
}
