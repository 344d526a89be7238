// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("ImageBind")
struct ImageBindTests {
    static let tiny = ImageBindConfig(
        vision: TowerConfig(dim: 32, blocks: 2, heads: 2),
        audio: TowerConfig(dim: 24, blocks: 2, heads: 2),
        text: TowerConfig(dim: 16, blocks: 2, heads: 2), embeddingDim: 12)

    @Test("keys of towers that are left out are told apart, with any prefix")
    func modalities() {
        #expect(ImageBind.isOtherModality("modality_trunks.depth.blocks.0.norm_1.weight"))
        #expect(ImageBind.isOtherModality("imagebind.modality_preprocessors.imu.cls_token"))
        #expect(ImageBind.isOtherModality("modality_postprocessors.thermal.1.log_logit_scale"))
        #expect(ImageBind.isOtherModality("imagebind.modality_preprocessors.text.mask"))
        #expect(!ImageBind.isOtherModality("modality_heads.vision.0.weight"))
        #expect(!ImageBind.isOtherModality("image_encoder.imu.weight"))
        #expect(!ImageBind.isOtherModality("modality_trunks"))
    }

    @Test("the released model takes 863 entries of 1 073 097 729 parameters")
    func entries() throws {
        let counter = CountingSource()
        _ = try Weights.load(counter) { try ImageBind($0, .huge) }
        #expect(counter.shapes.count == 863)
        // The audio scale is a constant.
        let parameters = counter.shapes.filter { $0.key != "modality_postprocessors.audio.1.log_logit_scale" }
        let count = parameters.values.map { $0.reduce(1, *) }.reduce(0, +)
        #expect(count == 1_073_097_729)
    }

    @Test("a quarter of the pixels uses positions interpolated by the constant cubic kernel")
    func interpolatedPositions() throws {
        let tower = try Weights.load(SeededSource()) { try VisionTower($0, Self.tiny) }
        let D = Self.tiny.vision.dim, grid = 16
        let learned = Tensor(
            SeededWeights.values(
                key: "modality_preprocessors.vision.pos_embedding_helper.pos_embed",
                shape: [1, 1 + grid * grid, D]), shape: [1 + grid * grid, D])
        let classToken = SeededWeights.values(
            key: "modality_preprocessors.vision.cls_token", shape: [1, 1, D])
        // A black picture has no patch embeddings: what remains are class token and positions.
        let found = tower.tokens(Tensor([1, 112, 112, 3]))
        // 112²: the source position is always half way, so the taps are the same everywhere.
        let taps: [(Int, Float)] = [(-1, -3 / 32), (0, 19 / 32), (1, 19 / 32), (2, -3 / 32)]
        var expected = (0..<D).map { learned[0, $0] + classToken[$0] }
        for y in 0..<8 {
            for x in 0..<8 {
                var sum = [Float](repeating: 0, count: D)
                for (dy, wy) in taps {
                    for (dx, wx) in taps {
                        let row = min(max(2 * y + dy, 0), 15), column = min(max(2 * x + dx, 0), 15)
                        for c in 0..<D { sum[c] += wy * wx * learned[1 + row * grid + column, c] }
                    }
                }
                expected += sum
            }
        }
        expectClose(found.values, expected, "positions", relativeRMS: 1e-6, largest: 1e-6)
        #expect(found.shape == [1, 65, D])
    }

    @Test("a clip of two equal frames is a still image")
    func equalFrames() throws {
        let tower = try Weights.load(SeededSource()) { try VisionTower($0, Self.tiny) }
        let image = Tensor(SeededWeights.input("image", shape: [1, 112, 112, 3]), shape: [1, 112, 112, 3])
        let clip = concat([image, image], axis: 0).reshaped(1, 2, 112, 112, 3)
        expectClose(tower.trunk(clip).values, tower.trunk(image).values, "trunk")
        #expect(tower.trunk(image).shape == [1, 65, 32])
    }

    @Test("a longer text does not change what is read at an earlier position")
    func causality() throws {
        let tower = try Weights.load(SeededSource()) { try TextTower($0, Self.tiny) }
        let x = Tensor(SeededWeights.input("text", shape: [2, 77, 16]), shape: [2, 77, 16])
        let early = tower.trunk(x, select: [3, 5])
        let both = tower.trunk(concat([x, x]), select: [3, 5, 76, 20])
        expectClose(early.values, Array(both.values.prefix(32)), "rows at 3 and 5")
        let same = tower.trunk(x, select: [5, 5])
        expectClose(Array(same.values.suffix(16)), Array(early.values.suffix(16)), "row at 5")
    }

    @Test("no text gives no embedding")
    func noText() throws {
        let tower = try Weights.load(SeededSource()) { try TextTower($0, Self.tiny) }
        #expect(tower.encode([]).embedding.shape == [0, 12])
    }
}

/// Hands out zeros and notes what is asked for.
private final class CountingSource: WeightSource, @unchecked Sendable {  // used by one test, on one thread
    private(set) var shapes: [String: [Int]] = [:]
    /// Zeros for the largest tensor; all others are its beginning.
    private let zeros = Tensor([49408 * 1024])
    let keys: Set<String>? = nil
    func shape(of key: String, expected: [Int]) -> [Int]? { expected }
    func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        shapes[key] = shape
        return zeros[rows: 0..<shape.reduce(1, *)].reshaped(shape)
    }
}

extension Tensor {
    /// Rows of whole numbers.
    var idRows: [[Int]] { (0..<shape[0]).map { self[row: $0].values.map { Int($0) } } }
}
