// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// ImageBind's audio tower: a ViT over overlapping 16×16 patches of a log-mel picture.
///
/// Source: `imagebind/models/multimodal_preprocessors.py`, `AudioPreprocessor`; `imagebind_model.py`.
public struct AudioTower: Sendable {
    private let stem: Tensor
    private let stemNorm: LayerNorm
    private let classToken, positions: Tensor
    let blocks: [TransformerBlock]
    private let headNorm: LayerNorm
    private let headWeight: Tensor
    private let config: TowerConfig
    private let stride: Int
    /// Length of the embeddings: ImageBind's fixed scale.
    public let logitScale: Float

    init(_ weights: Weights, _ all: ImageBindConfig) throws {
        config = all.audio
        stride = all.audioStride
        let dim = config.dim
        let preprocessor = weights["modality_preprocessors.audio"], trunk = weights["modality_trunks.audio"]
        stem = try preprocessor["rgbt_stem.proj"]("weight", [dim, 1, all.audioKernel, all.audioKernel])
        stemNorm = try LayerNorm(preprocessor["rgbt_stem.norm_layer"], dim, eps: 1e-5)
        classToken = try preprocessor("cls_token", [1, 1, dim])
        let patches = all.audioGrid.rows * all.audioGrid.columns
        positions = try preprocessor("pos_embedding_helper.pos_embed", [1, patches + 1, dim])
        let config = config
        blocks = try (0..<config.blocks).map {
            try TransformerBlock(trunk["blocks"][$0], config, extraKeyValue: true)
        }
        let head = weights["modality_heads.audio"]
        headNorm = try LayerNorm(head[0], dim, eps: 1e-6)
        headWeight = try head[2]("weight", [all.embeddingDim, dim])
        logitScale = min(
            try weights["modality_postprocessors.audio"][1]("log_logit_scale", []).exp().scalar, 100)
    }

    /// The residual stream after the last block, without a norm; class token first.
    ///
    /// `mel [B, 128, 204]` → `[B, 229, D]`; token 1 + 19·row + column covers mel rows 10·row … +15 and frames
    /// 10·column … +15.
    public func trunk(_ mel: Tensor) -> Tensor { steps(mel, left: 0) { .done($0) }.finished() }

    /// `trunk` in steps.
    ///
    /// - Parameters:
    ///   - left: the work that follows, which `then` begins with the trunk's tokens.
    func steps<Result>(
        _ mel: Tensor, left: Float, then: @escaping (Tensor) -> Stepwise<Result>
    ) -> Stepwise<Result> {
        let rows = mel.shape[0] * positions.shape[1]
        return .next(left: left + blocks.work(rows: rows)) {
            blocks.steps(tokens(mel), rows: rows, left: left, attended: { $0.attended($2) }, then: then)
        }
    }

    /// Patches with class token and positions.
    func tokens(_ mel: Tensor) -> Tensor {
        let b = mel.shape[0]
        let patches = conv2d(mel.reshaped(mel.shape + [1]), stem, stride: stride)
        let sequence = stemNorm(patches.reshaped(b, -1, config.dim))
        return concat([classToken.reshaped(1, -1).tiled(b), sequence], axis: 1) + positions
    }

    /// Trunk tokens to embeddings of length 20. `[N, D] → [N, E]`
    public func head(_ tokens: Tensor) -> Tensor { l2Normalize(projected(tokens)) * logitScale }

    /// The head before normalisation.
    func projected(_ tokens: Tensor) -> Tensor { linear(headNorm(tokens), headWeight) }
}
