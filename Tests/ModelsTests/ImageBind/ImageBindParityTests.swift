// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

extension ImageBindConfig {
    /// The configuration of the `07_tiny_imagebind` goldens.
    static let tinyGolden = ImageBindConfig(
        vision: TowerConfig(dim: 64, blocks: 2, heads: 4), audio: TowerConfig(dim: 48, blocks: 2, heads: 4),
        text: TowerConfig(dim: 32, blocks: 2, heads: 4), embeddingDim: 40)

    static func of(_ golden: Golden) -> ImageBindConfig { golden.name.contains("tiny") ? .tinyGolden : .huge }
}

/// Towers one at a time: all three of the full size need 4.3 GB.
@Suite("ImageBind equals the official code", .serialized)
struct ImageBindParityTests {
    @Test("image tower", arguments: Golden.matching("0[67]_.*imagebind.*_vision"))
    func vision(golden: Golden) throws {
        let tower = try Weights.load(SeededSource()) { try VisionTower($0, .of(golden)) }
        let images = try golden.isTiny ? golden.seededInput("input.tiny.vision") : pictures()
        let pixels = images.permuted(0, 2, 3, 1)
        try golden.expect(tower.tokens(pixels), equals: "tokens")
        try golden.expectStates(from: tower.tokens(pixels), normed: tower.preNorm, tower.blocks)
        try golden.expect(tower.trunk(pixels), equals: "trunk")
        let token = tower.trunk(pixels, firstTokenOnly: true).reshaped(images.shape[0], -1)
        try golden.expect(tower.projected(token), equals: "head")
        try golden.expect(tower.head(token), equals: "embedding")
    }

    @Test("image tower on another input", arguments: Golden.matching("06_imagebind_huge_vision_seeded"))
    func seededVision(golden: Golden) throws {
        let tower = try Weights.load(SeededSource()) { try VisionTower($0, .huge) }
        let shape = [1, 3, 224, 224]
        let image = Tensor(SeededWeights.input("input.vision", shape: shape), shape: shape).permuted(
            0, 2, 3, 1)
        try golden.expect(
            tower.head(tower.trunk(image, firstTokenOnly: true).reshaped(1, -1)), equals: "embedding")

        // Two clips of two frames; their embeddings are averaged.
        let other = try Golden("06_imagebind_huge_other"), clips = [2, 3, 2, 224, 224]
        let video = Tensor(SeededWeights.input("input.video", shape: clips), shape: clips).permuted(
            0, 2, 3, 4, 1)
        let embedding = tower.head(tower.trunk(video, firstTokenOnly: true).reshaped(2, -1))
        try other.expect(embedding.mean(axis: 0, keeping: true), equals: "video.embedding")
    }

    @Test("audio tower", arguments: Golden.matching("0[67]_.*imagebind.*_audio"))
    func audio(golden: Golden) throws {
        let tower = try Weights.load(SeededSource()) { try AudioTower($0, .of(golden)) }
        let windows = try (golden.isTiny ? golden.seededInput("input.tiny.audio") : mels()).reshaped(
            -1, 128, 204)
        try golden.expect(tower.tokens(windows), equals: "tokens")
        try golden.expectStates(from: tower.tokens(windows), normed: nil, tower.blocks)
        let trunk = tower.trunk(windows), n = windows.shape[0]
        try golden.expect(trunk, equals: "trunk")
        let token = trunk.sliced(axis: 1, 0..<1).reshaped(n, -1)
        try golden.expect(tower.projected(token), equals: "head")
        try golden.expect(tower.head(token).reshaped(n / 3, 3, -1).mean(axis: 1), equals: "embedding")
    }

    @Test("text tower", arguments: Golden.matching("0[67]_.*imagebind.*_text"))
    func text(golden: Golden) throws {
        let tower = try Weights.load(SeededSource()) { try TextTower($0, .of(golden)) }
        let ids =
            try golden.isTiny ? Self.shortTexts : Golden("06_imagebind_preprocess").tensor("tokens").idRows
        try golden.expectStates(from: tower.tokens(tower.embed(ids)), normed: nil, tower.blocks, causal: true)
        try golden.expect(tower.states(tower.embed(ids)), equals: "trunk")
        let encoded = tower.encode(ids)
        try golden.expect(tower.projected(encoded.rows), equals: "head")
        try golden.expect(encoded.embedding, equals: "embedding")
    }

    /// "A dog.", "A car", "A bird".
    private static let shortTexts = [
        [49406, 320, 1929, 269, 49407], [49406, 320, 1615, 49407], [49406, 320, 3329, 49407],
    ].map { $0 + Array(repeating: 0, count: 77 - $0.count) }

    private func pictures() throws -> Tensor {
        let golden = try Golden("06_imagebind_preprocess")
        return concat(try (0..<3).map { try golden.tensor("image\($0)").reshaped(1, 3, 224, 224) })
    }

    private func mels() throws -> Tensor {
        let golden = try Golden("06_imagebind_preprocess")
        return concat(try (0..<3).map { try golden.tensor("mel\($0)").reshaped(3, 128, 204) })
    }
}

extension Golden {
    fileprivate var isTiny: Bool { name.contains("tiny") }

    fileprivate func seededInput(_ name: String) throws -> Tensor {
        let shape = try #require(manifest["input_shape"] as? [Int])
        return Tensor(SeededWeights.input(name, shape: shape), shape: shape)
    }

    /// Compares the state after each block that the file holds; it keeps them sequence-first.
    fileprivate func expectStates(
        from tokens: Tensor, normed: LayerNorm?, _ blocks: [TransformerBlock], causal: Bool = false
    ) throws {
        try expect(tokens, equals: "tokens")
        var x = normed?(tokens) ?? tokens
        try expect(x.permuted(1, 0, 2), equals: "pre_transformer")
        for (i, block) in blocks.enumerated() {
            x = block(x, causal: causal)
            if has("block\(i)") { try expect(x.permuted(1, 0, 2), equals: "block\(i)") }
        }
    }
}
