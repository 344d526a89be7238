// SPDX-License-Identifier: Apache-2.0

/// Dimensions of the image encoder's trunk. Source: `sam2/configs/sam2*/*.yaml`, `hieradet.py`.
public struct HieraConfig: Codable, Sendable, Equatable {
    /// Channels of stage 0; they double with each stage.
    public var embedDim: Int
    /// Heads of stage 0; they double with each stage.
    public var heads: Int
    /// Blocks of each stage.
    public var stages: [Int]
    /// Blocks that attend over the whole map.
    public var globalAttentionBlocks: [Int]
    /// Side of the attention windows of each stage.
    public var windows: [Int]
    /// Side of the learned background position grid.
    public var backgroundSize: Int
    public var mlpRatio = 4

    public init(
        embedDim: Int, heads: Int, stages: [Int], globalAttentionBlocks: [Int], windows: [Int],
        backgroundSize: Int = 7, mlpRatio: Int = 4
    ) {
        self.embedDim = embedDim
        self.heads = heads
        self.stages = stages
        self.globalAttentionBlocks = globalAttentionBlocks
        self.windows = windows
        self.backgroundSize = backgroundSize
        self.mlpRatio = mlpRatio
    }

    public var blockCount: Int { stages.reduce(0, +) }

    /// What one block of the trunk works on.
    struct Block: Equatable {
        var inputs, outputs, heads: Int
        /// Side of its windows; 0 attends over the whole map.
        var window: Int
        /// First of its stage: halves the map.
        var pools: Bool
        /// The stage whose output this block gives, if it is the last of one.
        var endsStage: Int?
    }

    var blocks: [Block] {
        var result: [Block] = []
        for (stage, count) in stages.enumerated() {
            for i in 0..<count {
                let index = result.count, pools = stage > 0 && i == 0
                // The reference advances its stage after choosing the window: a stage's first block has the old one.
                let window = pools ? windows[stage - 1] : windows[stage]
                result.append(
                    Block(
                        inputs: embedDim << (pools ? stage - 1 : stage), outputs: embedDim << stage,
                        heads: heads << stage, window: globalAttentionBlocks.contains(index) ? 0 : window,
                        pools: pools, endsStage: i == count - 1 ? stage : nil))
            }
        }
        return result
    }
}

/// All dimensions and switches of a SAM 2 or SAM 2.1 model. A value: variants are instances, not types.
///
/// Switches that all published configurations share are built in; those that differ are here.
public struct SAM2Config: Codable, Sendable, Equatable {
    public enum Version: String, Codable, Sendable {
        case v2_0 = "2.0"
        case v2_1 = "2.1"
    }

    public var version: Version
    public var trunk: HieraConfig
    /// Side S of the square input, a multiple of 32.
    public var imageSize = 1024
    /// Channels of the image embedding and of all tokens.
    public var hiddenDim = 256
    /// Channels of stored memories.
    public var memoryDim = 64
    public var memoryAttentionLayers = 4
    public var memoryAttentionHidden = 2048
    public var decoderHidden = 2048
    public var decoderHeads = 8
    public var iouHeadHidden = 256
    /// Channels of the memory encoder's last strided convolution of masks.
    public var maskEncoderChannels = 256

    /// Memories a frame attends to: all conditioning frames and `memoryFrames − 1` others.
    public var memoryFrames = 7
    public var maxObjectPointers = 16
    /// Nearest conditioning frames to attend to; nil is all of them.
    public var maxConditioningFrames: Int?
    /// Every how many frames memories before the previous frame are taken.
    public var memoryStride = 1

    /// Post-processing that the reference's builders switch on by default and its evaluation off.
    public var dynamicMultimaskViaStability = false
    public var stabilityDelta: Float = 0.05
    public var stabilityThreshold: Float = 0.98
    public var binarizesMaskFromPointsForMemory = false

    public init(version: Version, trunk: HieraConfig, imageSize: Int = 1024) {
        self.version = version
        self.trunk = trunk
        self.imageSize = imageSize
    }

    /// Side of the image embedding.
    public var embeddingSize: Int { imageSize / 16 }
    /// Side of low-resolution masks.
    public var maskSize: Int { imageSize / 4 }
    public var patchChannels: [Int] { trunk.stages.indices.map { trunk.embedDim << $0 } }

