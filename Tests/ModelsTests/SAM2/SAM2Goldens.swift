// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine
import TestSupport
import Testing

/// What a SAM 2 golden's name says: `05_sam2.0_large_video_512_correct` and the like.
struct SAM2Golden: CustomTestStringConvertible, Sendable {
    let golden: Golden
    var testDescription: String { golden.name }

    /// All goldens of one kind, of any variant and size: `kind` is what stands between variant and size.
    static func all(_ prefix: String, kind: String) -> [SAM2Golden] {
        Golden.matching("\(prefix)_(sam2[.0-9]*_[a-z_]+|tiny_sam2)_\(kind)(_.*)?").map(SAM2Golden.init)
    }

    /// Parts of the name after the variant that are numbers.
    var size: Int? { golden.name.split(separator: "_").dropFirst().compactMap { Int($0) }.first }
    var isTiny: Bool { golden.name.contains("tiny_sam2_") }

    func config() throws -> SAM2Config {
        if isTiny { return .tinyGolden }
        let size = try #require(size, "\(golden.name): no size")
        let parts = golden.name.split(separator: "_")
        let version: SAM2Config.Version = parts[1] == "sam2.0" ? .v2_0 : .v2_1
        let name = parts[2] == "base" ? "base_plus" : String(parts[2])
        return try #require(
            SAM2Config.named(name, version: version, imageSize: size), "\(golden.name): no such variant")
    }

    /// The bias that makes every object count as present, in the goldens that say so.
    var fills: [String: Float] {
        let about = golden.manifest["about"] as? String ?? ""
        return about.hasPrefix("Override after seeding")
            ? ["sam_mask_decoder.pred_obj_score_head.layers.2.bias": 2] : [:]
    }

    func source() -> SeededSource { SeededSource(fills: fills) }

    func expect(
        _ value: Tensor, equals name: String, relativeRMS: Double = 1e-5, largest: Double = 5e-5,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try golden.expect(
            value, equals: name, relativeRMS: relativeRMS, largest: largest, sourceLocation: sourceLocation)
    }

    /// Compares a channels-last map with a stored channels-first one.
    func expectMap(
        _ value: Tensor, equals name: String, relativeRMS: Double = 1e-5, largest: Double = 5e-5,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try expect(
            value.permuted(0, 3, 1, 2), equals: name, relativeRMS: relativeRMS, largest: largest,
            sourceLocation: sourceLocation)
    }
}

extension SAM2Config {
    /// The small dimensions of the `07_tiny_sam2` goldens.
    static var tinyGolden: SAM2Config {
        var config = SAM2Config(
            version: .v2_1,
            trunk: HieraConfig(
                embedDim: 16, heads: 1, stages: [1, 2, 3, 2], globalAttentionBlocks: [4, 5],
                windows: [8, 4, 8, 4]),
            imageSize: 128)
        config.hiddenDim = 64
        config.memoryDim = 16
        config.memoryAttentionLayers = 2
        config.memoryAttentionHidden = 96
        return config
    }
}

/// A seeded input in the reference's layout, channels first, as a channels-last map.
func seededMap(_ name: String, _ shape: [Int], scale: Float) -> Tensor {
    Tensor(SeededWeights.input(name, shape: shape, scale: scale), shape: shape).permuted(0, 2, 3, 1)
}

func seeded(_ name: String, _ shape: [Int], scale: Float) -> Tensor {
    Tensor(SeededWeights.input(name, shape: shape, scale: scale), shape: shape)
}
