// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import TensorEngine

@Suite("AdamW")
struct AdamWTests {
    private let store = ParameterStore(
        TensorTable(["matrix": Tensor([2, 2], filled: 1), "vector": Tensor([3], filled: 1)]))

    /// One step of 0.1 with gradients of 0, so that only decay changes anything.
    private func stepped(
        _ settings: AdamW.Settings, _ loss: (Tensor, Tensor) -> Tensor
    ) throws -> (matrix: [Float], vector: [Float]) {
        let (matrix, vector) = try Weights.load(store) { (try $0("matrix", [2, 2]), try $0("vector", [3])) }
        var optimizer = AdamW(settings)
        optimizer.step(store, gradients(of: loss(matrix, vector)), rate: 0.1)
        return (matrix.values, vector.values)
    }

    @Test("decay shrinks matrices, and vectors where they are asked to", arguments: [true, false])
    func decay(decaysVectors: Bool) throws {
        var settings = AdamW.Settings()
        (settings.weightDecay, settings.decaysVectors) = (0.5, decaysVectors)
        let (matrix, vector) = try stepped(settings) { ($0 * 0).sum() + ($1 * 0).sum() }
        #expect(matrix.allSatisfy { abs($0 - 0.95) < 1e-6 })
        #expect(vector.allSatisfy { abs($0 - (decaysVectors ? 0.95 : 1)) < 1e-6 })
    }

    @Test("a parameter without a gradient stays as it is, undecayed")
    func noGradient() throws {
        let (matrix, vector) = try stepped(AdamW.Settings()) { matrix, _ in (matrix * 0).sum() }
        #expect(matrix.allSatisfy { $0 < 1 })
        #expect(vector == [1, 1, 1])
    }
}
