// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

@testable import Training

@Suite("starting from a smaller model")
struct GrownStartTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "grow-\(UUID().uuidString)")

    /// A model that has learnt a little, so that its biases and norms are not those of a fresh one.
    private func small() throws -> SmallRun {
        var run = try SmallRun()
        for _ in 0..<6 { try run.step() }
        return run
    }

    private func grown(_ run: SmallRun, seed: UInt64 = 8, _ change: (inout TAViSConfig) -> Void) throws
        -> SmallRun
    {
        var larger = SmallRun.config
        change(&larger)
        let known = TensorTable(run.store.weights)
        return try SmallRun(
            architecture: larger, from: GrownWeights(known, from: SmallRun.config, to: larger, seed: seed))
    }

    private func logits(_ run: SmallRun) throws -> Tensor {
        let batch = try ClipBatch(
            run.mix.clips(step: 90), side: 64, smallestArea: 20, logMel: LogMel())
        return run.trainer.model.predict(batch, usesMemory: true).logits
    }

    /// Root mean square of the difference, relative to the values' own.
    private func difference(_ a: Tensor, _ b: Tensor) -> Float {
        func square(_ x: Tensor) -> Float { (x * x).mean().scalar.squareRoot() }
        return square(a - b) / square(b)
    }

    @Test("new blocks of the trunk change nothing")
    func deeper() throws {
        let run = try small()
        let deep = try grown(run) {
            $0.sam2.trunk.stages = [2, 2, 3, 1]
            $0.sam2.trunk.globalAttentionBlocks = [4]
        }
        #expect(deep.store.weights.count > run.store.weights.count)
        #expect(try difference(logits(deep), logits(run)) < 1e-5)
    }

    @Test("wider perceptrons change nothing")
    func widerPerceptrons() throws {
        let run = try small()
        let wide = try grown(run) {
            ($0.sam2.decoderHidden, $0.sam2.memoryAttentionHidden) = (192, 256)
        }
        #expect(try difference(logits(wide), logits(run)) < 1e-5)
    }

    @Test(
        "wider streams start near what was learnt, exact but for norms and sines",
        arguments: [(12, 64), (8, 128), (12, 128)])
    func wider(trunk: Int, decoder: Int) throws {
        let run = try small(), expected = try logits(run)
        let wide = try grown(run) { ($0.sam2.trunk.embedDim, $0.sam2.hiddenDim) = (trunk, decoder) }
        #expect(try difference(logits(wide), expected) < 0.15)
        // Untrained weights are as far as can be.
        #expect(try difference(logits(SmallRun()), expected) > 0.5)
    }

    @Test("all that is new learns from the first step on")
    func learns() throws {
        var wide = try grown(try small()) {
            ($0.sam2.trunk.embedDim, $0.sam2.hiddenDim) = (12, 128)
            $0.sam2.trunk.stages = [1, 2, 1, 1]
            $0.sam2.trunk.globalAttentionBlocks = [3]
        }
        let start = wide.bits
        for _ in 0..<2 { try wide.step() }
        // Of each: a row or column that reads what is new, and one that writes it.
        for key in [
            "image_encoder.trunk.blocks.2.attn.proj.weight",
            "image_encoder.trunk.blocks.0.mlp.layers.1.weight",
            "image_encoder.trunk.blocks.0.attn.qkv.weight",
            "sam_mask_decoder.output_hypernetworks_mlps.0.layers.2.weight", "sam_mask_decoder.conv_s0.weight",
        ] {
            let before = try #require(start[key]), after = try #require(wide.bits[key])
            #expect(before.first != after.first && before.last != after.last, "\(key)")
        }
    }

    @Test("the file's architecture is what the run gets, and its provenance stays")
    func start() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let run = try small()
        let info = BundleInfo(
            name: "small", architecture: SmallRun.config, classes: SquareClips().classes, licences: [],
            provenance: ["first"])
        let bundle = try RunCheckpoint.write(run.trainer, info: info, in: folder, keep: 1)
        var larger = SmallRun.config
        larger.sam2.trunk.embedDim = 16
        let file = folder.appending(path: "larger.json")
        try JSONEncoder().encode(larger).write(to: file)
        var config = TrainingConfig()
        config.side = 64
        config.start = .bundle(bundle.folder.path, grownTo: .file(file.path))
        let start = try StartWeights(config, classes: SquareClips().classes)
        #expect(start.info.architecture == larger && start.info.provenance.first == "first")
        _ = try SmallRun(architecture: larger, from: start.weights)
    }

    @Test(
        "what cannot grow is refused",
        arguments: [
            { $0.sam2.trunk.embedDim = 4 }, { $0.sam2.hiddenDim = 96 }, { $0.imageBind.text.dim = 128 },
            { $0.sam2.trunk.stages = [1, 1, 1] },
        ] as [@Sendable (inout TAViSConfig) -> Void])
    func refuses(change: @Sendable (inout TAViSConfig) -> Void) throws {
        let error = #expect(throws: BundleError.self) { _ = try grown(try SmallRun(), change) }
        #expect(error?.description.contains("a model grows in embedDim, stages") == true)
    }

    @Test("runs within an axis grow by themselves; rotary pairs keep their frequency")
    func axes() {
        #expect(GrowingAxis().oldIndices(2, in: 4) == [0, 1, nil, nil])
        #expect(GrowingAxis(parts: 2).oldIndices(2, in: 4) == [0, nil, 1, nil])
        #expect(GrowingAxis(parts: 3).oldIndices(2, in: 2) == [0, 1])
        #expect(
            GrowingAxis(parts: 2, interleavesPairs: true).oldIndices(8, in: 16)
                == [0, 1, nil, nil, 2, 3, nil, nil, 4, 5, nil, nil, 6, 7, nil, nil])
    }
}
