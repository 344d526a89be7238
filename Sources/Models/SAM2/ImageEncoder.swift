// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/modeling/backbones/image_encoder.py` and `SAM2Base.forward_image`.
public import TensorEngine

/// What the rest of the model reads of an image, channels last.
public struct ImageFeatures: Sendable {
    /// `[B, S/4, S/4, C/8]`, by the mask decoder's `conv_s0`.
    public let s0: Tensor
    /// `[B, S/8, S/8, C/4]`, by `conv_s1`.
    public let s1: Tensor
    /// `[B, S/16, S/16, C]`, without memory.
    public let embedding: Tensor

    /// Features of some of the images.
    public subscript(rows range: Range<Int>) -> ImageFeatures {
        ImageFeatures(s0: s0[rows: range], s1: s1[rows: range], embedding: embedding[rows: range])
    }

    public init(s0: Tensor, s1: Tensor, embedding: Tensor) {
        self.s0 = s0
        self.s1 = s1
        self.embedding = embedding
    }

    public var bytes: Int { (s0.count + s1.count + embedding.count) * MemoryLayout<Float>.stride }
}

/// Trunk, feature pyramid and the two convolutions of the mask decoder that read its fine levels.
public struct ImageEncoder: Sendable {
    let trunk: Hiera
    let neck: FpnNeck
    let conv_s0, conv_s1: Conv2d
    /// `conv_s0` and `conv_s1` after the pyramid's lateral convolutions: two affine maps in a row are one.
    private let fused_s0, fused_s1: Affine

    /// - Parameter weights: the root of the model's keys; the pyramid's heads lie under `sam_mask_decoder`.
    public init(_ weights: Weights, _ config: SAM2Config) throws {
        guard config.imageSize > 0, config.imageSize % 32 == 0 else {
            throw SAM2Error.imageSize(config.imageSize)
        }
        let C = config.hiddenDim
        trunk = try Hiera(weights["image_encoder"]["trunk"], config.trunk)
        neck = try FpnNeck(weights["image_encoder"]["neck"], config.patchChannels, C)
        conv_s0 = try Conv2d(weights["sam_mask_decoder"]["conv_s0"], C, C / 8, kernel: 1)
        conv_s1 = try Conv2d(weights["sam_mask_decoder"]["conv_s1"], C, C / 4, kernel: 1)
        fused_s0 = Affine(conv_s0, after: neck.lateral(0))
        fused_s1 = Affine(conv_s1, after: neck.lateral(1))
    }

    /// - Parameters:
    ///   - image: `[B, S, S, 3]`, normalised.
    ///   - adapters: one vector `[B or 1, c_i]` per trunk block, added to the map before it: before its
    ///     normalisation and on its shortcut (TAViS).
    ///   - probe: receives `trunk.*`, `fpn.level0…3`; with it the levels that are not needed are computed too.
    public func callAsFunction(_ image: Tensor, adapters: [Tensor]? = nil, probe: Probe? = nil)
        -> ImageFeatures
    {
        let stages = trunk(image, adapters: adapters, probe: probe)
        let coarse = neck.coarseLevels(stages)
        if let probe {
            for level in 0...1 { probe("fpn.level\(level)", neck.lateral(level)(stages[level])) }
            probe("fpn.level2", coarse.level2)
            probe("fpn.level3", coarse.level3)
        }
        return ImageFeatures(s0: fused_s0(stages[0]), s1: fused_s1(stages[1]), embedding: coarse.level2)
    }
}

/// Lateral 1×1 convolutions; the coarsest level flows into the one above it, by nearest neighbours.
struct FpnNeck: Sendable {
    /// Coarsest first, as in the checkpoint.
    let convs: [Conv2d]

    /// - Parameter channels: of the stages, finest first.
    init(_ weights: Weights, _ channels: [Int], _ outputs: Int) throws {
        convs = try channels.reversed().enumerated().map {
            try Conv2d(weights["convs"][$0]["conv"], $1, outputs, kernel: 1)
        }
    }

    /// The convolution of a level; 0 is the finest.
    func lateral(_ level: Int) -> Conv2d { convs[convs.count - 1 - level] }

    /// Levels 2 and 3; the finer ones get nothing from above (`fpn_top_down_levels: [2, 3]`).
    func coarseLevels(_ stages: [Tensor]) -> (level2: Tensor, level3: Tensor) {
        let level3 = lateral(3)(stages[3]), conv = lateral(2)
        let weight = conv.weight.reshaped(conv.weight.shape[0], conv.weight.shape[1])
        let level2 = linear(stages[2], weight, conv.bias, residual: upsampledNearest2x(level3))
        return (level2, level3)
    }
}

/// Two 1×1 convolutions as one: W₂(W₁x + b₁) + b₂ = (W₂W₁)x + (W₂b₁ + b₂).
private struct Affine: Sendable {
    private let weight, bias: Folded

    init(_ second: Conv2d, after first: Conv2d) {
        @Sendable func matrix(_ conv: Conv2d) -> Tensor {
            conv.weight.reshaped(conv.weight.shape[0], conv.weight.shape[1])
        }
        @Sendable func vector(_ conv: Conv2d) -> Tensor { conv.bias ?? Tensor([conv.weight.shape[0]]) }
        let weights = [first.weight, first.bias, second.weight, second.bias]
        weight = Folded(weights) { matmul(matrix(second), matrix(first)) }
        bias = Folded(weights) {
            linear(vector(first).reshaped(1, -1), matrix(second), vector(second)).reshaped(-1)
        }
    }

    func callAsFunction(_ x: Tensor) -> Tensor { linear(x, weight(), bias()) }
}
