// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Post-norm cross-attention of queries over audio tokens: y = LN(x + MHA(x + position, memory, memory)).
///
/// No feed-forward part, no self-attention. The position is added to the query only, not to the residual.
/// Source: `sam2_train/sam2_video_predictor.py`, `CrossAttentionLayer`; keys of `nn.MultiheadAttention`.
struct CrossAttentionLayer: Sendable {
    /// Query, key and value projections one below the other.
    private let inWeight: Matrix
    private let inBias: Tensor
    private let out: Linear
    private let norm: LayerNorm
    private let heads: Int

    init(_ weights: Weights, dim: Int, heads: Int) throws {
        let attention = weights["multihead_attn"]
        inWeight = try attention.matrix("in_proj_weight", [3 * dim, dim])
        inBias = try attention("in_proj_bias", [3 * dim])
        out = try Linear(attention["out_proj"], dim, dim)
        norm = try LayerNorm(weights["norm"], dim, eps: 1e-5)
        self.heads = heads
    }

    /// `x [B, N, D]`, `position [N, D]`, `memory [B, L, D]` → `[B, N, D]`
    func callAsFunction(_ x: Tensor, position: Tensor? = nil, memory: Tensor) -> Tensor {
        let d = x.shape[2]
        let q = linear(position.map { x + $0 } ?? x, inWeight[rows: 0..<d], inBias[rows: 0..<d])
        let packed = linear(memory, inWeight[rows: d..<3 * d], inBias[rows: d..<3 * d])
        let attended = attention(
            HeadColumns(q), HeadColumns(packed, start: 0, count: d), HeadColumns(packed, start: d, count: d),
            heads: heads)
        return norm(out(attended, residual: x))
    }
}
