// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Pre-norm transformer block: x + Attn(LN(x)), then x + MLP(LN(x)) with exact GELU.
///
/// Source: `imagebind/models/transformer.py`, `BlockWithMasking`; keys of `nn.MultiheadAttention`.
struct TransformerBlock: Sendable {
    private let norm1, norm2: LayerNorm
    private let inWeight: Matrix
    private let inBias: Tensor
    /// One more key and value, appended after the projection (audio).
    private let extraKey, extraValue: Tensor?
    private let out, fc1, fc2: Linear
    private let heads, dim: Int

    init(_ weights: Weights, _ config: TowerConfig, extraKeyValue: Bool) throws {
        let dim = config.dim, attention = weights["attn"]
        norm1 = try LayerNorm(weights["norm_1"], dim, eps: 1e-6)
        norm2 = try LayerNorm(weights["norm_2"], dim, eps: 1e-6)
        inWeight = try attention.matrix("in_proj_weight", [3 * dim, dim])
        inBias = try attention("in_proj_bias", [3 * dim])
        extraKey = extraKeyValue ? try attention("bias_k", [1, 1, dim]) : nil
        extraValue = extraKeyValue ? try attention("bias_v", [1, 1, dim]) : nil
        out = try Linear(attention["out_proj"], dim, dim)
        fc1 = try Linear(weights["mlp"]["fc1"], dim, 4 * dim)
        fc2 = try Linear(weights["mlp"]["fc2"], 4 * dim, dim)
        (heads, self.dim) = (config.heads, dim)
    }

    /// About how long the block takes on some rows: products of a million numbers. Reading the weights costs as much as
    /// that of some thirty rows.
    func work(rows: Int) -> Float { 12e-6 * Float(dim * dim) * Float(rows + 30) }

    func callAsFunction(_ x: Tensor, causal: Bool = false) -> Tensor { mlp(attended(x, causal: causal)) }

    /// x + Attn(LN(x)), the block's first half.
    ///
    /// - Parameter queries: how many leading tokens the caller needs; the others still serve as keys.
    /// - Returns: `[B, queries, D]`
    func attended(_ x: Tensor, causal: Bool = false, queries: Int? = nil) -> Tensor {
        let normed = norm1(x)
        guard let queries, queries < x.shape[1] else {
            let packed = appended(linear(normed, inWeight, inBias), extraKey, extraValue)
            let q = HeadColumns(packed, start: 0, count: dim, tokens: x.shape[1])
            return out(attend(q, packed, keyStart: dim, causal: causal), residual: x)
        }
        let head = normed.sliced(axis: 1, 0..<queries)
        let q = linear(head, inWeight[rows: 0..<dim], inBias[rows: 0..<dim])
        let packed = linear(normed, inWeight[rows: dim..<3 * dim], inBias[rows: dim..<3 * dim])
        return out(
            attend(HeadColumns(q), appended(packed, extraKey, extraValue), keyStart: 0, causal: causal),
            residual: x.sliced(axis: 1, 0..<queries))
    }

    /// Causal, over rows that lie one after the other. `[1, T, D] → [1, T, D]`
    func attended(_ x: Tensor, rows: TokenRows) -> Tensor {
        let packed = linear(norm1(x), inWeight, inBias)
        let attended = rows.groups.map { group in
            let qkv = packed.sliced(axis: 1, group.range).reshaped(group.count, group.length, 3 * dim)
            let q = HeadColumns(qkv, start: 0, count: dim)
            return attend(q, qkv, keyStart: dim, causal: true).reshaped(1, group.range.count, dim)
        }
        return out(concat(attended, axis: 1), residual: x)
    }

    /// The same for the last token of each row alone, which sees all of its row. `[1, T, D] → [1, R, D]`
    func attendedLastTokens(_ x: Tensor, rows: TokenRows) -> Tensor {
        let normed = norm1(x), count = rows.lastTokens.count
        let q = linear(
            normed.reshaped(-1, dim).gathered(rows.lastTokens), inWeight[rows: 0..<dim], inBias[rows: 0..<dim]
        )
        let packed = linear(normed, inWeight[rows: dim..<3 * dim], inBias[rows: dim..<3 * dim])
        var first = 0
        let attended = rows.groups.map { group in
            defer { first += group.count }
            let kv = packed.sliced(axis: 1, group.range).reshaped(group.count, group.length, 2 * dim)
            let own = HeadColumns(q[rows: first..<first + group.count].reshaped(group.count, 1, dim))
            return attend(own, kv, keyStart: 0, causal: false).reshaped(1, group.count, dim)
        }
        return out(
            concat(attended, axis: 1),
            residual: x.reshaped(-1, dim).gathered(rows.lastTokens).reshaped(1, count, dim))
    }

    /// x + MLP(LN(x)), the block's second half: two thirds of its work.
    func mlp(_ x: Tensor) -> Tensor { fc2(fc1(norm2(x), activation: .gelu), residual: x) }

    private func attend(_ q: HeadColumns, _ packed: Tensor, keyStart: Int, causal: Bool) -> Tensor {
        attention(
            q, HeadColumns(packed, start: keyStart, count: dim),
            HeadColumns(packed, start: keyStart + dim, count: dim),
            heads: heads, causal: causal)
    }

    /// The packed projections with one more row for the extra key and value; its query part is never read.
    private func appended(_ packed: Tensor, _ key: Tensor?, _ value: Tensor?) -> Tensor {
        guard let key, let value else { return packed }
        let width = packed.shape[2]
        let row = width == 3 * dim ? concat([key, key, value], axis: 2) : concat([key, value], axis: 2)
        return concat([packed, row.reshaped(1, width).tiled(packed.shape[0])], axis: 1)
    }
}
