// SPDX-License-Identifier: Apache-2.0
// The whole model on one image at a time. What is remembered between frames lives in `MemoryBank`.
// Source: `sam2/modeling/sam2_base.py`.
public import TensorEngine

/// Outcome of prompting or tracking on one frame, for B objects.
public struct SAMHeads: Sendable {
    /// Best mask's logits `[B, 1, S/4, S/4]`; `SAM2.noObjectScore` throughout where the object is absent.
    public let lowResMasks: Tensor
    /// Its estimated IoU. `[B]`
    public let iou: [Float]
    /// IoU estimates of all masks that were in the choice. `[B, M]`
    public let candidateIoU: Tensor
    /// `[B, C]`
    public let pointers: Tensor
    /// Logit of the object being in the picture. `[B, 1]`
    public let objectScores: Tensor
}

public struct SAM2: Sendable {
    public let config: SAM2Config
    public let imageEncoder: ImageEncoder
    public let promptEncoder: PromptEncoder
    public let maskDecoder: MaskDecoder
    public let memoryEncoder: MemoryEncoder
    public let memoryAttention: MemoryAttention

    /// Position in time of a memory: row k for the one k + 1 frames ago, the last for conditioning frames.
    let memoryTimes: Tensor
    let noMemoryEmbedding: Tensor
    let noObjectPointer: Tensor
    let pointerProjection: MLP
    let maskDownsample: Conv2d
    // SAM 2.1 only.
    let noObjectEmbedding: Tensor?
    let pointerTimeProjection: Linear?

    /// Logit of every pixel of an absent object. Source: `NO_OBJ_SCORE`.
    public static let noObjectScore: Float = -1024

    let sinePositions = SizeCache<Tensor>()
    let memoryPositions = SizeCache<[Tensor]>()

    /// - Parameter weights: the root of the model's keys.
    public init(_ weights: Weights, _ config: SAM2Config) throws {
        let C = config.hiddenDim, Cm = config.memoryDim
        self.config = config
        imageEncoder = try ImageEncoder(weights, config)
        promptEncoder = try PromptEncoder(weights["sam_prompt_encoder"], config)
        maskDecoder = try MaskDecoder(weights["sam_mask_decoder"], config)
        memoryEncoder = try MemoryEncoder(weights["memory_encoder"], config)
        memoryAttention = try MemoryAttention(weights["memory_attention"], config)
        memoryTimes = try weights("maskmem_tpos_enc", [config.memoryFrames, 1, 1, Cm])
        noMemoryEmbedding = try weights("no_mem_embed", [1, 1, C])
        // In every checkpoint, read by none of the published configurations.
        _ = try weights("no_mem_pos_enc", [1, 1, C])
        noObjectPointer = try weights("no_obj_ptr", [1, C])
        pointerProjection = try MLP(weights["obj_ptr_proj"], [C, C, C, C])
        maskDownsample = try Conv2d(weights["mask_downsample"], 1, 1, kernel: 4, stride: 4)
        noObjectEmbedding = config.hasNoObjectEmbedding ? try weights("no_obj_embed_spatial", [1, Cm]) : nil
        pointerTimeProjection =
            config.hasPointerPositions ? try Linear(weights["obj_ptr_tpos_proj"], C, Cm) : nil
    }

    /// The embedding of a frame that is prompted without memory. `[B, h, w, C]`
    public func withoutMemory(_ embedding: Tensor) -> Tensor {
        embedding + noMemoryEmbedding.reshaped(-1)
    }

    /// Prompt tokens and maps to masks, with the fine features of `features` and `image` in place of its embedding.
    public func decode(_ features: ImageFeatures, image: Tensor, sparse: Tensor, dense: Tensor)
        -> DecodedMasks
    {
        maskDecoder.predictMasks(
            image: image, positions: promptEncoder.densePositionEncoding(size: image.shape[1]),
            sparse: sparse, dense: dense, s0: features.s0, s1: features.s1)
    }

    /// Decodes prompts, chooses the best mask and makes the object's pointer.
    ///
    /// - Parameters:
    ///   - image: `[B or 1, h, w, C]`, with or without memory.
    ///   - points: per prompt; nil stands for one padding point.
    ///   - mask: logits `[B, 1, any, any]`, resized to S/4 where needed.
    ///   - multimask: choose among three by their IoU.
    /// Source: `_forward_sam_heads`.
    public func forwardSAMHeads(
        _ features: ImageFeatures, image: Tensor, points: [[PromptPoint]]?, mask: Tensor? = nil,
        multimask: Bool
    ) -> SAMHeads {
        let B = points?.count ?? mask?.shape[0] ?? image.shape[0], side = config.maskSize
        let sparse = promptEncoder.sparse(points ?? Array(repeating: [.empty], count: B))
        let prompt = mask.map { resizedMasks($0, size: side, antialias: true) }
        let decoded = decode(features, image: image, sparse: sparse, dense: promptEncoder.dense(prompt))
        let selected = maskDecoder.select(decoded, multimask: multimask)

        let M = selected.iou.shape[1], best = selected.iou.argmax()
        let masks = selected.masks.reshaped(-1, side, side).gathered(best.enumerated().map { $0 * M + $1 })
        let iou = best.enumerated().map { selected.iou[$0, $1] }

        let tokens = selected.tokens.reshaped(-1, config.hiddenDim).gathered(
            best.enumerated().map { $0 * M + $1 })
        let present = selected.objectScores.values.map { $0 > 0 }
        return SAMHeads(
            lowResMasks: Self.hiding(absent: present, in: masks.reshaped(B, 1, side, side)), iou: iou,
            candidateIoU: selected.iou, pointers: pointers(pointerProjection(tokens), present: present),
            objectScores: selected.objectScores)
    }

