// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Post-norm cross-attention of queries over audio tokens: y = LN(x + MHA(x + position, memory, memory)).
///
/// No feed-forward part, no self-attention. The position is added to the query only, not to the residual.
/// Source: `sam2_train/sam2_video_predictor.py`, `CrossAttentionLayer`; keys of `nn.MultiheadAttention`.
struct CrossAttentionLayer: Sendable {
    private let query, key, value, out: (weight: Tensor, bias: Tensor)
    private let norm: LayerNorm
    private let heads: Int

    init(_ weights: Weights, dim: Int, heads: Int) throws {
        let attention = weights["multihead_attn"]
        let weight = try attention("in_proj_weight", [3 * dim, dim])
        let bias = try attention("in_proj_bias", [3 * dim])
        func part(_ i: Int) -> (Tensor, Tensor) {
            (weight[rows: i * dim..<(i + 1) * dim], bias[rows: i * dim..<(i + 1) * dim])
        }
        (query, key, value) = (part(0), part(1), part(2))
        out = (try attention["out_proj"]("weight", [dim, dim]), try attention["out_proj"]("bias", [dim]))
        norm = try LayerNorm(weights["norm"], dim, eps: 1e-5)
        self.heads = heads
    }

    /// `x [B, N, D]`, `position [N, D]`, `memory [B, L, D]` → `[B, N, D]`
    func callAsFunction(_ x: Tensor, position: Tensor? = nil, memory: Tensor) -> Tensor {
        let asked = position.map { x + $0 } ?? x
        let attended = attention(
            linear(asked, query.weight, query.bias), linear(memory, key.weight, key.bias),
            linear(memory, value.weight, value.bias), heads: heads)
        return norm(linear(attended, out.weight, out.bias, residual: x))
    }
}
