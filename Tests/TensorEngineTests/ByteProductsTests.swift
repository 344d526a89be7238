// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing

@testable import TensorEngine

@Suite("linear layers in bytes")
struct ByteProductsTests {
    private func noise(_ shape: [Int], _ name: String = "x") -> Tensor {
        Tensor(SeededWeights.input("input.bytes.\(name)", shape: shape, scale: 1), shape: shape)
    }

    private func relativeError(_ found: Tensor, _ expected: Tensor) -> Float {
        let difference = zip(found.values, expected.values).reduce(Float(0)) {
            $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
        }
        let norm = expected.values.reduce(Float(0)) { $0 + $1 * $1 }
        return (difference / norm).squareRoot()
    }

    /// The rounding of 255 steps is about 0.4 % of a row's spread on either side.
    @Test(
        "the result is that of floats but for the rounding",
        arguments: [(1, 32, 32), (6, 70, 96), (65, 33, 640), (700, 48, 40), (3, 1, 64)])
    func closeness(m: Int, n: Int, k: Int) {
        let x = noise([m, k]), w = noise([n, k], "w"), b = noise([n], "b"), r = noise([m, n], "r")
        for activation in [Activation.none, .gelu, .relu] {
            let found = linear(x, ByteMatrix(rounding: w), b, activation: activation, residual: r)
            let expected = linear(x, w, b, activation: activation, residual: r)
            #expect(found.shape == [m, n])
            #expect(relativeError(found, expected) < 0.015, "\(activation)")
        }
        let plain = linear(x, ByteMatrix(rounding: w), nil, activation: .none, residual: nil)
        #expect(relativeError(plain, linear(x, w)) < 0.015)
    }

    @Test("inputs that bytes can hold lose nothing")
    func exactness() {
        let (m, n, k) = (5, 40, 64)
        // The widest weight and the widest input stand in each row, so that every step is 1 (weights) and 0.5.
        let levels = Int(tavis_gemm_u8_levels())
        let w = Tensor((0..<n * k).map { $0 % k == 0 ? 127 : Float($0 * 37 % 255 - 127) }, shape: [n, k])
        let x = Tensor(
            (0..<m * k).map {
                0.5 * ($0 % k == 0 ? Float(levels) - 20 : $0 % k == 1 ? -20 : Float($0 * 13 % 60))
            },
            shape: [m, k])
        let found = linear(x, ByteMatrix(rounding: w), nil, activation: .none, residual: nil)
        expectClose(found.values, linear(x, w).values, "exact bytes")
    }

    @Test("rows of a matrix are a matrix")
    func rows() {
        let w = noise([96, 64], "w"), x = noise([7, 64])
        let whole = linear(x, ByteMatrix(rounding: w), nil, activation: .none, residual: nil)
        let part = linear(x, ByteMatrix(rounding: w)[rows: 32..<96], nil, activation: .none, residual: nil)
        #expect(part.values == whole.sliced(axis: 1, 32..<96).values)
    }

    @Test("what is not finite stays visible", arguments: [Float.nan, .infinity])
    func damage(value: Float) {
        var x = noise([3, 64])
        x.withMutableValues { $0[70] = value }
        let y = linear(x, ByteMatrix(rounding: noise([32, 64], "w")), nil, activation: .none, residual: nil)
        #expect(y[row: 1].values.allSatisfy { !$0.isFinite })
        #expect((y[row: 0].values + y[row: 2].values).allSatisfy { $0.isFinite })
    }

    @Test("what a layer loses is measured while it runs, and only then")
    func losses() throws {
        let w = noise([64, 96], "w"), small = noise([8, 96], "s")
        let table = TensorTable(["a.weight": w, "b.weight": small])
        let (a, b) = try Weights.load(table) {
            (try Linear($0["a"], 96, 64, bias: false), try Linear($0["b"], 96, 8, bias: false))
        }
        _ = a(noise([5, 96]))
        let found = ProductLoss.measure {
            _ = a(noise([5, 96]))
            _ = a(noise([300, 96], "y"))
            _ = b(noise([5, 96]))
        }
        #expect(Set(found.keys) == ["a.weight"])
        let loss = try #require(found["a.weight"])
        #expect(loss.cosine > 0.9995 && loss.cosine < 1)
    }

