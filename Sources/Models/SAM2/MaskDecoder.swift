// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/modeling/sam/mask_decoder.py`.
public import TensorEngine

/// All that the decoder predicts, before any choice.
public struct DecodedMasks: Sendable {
    /// Logits `[B, 4, S/4, S/4]`: the single mask, then three for ambiguous prompts.
    public let masks: Tensor
    /// Estimated IoU of each mask, 0…1. `[B, 4]`
    public let iou: Tensor
    /// `[B, 4, C]`
    public let tokens: Tensor
    /// Logit of the object being in the picture. `[B, 1]`
    public let objectScores: Tensor
}

/// The masks that were asked for: three, or one.
public struct SelectedMasks: Sendable {
    /// `[B, M, S/4, S/4]`
    public let masks: Tensor
    /// `[B, M]`
    public let iou: Tensor
    /// What object pointers are made of. `[B, M, C]`
    public let tokens: Tensor
    /// `[B, 1]`
    public let objectScores: Tensor
}

public struct MaskDecoder: Sendable {
    let transformer: TwoWayTransformer
    /// Object score, IoU and four mask tokens. `[6, C]`
    let outputTokens: Folded
    let upscale0, upscale1: ConvTranspose2d
    let upscaleNorm: LayerNorm
    let hypernetworks: [MLP]
    let iouHead, objectScoreHead: MLP
    private let dynamicMultimask: Bool
    private let stabilityDelta, stabilityThreshold: Float

    static let maskTokens = 4

    public init(_ weights: Weights, _ config: SAM2Config) throws {
        let C = config.hiddenDim
        transformer = try TwoWayTransformer(
            weights["transformer"], dim: C, hidden: config.decoderHidden, heads: config.decoderHeads)
        let tokens = [
            try weights["obj_score_token"]("weight", [1, C]), try weights["iou_token"]("weight", [1, C]),
            try weights["mask_tokens"]("weight", [Self.maskTokens, C]),
        ]
        outputTokens = Folded(tokens) { concat(tokens) }
        upscale0 = try ConvTranspose2d(weights["output_upscaling"][0], C, C / 4, kernel: 2)
        upscaleNorm = try LayerNorm(weights["output_upscaling"][1], C / 4, eps: 1e-6)
        upscale1 = try ConvTranspose2d(weights["output_upscaling"][3], C / 4, C / 8, kernel: 2)
        hypernetworks = try (0..<Self.maskTokens).map {
            try MLP(weights["output_hypernetworks_mlps"][$0], [C, C, C, C / 8])
        }
        let H = config.iouHeadHidden
        iouHead = try MLP(weights["iou_prediction_head"], [C, H, H, Self.maskTokens])
        objectScoreHead = try MLP(weights["pred_obj_score_head"], [C, C, C, 1])
        dynamicMultimask = config.dynamicMultimaskViaStability
        stabilityDelta = config.stabilityDelta
        stabilityThreshold = config.stabilityThreshold
    }

    /// Predicts four masks for each of B prompts.
    ///
    /// - Parameters:
    ///   - image: embedding `[I, h, w, C]`. I divides B: each image serves B / I prompts in a row, and is not repeated
    ///     before it must.
    ///   - positions: `PromptEncoder.densePositionEncoding`, `[1, h, w, C]`.
    ///   - sparse: prompt tokens `[B, N, C]`.
    ///   - dense: `[D, h, w, C]`, or `[D, 1, 1, C]`: the same everywhere. D divides I.
    ///   - s0, s1: fine features `[F, 4h, 4w, C/8]`, `[F, 2h, 2w, C/4]`. F divides B.
    public func predictMasks(
        image: Tensor, positions: Tensor, sparse: Tensor, dense: Tensor, s0: Tensor, s1: Tensor
    ) -> DecodedMasks {
        let (h, w, C) = (image.shape[1], image.shape[2], image.shape[3]), B = sparse.shape[0]
        let tokens = concat([outputTokens().reshaped(1, -1, C).repeated(B), sparse], axis: 1)
        let (hs, keys) = transformer(
            image.adding(shared: dense).reshaped(-1, h * w, C), positions: positions.reshaped(1, h * w, C),
            tokens: tokens
        )
        let map = keys.reshaped(B, h, w, C)
        let middle = upscaleNorm(upscale0(map).adding(shared: s1)).gelu()
        let fine = upscale1(middle).adding(shared: s0).gelu()

        func token(_ index: Int) -> Tensor { hs.sliced(axis: 1, index..<index + 1).reshaped(B, C) }
        let weights = concat(
            hypernetworks.enumerated().map { $1(token(2 + $0)).reshaped(B, 1, C / 8) }, axis: 1)
        let masks = matmul(weights, fine.reshaped(B, 16 * h * w, C / 8), transposeB: true)
        return DecodedMasks(
            masks: masks.reshaped(B, Self.maskTokens, 4 * h, 4 * w), iou: iouHead(token(1)).sigmoid(),
            tokens: hs.sliced(axis: 1, 2..<2 + Self.maskTokens), objectScores: objectScoreHead(token(0)))
    }

    /// The three masks for ambiguous prompts, or the single one.
    ///
    /// A single mask that is unstable gives way to the best of the three where the configuration says so; the
    /// object pointer's token stays the single mask's.
    public func select(_ decoded: DecodedMasks, multimask: Bool) -> SelectedMasks {
        if multimask {
            return SelectedMasks(
                masks: decoded.masks.sliced(axis: 1, 1..<4), iou: decoded.iou.sliced(axis: 1, 1..<4),
                tokens: decoded.tokens.sliced(axis: 1, 1..<4), objectScores: decoded.objectScores)
        }
        let B = decoded.masks.shape[0]
        let choice = dynamicMultimask ? stableMasks(decoded) : [Int](repeating: 0, count: B)
        let flat = choice.enumerated().map { $0 * Self.maskTokens + $1 }
        let (h, w) = (decoded.masks.shape[2], decoded.masks.shape[3])
        return SelectedMasks(
            masks: decoded.masks.reshaped(-1, h, w).gathered(flat).reshaped(B, 1, h, w),
            iou: decoded.iou.reshaped(-1, 1).gathered(flat), tokens: decoded.tokens.sliced(axis: 1, 0..<1),
            objectScores: decoded.objectScores)
    }

    /// For each prompt, mask 0 if it is stable, otherwise the one of masks 1…3 with the best IoU.
    public func stableMasks(_ decoded: DecodedMasks) -> [Int] {
        let best = decoded.iou.sliced(axis: 1, 1..<4).argmax()
        return best.enumerated().map { b, choice in
            stability(decoded.masks[row: b][row: 0]) >= stabilityThreshold ? 0 : 1 + choice
        }
    }

    /// How little a mask's area depends on the threshold: area above +δ over area above −δ.
    func stability(_ mask: Tensor) -> Float {
        mask.withValues { logits in
            var inner = 0, outer = 0
            for logit in logits {
                inner += logit > stabilityDelta ? 1 : 0
                outer += logit > -stabilityDelta ? 1 : 0
            }
            return outer > 0 ? Float(inner) / Float(outer) : 1
        }
    }
}
