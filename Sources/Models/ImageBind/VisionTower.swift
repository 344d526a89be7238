// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// ImageBind's image tower: a ViT over 14×14 patches.
///
/// Source: `imagebind/models/multimodal_preprocessors.py`, `RGBDTPreprocessor`; `imagebind_model.py`.
public struct VisionTower: Sendable {
    private let stem: Tensor
    private let stillStem: Folded
    private let classToken: Tensor
    private let positions: Tensor
    let preNorm: LayerNorm
    let blocks: [TransformerBlock]
    private let headNorm: LayerNorm
    private let headWeight: Tensor
    private let config: TowerConfig
    private let patchSide, grid: Int
    private let interpolated = SizeCache<Tensor>()

    init(_ weights: Weights, _ all: ImageBindConfig) throws {
        config = all.vision
        patchSide = all.patchSide
        grid = all.imageSide / all.patchSide
        let dim = config.dim, side = patchSide
        let preprocessor = weights["modality_preprocessors.vision"], trunk = weights["modality_trunks.vision"]
        stem = try preprocessor["rgbt_stem.proj.1"]("weight", [dim, 3, 2, side, side])
        // A still image is shown twice, so the two temporal slices add up to one kernel.
        let stem = stem
        stillStem = Folded([stem]) {
            stem.reshaped(dim, 3, 2, side * side).sum(axis: 2).reshaped(dim, 3, side, side)
        }
        classToken = try preprocessor("cls_token", [1, 1, dim])
        positions = try preprocessor("pos_embedding_helper.pos_embed", [1, grid * grid + 1, dim])
        preNorm = try LayerNorm(trunk["pre_transformer_layer"][0], dim, eps: 1e-6)
        let config = config
        blocks = try (0..<config.blocks).map {
            try TransformerBlock(trunk["blocks"][$0], config, extraKeyValue: false)
        }
        let head = weights["modality_heads.vision"]
        headNorm = try LayerNorm(head[0], dim, eps: 1e-6)
        headWeight = try head[2]("weight", [all.embeddingDim, dim])
    }

    /// The residual stream after the last block, without a norm.
    ///
    /// - Parameters:
    ///   - image: `[B, S, S, 3]`, or two frames of a video `[B, 2, S, S, 3]`; S a multiple of 14.
    ///   - firstTokenOnly: compute the last block for the class token alone.
    /// - Returns: `[B, 1 + (S/14)², D]`, or `[B, 1, D]`.
    public func trunk(_ image: Tensor, firstTokenOnly: Bool = false) -> Tensor {
        steps(image, firstTokenOnly: firstTokenOnly) { .done($0) }.finished()
    }

    /// `trunk` in steps; the first is the work of the call.
    func steps<Result>(
        _ image: Tensor, firstTokenOnly: Bool, then: @escaping (Tensor) -> Stepwise<Result>
    ) -> Stepwise<Result> {
        let x = preNorm(tokens(image)), last = blocks.count - 1
        return blocks.steps(
            x, rows: x.shape[0] * x.shape[1], left: 0,
            attended: { $0.attended($2, queries: firstTokenOnly && $1 == last ? 1 : nil) }, then: then)
    }

    /// Patches with class token and positions, before the first norm.
    func tokens(_ image: Tensor) -> Tensor {
        let patches = embed(image)
        let b = patches.shape[0], side = patches.shape[1]
        let sequence = patches.reshaped(b, side * side, config.dim)
        return concat([classToken.reshaped(1, -1).tiled(b), sequence], axis: 1) + position(side: side)
    }

    private func embed(_ image: Tensor) -> Tensor {
        guard image.rank == 5 else { return conv2d(image, stillStem(), stride: patchSide) }
        let (b, s, d) = (image.shape[0], image.shape[2], config.dim)
        precondition(image.shape[1] == 2, "VisionTower: \(image.shape) is not a clip of two frames")
        let slices = stem.permuted(2, 0, 1, 3, 4)
        let frames = image.permuted(1, 0, 2, 3, 4)
        return conv2d(
            frames[row: 0].reshaped(b, s, s, 3), slices[row: 0].reshaped(d, 3, patchSide, patchSide),
            stride: patchSide)
            + conv2d(
                frames[row: 1].reshaped(b, s, s, 3), slices[row: 1].reshaped(d, 3, patchSide, patchSide),
                stride: patchSide)
    }

    /// The learnt table, resampled for other picture sizes (bicubic, no antialiasing); once per size.
    private func position(side: Int) -> Tensor {
        guard side != grid else { return positions }
        return interpolated(side, of: positions) {
            let table = positions.sliced(axis: 1, 1..<positions.shape[1]).reshaped(1, grid, grid, config.dim)
            let filter = ResizeFilter.bicubic(from: grid, to: side)
            let resized = resize(table, rows: filter, columns: filter).reshaped(1, side * side, config.dim)
            return concat([positions.sliced(axis: 1, 0..<1), resized], axis: 1)
        }
    }

    /// Trunk class tokens to unit embeddings. `[N, D] → [N, E]`
    public func head(_ tokens: Tensor) -> Tensor { l2Normalize(projected(tokens)) }

    /// The head before normalisation.
    func projected(_ tokens: Tensor) -> Tensor { linear(headNorm(tokens), headWeight) }
}
