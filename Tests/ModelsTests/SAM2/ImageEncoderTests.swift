// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("SAM 2 image encoder", .serialized)
struct ImageEncoderTests {
    @Test(
        "every stage equals the reference",
        arguments: SAM2Golden.all("02", kind: "enc") + SAM2Golden.all("07", kind: "encoder"))
    func parity(_ golden: SAM2Golden) throws {
        let config = try golden.config(), size = config.imageSize
        let encoder = try Weights.load(golden.source()) { try ImageEncoder($0, config) }
        let features = encoder(try input(golden, size: size)) { name, value in
            let isStage = name.hasPrefix("trunk.stage") || name.hasPrefix("fpn.")
            #expect(throws: Never.self) {
                if isStage {
                    try golden.expectMap(value, equals: name)
                } else {
                    try golden.expect(value, equals: name)
                }
            }
        }
        try golden.expectMap(features.s0, equals: "conv_s0")
        try golden.expectMap(features.s1, equals: "conv_s1")
        try golden.expectMap(features.embedding, equals: "vision_features")
        for (level, name) in ["pos.level0", "pos.level1", "pos.level2", "pos.level3"].enumerated() {
            let positions = sinePositionEncoding(size: size >> (2 + level), channels: config.hiddenDim)
            let batch = features.embedding.shape[0]
            try golden.expectMap(positions.repeated(batch), equals: name)
        }
    }

    private func input(_ golden: SAM2Golden, size: Int) throws -> Tensor {
        if golden.isTiny { return seededMap("input.tiny.image", [2, 3, size, size], scale: 2) }
        guard golden.golden.has("preprocessed") else {
            return seededMap("input.image", [1, 3, size, size], scale: 2)
        }
        let frame = try TestPicture("frames_full/00000.png")
        let image = ImageTransforms.image(frame.pixels, width: frame.width, height: frame.height, size: size)
        try golden.expectMap(image, equals: "preprocessed")
        return image
    }

    @Test("frames of a video equal Pillow's", arguments: Golden.matching("02_sam2_video_preprocess"))
    func videoFrames(_ golden: Golden) throws {
        for name in golden.tensorNames {
            let parts = name.dropFirst("frame".count).split(separator: "_").compactMap { Int($0) }
            let frame = try TestPicture("frames_full/0000\(parts[0]).png")
            let tensor = ImageTransforms.videoFrame(
                frame.pixels, width: frame.width, height: frame.height, size: parts[1])
            try golden.expect(tensor.permuted(0, 3, 1, 2)[row: 0], equals: name)
        }
    }

    @Test("adapters shift the map before a block, on its shortcut too")
    func adapters() throws {
        let config = SAM2Config.tinyGolden
        let encoder = try Weights.load(SeededSource()) { try ImageEncoder($0, config) }
        let image = seededMap("input.tiny.image", [2, 3, 128, 128], scale: 2)
        let zeros = config.trunk.blocks.map { Tensor([1, $0.inputs]) }
        let plain = encoder(image)
        #expect(encoder(image, adapters: zeros).embedding.values == plain.embedding.values)
        // The same shift as a constant added to the patch embedding's bias.
        var shifted = zeros
        shifted[0] = seeded("input.shift", [1, 16], scale: 1)
        var fills: [Tensor] = []
        _ = encoder(image) { name, value in if name == "trunk.block0_in" { fills.append(value) } }
        let expected = encoder.trunk.blocks[0](fills[0] + shifted[0])
        var found: [Tensor] = []
        _ = encoder(image, adapters: shifted) { name, value in
            if name == "trunk.block0" { found.append(value) }
        }
        #expect(found[0].values == expected.values)
        // One vector per image.
        let both = shifted.map { $0.repeated(2) }
        #expect(
            encoder(image, adapters: both).embedding.values
                == encoder(image, adapters: shifted).embedding.values)
    }

    @Test("the variant of a checkpoint is told from its keys")
    func detection() throws {
        for version in [SAM2Config.Version.v2_0, .v2_1] {
            for name in ["tiny", "small", "base_plus", "large"] {
                let config = try #require(SAM2Config.named(name, version: version))
                var shapes = ["image_encoder.trunk.pos_embed": [1, config.trunk.embedDim, 7, 7]]
                for i in 0..<config.trunk.blockCount {
                    shapes["image_encoder.trunk.blocks.\(i).norm1.weight"] = [1]
                }
                if version == .v2_1 { shapes["no_obj_embed_spatial"] = [1, 64] }
                #expect(try SAM2Config.detect(shapes) == config)
            }
        }
        #expect(throws: SAM2Error.unknownVariant(embedDim: 0, blocks: 0)) { try SAM2Config.detect([:]) }
    }
}