    /// Takes a mask prompt as the result itself; only the pointer is decoded.
    ///
    /// - Parameter mask: 0 or 1, `[B, 1, S, S]`.
    /// Source: `_use_mask_as_output`.
    public func useMaskAsOutput(_ features: ImageFeatures, mask: Tensor) -> SAMHeads {
        let (B, S) = (mask.shape[0], mask.shape[2])
        let low = resizedMasks(mask * 20 - 10, size: S / 4, antialias: true)
        let prompt = maskDownsample(mask.reshaped(B, S, S, 1)).reshaped(B, 1, S / 4, S / 4)
        let heads = forwardSAMHeads(
            features, image: features.embedding, points: nil, mask: prompt, multimask: false)
        let present = (0..<B).map { mask[row: $0].withValues { $0.contains { $0 > 0 } } }
        return SAMHeads(
            lowResMasks: low, iou: Array(repeating: 1, count: B), candidateIoU: Tensor([B, 1], filled: 1),
            pointers: pointers(heads.pointers, present: present),
            objectScores: Tensor(present.map { $0 ? 10 : -10 }, shape: [B, 1]))
    }

    /// Whether to choose among three masks: for no point (tracking) or one.
    public func usesMultimask(points: [PromptPoint]?) -> Bool { (points?.count ?? 0) <= 1 }

    /// The memory of a frame, rounded to bfloat16 as the reference stores it.
    ///
    /// - Parameters:
    ///   - embedding: of the image, without memory `[B or 1, h, w, C]`.
    ///   - lowResMasks: logits `[B, 1, S/4, S/4]`.
    ///   - fromPrompts: whether the frame was prompted; its mask may then be made binary.
    /// - Returns: `[B, h, w, Cm]`
    /// Source: `_encode_new_memory`.
    public func encodeMemory(
        _ embedding: Tensor, lowResMasks: Tensor, objectScores: Tensor, fromPrompts: Bool
    ) -> Tensor {
        let masks = resizedMasks(lowResMasks, size: config.imageSize, antialias: false)
        return encodeMemory(
            embedding, masks: masks, objectScores: objectScores, fromPrompts: fromPrompts
        ).roundedToBFloat16()
    }

    /// Before rounding. `masks`: logits `[B, 1, S, S]`.
    func encodeMemory(_ embedding: Tensor, masks: Tensor, objectScores: Tensor, fromPrompts: Bool) -> Tensor {
        let binary = config.binarizesMaskFromPointsForMemory && fromPrompts
        let shown = binary ? Self.isPositive(masks) : masks.sigmoid()
        var memory = memoryEncoder(embedding, mask: shown * 20 - 10)
        if let noObjectEmbedding {
            let absent = objectScores.values.map { Float($0 > 0 ? 0 : 1) }
            if absent.contains(1) {
                let flags = Tensor(absent, shape: [absent.count, 1, 1, 1])
                memory = memory + flags * noObjectEmbedding.reshaped(1, 1, 1, config.memoryDim)
            }
        }
        return memory
    }

    private static func isPositive(_ masks: Tensor) -> Tensor {
        Tensor(shape: masks.shape) { out in
            masks.withValues { for i in $0.indices { out[i] = $0[i] > 0 ? 1 : 0 } }
        }
    }

    /// Bilinear, antialiased or not. `[B, n, H, W] → [B, n, size, size]`
    func resizedMasks(_ masks: Tensor, size: Int, antialias: Bool) -> Tensor {
        let (b, n, h, w) = (masks.shape[0], masks.shape[1], masks.shape[2], masks.shape[3])
        guard h != size || w != size else { return masks }
        let map = masks.reshaped(b * n, h, w, 1)
        let resized =
            antialias
            ? resize(
                map, rows: .antialiasedBilinear(from: h, to: size),
                columns: .antialiasedBilinear(from: w, to: size))
            : resizeBilinear(map, height: size, width: size)
        return resized.reshaped(b, n, size, size)
    }

    /// Present objects keep their pointer, absent ones get the learned one.
    private func pointers(_ pointers: Tensor, present: [Bool]) -> Tensor {
        guard present.contains(false) else { return pointers }
        let rows = concat([pointers, noObjectPointer])
        return rows.gathered(present.enumerated().map { $1 ? $0 : present.count })
    }

    private static func hiding(absent present: [Bool], in masks: Tensor) -> Tensor {
        guard present.contains(false) else { return masks }
        var masks = masks
        let pixels = masks.count / present.count
        masks.withMutableValues { values in
            for (b, isPresent) in present.enumerated() where !isPresent {
                for i in b * pixels..<(b + 1) * pixels { values[i] = noObjectScore }
            }
        }
        return masks
    }
}