    @Test("a layer whose weights bytes cannot hold shows it")
    func coarse() throws {
        // One weight a thousand times the others takes nearly all steps.
        var w = noise([64, 96], "w")
        w.withMutableValues { for row in 0..<64 { $0[row * 96] = 2000 } }
        var x = noise([40, 96])
        x.withMutableValues { for row in 0..<40 { $0[row * 96] = 0 } }
        let layer = try Weights.load(TensorTable(["weight": w])) { try Linear($0, 96, 64, bias: false) }
        let found = ProductLoss.measure { _ = layer(x) }
        #expect(try #require(found["weight"]).cosine < 0.6)
    }

    @Test("who measures at the same time sees layers of its own only")
    func measuredTogether() async throws {
        let counted = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<8 {
                group.addTask {
                    let table = TensorTable(["\(index).weight": noise([64, 96], "w")])
                    let layer = try Weights.load(table) { try Linear($0["\(index)"], 96, 64, bias: false) }
                    let found = ProductLoss.measure { for _ in 0..<50 { _ = layer(noise([5, 96])) } }
                    return Array(found.keys) == ["\(index).weight"]
                }
            }
            return try await group.reduce(into: 0) { if $1 { $0 += 1 } }
        }
        #expect(counted == 8)
    }

    // MARK: Files

    private func write(_ folder: TemporaryFolder, _ w: Tensor) throws -> String {
        let floats = folder.path + "/w.safetensors", bundle = folder.path + "/bundle"
        try SafetensorsWriter.write(
            path: floats,
            tensors: [("l.weight", w.shape, w.values), ("l.bias", [w.shape[0]], noise([w.shape[0]]).values)])
        let writer = BundleWriter(modelJSON: [], type: { $0 == "l.weight" ? .int8 : .float32 })
        try writer.write([BundleSource(try .open(floats))], to: bundle)
        return bundle
    }

    @Test("bytes written to a bundle multiply as those made in memory")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let w = noise([70, 96], "w"), x = noise([9, 96])
        let bundle = try Checkpoint.open(try write(folder, w))
        #expect(try bundle.tensor("l.weight").dtype == .int8)
        let layer = try Weights.load(CheckpointWeights(bundle.tensors)) { try Linear($0["l"], 96, 70) }
        let expected = linear(x, ByteMatrix(rounding: w), layer.bias, activation: .none, residual: nil)
        #expect(layer(x).values == expected.values)
    }

    @Test("bytes are not taken for floats, as in training")
    func training() throws {
        let folder = try TemporaryFolder()
        let weights = CheckpointWeights(try Checkpoint.open(try write(folder, noise([64, 96], "w"))).tensors)
        #expect(throws: CheckpointError.self) {
            _ = try Weights.load(ParameterStore(weights)) { try Linear($0["l"], 96, 64) }
        }
    }

    @Test("a missing, misshapen or impossible companion is named")
    func hostile() throws {
        let folder = try TemporaryFolder()
        func load(_ scale: [Float]?, _ sum: [Float]?) throws {
            let path = folder.path + "/\(UUID().uuidString).safetensors"
            let companions = [("weight_scale", scale), ("weight_sum", sum)]
            let entries =
                [SafetensorsWriter.Entry("weight", .int8, shape: [40, 64])]
                + companions.compactMap { name, values in values.map { .init(name, shape: [$0.count]) } }
            let writer = try SafetensorsWriter(path: path, entries: entries)
            try [Int8](repeating: 1, count: 40 * 64).withUnsafeBytes {
                try writer.append(bytes: $0, to: "weight")
            }
            for (name, values) in companions { if let values { try writer.append(values, to: name) } }
            try writer.finish()
            _ = try Weights.load(CheckpointWeights(try Checkpoint.open(path).tensors)) {
                try Linear($0, 64, 40, bias: false)
            }
        }
        let good = [Float](repeating: 64, count: 40)
        try load(good, good)
        func expectRefusal(_ words: String, _ scale: [Float]?, _ sum: [Float]?) {
            do {
                try load(scale, sum)
                Issue.record("accepted: \(words)")
            } catch { #expect("\(error)".contains(words), "\(error)") }
        }
        expectRefusal("weight_sum: not in the file", good, nil)
        expectRefusal("weight_scale: not in the file", nil, good)
        expectRefusal("weight_scale: expected [40], file has [39]", Array(good.dropLast()), good)
        expectRefusal("cannot be the sum of 64 signed bytes", good, good.dropLast() + [9000])
        expectRefusal("cannot be the sum of 64 signed bytes", good, good.dropLast() + [.nan])
    }
}