    // What SAM 2.1 added to 2.0.
    public var hasNoObjectEmbedding: Bool { version == .v2_1 }
    public var hasPointerPositions: Bool { version == .v2_1 }

    public static func tiny(version: Version = .v2_1, imageSize: Int = 1024) -> SAM2Config {
        SAM2Config(
            version: version,
            trunk: HieraConfig(
                embedDim: 96, heads: 1, stages: [1, 2, 7, 2], globalAttentionBlocks: [5, 7, 9],
                windows: [8, 4, 14, 7]),
            imageSize: imageSize)
    }

    public static func small(version: Version = .v2_1, imageSize: Int = 1024) -> SAM2Config {
        SAM2Config(
            version: version,
            trunk: HieraConfig(
                embedDim: 96, heads: 1, stages: [1, 2, 11, 2], globalAttentionBlocks: [7, 10, 13],
                windows: [8, 4, 14, 7]),
            imageSize: imageSize)
    }

    public static func basePlus(version: Version = .v2_1, imageSize: Int = 1024) -> SAM2Config {
        SAM2Config(
            version: version,
            trunk: HieraConfig(
                embedDim: 112, heads: 2, stages: [2, 3, 16, 3], globalAttentionBlocks: [12, 16, 20],
                windows: [8, 4, 14, 7], backgroundSize: 14),
            imageSize: imageSize)
    }

    public static func large(version: Version = .v2_1, imageSize: Int = 1024) -> SAM2Config {
        SAM2Config(
            version: version,
            trunk: HieraConfig(
                embedDim: 144, heads: 2, stages: [2, 6, 36, 4], globalAttentionBlocks: [23, 33, 43],
                windows: [8, 4, 16, 8]),
            imageSize: imageSize)
    }

    /// The published variants by the names used in files: `tiny`, `small`, `base_plus`, `large`.
    public static func named(_ name: String, version: Version, imageSize: Int = 1024) -> SAM2Config? {
        switch name {
        case "tiny": tiny(version: version, imageSize: imageSize)
        case "small": small(version: version, imageSize: imageSize)
        case "base_plus": basePlus(version: version, imageSize: imageSize)
        case "large": large(version: version, imageSize: imageSize)
        default: nil
        }
    }

    /// Tells the variant of a checkpoint from its keys.
    ///
    /// - Parameter shapes: shape of each tensor by its key, without a `model.` prefix.
    /// - Throws: `SAM2Error.unknownVariant` with what was found.
    public static func detect(_ shapes: [String: [Int]], imageSize: Int = 1024) throws -> SAM2Config {
        let trunk = "image_encoder.trunk."
        let version: Version = shapes["no_obj_embed_spatial"] == nil ? .v2_0 : .v2_1
        let width = shapes[trunk + "pos_embed"].flatMap { $0.count == 4 ? $0[1] : nil } ?? 0
        let blocks = shapes.keys.count { $0.hasPrefix(trunk + "blocks.") && $0.hasSuffix(".norm1.weight") }
        for name in ["tiny", "small", "base_plus", "large"] {
            guard let config = named(name, version: version, imageSize: imageSize) else { continue }
            if config.trunk.embedDim == width, config.trunk.blockCount == blocks { return config }
        }
        throw SAM2Error.unknownVariant(embedDim: width, blocks: blocks)
    }
}

/// What callers can get wrong.
public enum SAM2Error: Error, Equatable, CustomStringConvertible, Sendable {
    case unknownVariant(embedDim: Int, blocks: Int)
    case imageSize(Int)
    case prompt(String)
    case unknownObject(Int)
    case tooManyObjects(limit: Int)
    case bankFull(limitBytes: Int)
    case frameOrder(frame: Int, newest: Int)

    public var description: String {
        switch self {
        case .unknownVariant(let width, let blocks):
            "not a known SAM 2 variant: trunk of \(blocks) blocks, \(width) channels"
        case .imageSize(let size): "image size \(size) is not a positive multiple of 32"
        case .prompt(let reason): "prompt: \(reason)"
        case .unknownObject(let id): "no object \(id)"
        case .tooManyObjects(let limit): "more than \(limit) objects"
        case .bankFull(let limit): "another object could exceed the memory bank's \(limit) bytes"
        case .frameOrder(let frame, let newest):
            "frame \(frame) comes before frame \(newest), already dropped"
        }
    }
}
