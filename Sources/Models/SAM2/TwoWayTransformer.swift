// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/modeling/sam/transformer.py`.
import TensorEngine

/// Attention with separate projections, as the mask decoder uses it.
struct Attention: Sendable {
    let qProj, kProj, vProj, outProj: Linear
    let heads: Int

    /// - Parameter inner: channels of all heads together.
    init(_ weights: Weights, _ dim: Int, inner: Int, heads: Int, keyDim: Int? = nil) throws {
        qProj = try Linear(weights["q_proj"], dim, inner)
        kProj = try Linear(weights["k_proj"], keyDim ?? dim, inner)
        vProj = try Linear(weights["v_proj"], keyDim ?? dim, inner)
        outProj = try Linear(weights["out_proj"], inner, dim)
        self.heads = heads
    }

    /// `q [B or 1, Nq, C]`, `k`, `v [B or 1, Nk, C]` → `[B, Nq, C]`
    func callAsFunction(_ q: Tensor, _ k: Tensor, _ v: Tensor, residual: Tensor? = nil) -> Tensor {
        var q = qProj(q)
        let k = kProj(k), v = vProj(v)
        // Queries that all prompts share are projected once.
        if q.shape[0] < k.shape[0] { q = q.repeated(k.shape[0] / q.shape[0]) }
        return outProj(attention(q, k, v, heads: heads), residual: residual)
    }
}

/// Tokens and image attend to each other.
struct TwoWayAttentionBlock: Sendable {
    let selfAttention, tokenToImage, imageToToken: Attention
    let norm1, norm2, norm3, norm4: LayerNorm
    let mlp: MLP
    /// The first block's self-attention has neither positions nor a residual.
    let isFirst: Bool

    init(_ weights: Weights, dim: Int, hidden: Int, heads: Int, isFirst: Bool) throws {
        selfAttention = try Attention(weights["self_attn"], dim, inner: dim, heads: heads)
        tokenToImage = try Attention(
            weights["cross_attn_token_to_image"], dim, inner: dim / 2, heads: heads)
        imageToToken = try Attention(
            weights["cross_attn_image_to_token"], dim, inner: dim / 2, heads: heads)
        norm1 = try LayerNorm(weights["norm1"], dim, eps: 1e-5)
        norm2 = try LayerNorm(weights["norm2"], dim, eps: 1e-5)
        norm3 = try LayerNorm(weights["norm3"], dim, eps: 1e-5)
        norm4 = try LayerNorm(weights["norm4"], dim, eps: 1e-5)
        mlp = try MLP(weights["mlp"], [dim, hidden, dim])
        self.isFirst = isFirst
    }

    /// `queries`, `queryPositions [B, N, C]`; `keys [B or 1, M, C]`, `keyPositions [1, M, C]`
    func callAsFunction(
        _ queries: Tensor, _ keys: Tensor, queryPositions: Tensor, keyPositions: Tensor
    ) -> (queries: Tensor, keys: Tensor) {
        var q = queries, keys = keys
        if isFirst {
            q = norm1(selfAttention(q, q, q))
        } else {
            let positioned = q + queryPositions
            q = norm1(selfAttention(positioned, positioned, q, residual: q))
        }
        let positionedKeys = keys + keyPositions
        q = norm2(tokenToImage(q + queryPositions, positionedKeys, keys, residual: q))
        q = norm3(mlp(q, residual: q))
        if keys.shape[0] < q.shape[0] { keys = keys.repeated(q.shape[0] / keys.shape[0]) }
        keys = norm4(imageToToken(positionedKeys, q + queryPositions, q, residual: keys))
        return (q, keys)
    }
}

/// Two blocks and a last look of the tokens at the image.
struct TwoWayTransformer: Sendable {
    let layers: [TwoWayAttentionBlock]
    let finalAttention: Attention
    let finalNorm: LayerNorm

    init(_ weights: Weights, dim: Int, hidden: Int, heads: Int, depth: Int = 2) throws {
        layers = try (0..<depth).map {
            try TwoWayAttentionBlock(
                weights["layers"][$0], dim: dim, hidden: hidden, heads: heads, isFirst: $0 == 0)
        }
        finalAttention = try Attention(
            weights["final_attn_token_to_image"], dim, inner: dim / 2, heads: heads)
        finalNorm = try LayerNorm(weights["norm_final_attn"], dim, eps: 1e-5)
    }

    /// - Parameters:
    ///   - image: `[B or 1, M, C]`; of batch 1 it serves all prompts and is expanded as late as possible.
    ///   - positions: `[1, M, C]`
    ///   - tokens: `[B, N, C]`
    /// - Returns: tokens `[B, N, C]` and image `[B, M, C]`.
    func callAsFunction(_ image: Tensor, positions: Tensor, tokens: Tensor) -> (tokens: Tensor, image: Tensor)
    {
        var queries = tokens, keys = image
        for layer in layers {
            (queries, keys) = layer(queries, keys, queryPositions: tokens, keyPositions: positions)
        }
        let out = finalAttention(queries + tokens, keys + positions, keys, residual: queries)
        return (finalNorm(out), keys)
    }
}
