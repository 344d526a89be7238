// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Columns of a tensor that hold queries, keys or values: heads side by side, from `start` in each row.
///
/// Lets attention read q, k and v out of one fused projection without copying them apart.
public struct HeadColumns: Sendable {
    let tensor: Tensor
    let start: Int
    /// Channels of all heads together.
    let count: Int
    /// Leading rows in use.
    let tokens: Int

    /// - Parameters:
    ///   - tensor: `[B, ≥ tokens, ≥ start + count]`
    ///   - tokens: how many leading rows take part; all when nil.
    public init(_ tensor: Tensor, start: Int = 0, count: Int? = nil, tokens: Int? = nil) {
        precondition(tensor.rank == 3, "HeadColumns: shape \(tensor.shape) is not [B, N, D]")
        self.tensor = tensor
        self.start = start
        self.count = count ?? tensor.shape[2] - start
        self.tokens = tokens ?? tensor.shape[1]
        precondition(self.tokens <= tensor.shape[1], "HeadColumns: \(self.tokens) rows of \(tensor.shape)")
        precondition(
            start + self.count <= tensor.shape[2], "HeadColumns: \(start)+\(self.count) of \(tensor.shape)")
    }

    var batch: Int { tensor.shape[0] }
    /// Rows from one batch entry to the next.
    var rows: Int { tensor.shape[1] }
    var stride: Int { tensor.shape[2] }
}

/// softmax(q · kᵀ · scale) · v for each head, streamed over blocks of keys: no full score matrix exists.
///
/// - Parameters:
///   - q: `[B, Nq, heads · d]`; k `[B, Nk, heads · d]`; v `[B, Nk, heads · e]`. B of k and v may be 1: shared.
///   - scale: 1/√d unless given.
///   - causal: query i sees keys up to i only.
/// - Returns: `[B, Nq, heads · e]`
public func attention(
    _ q: HeadColumns, _ k: HeadColumns, _ v: HeadColumns, heads: Int, scale: Float? = nil,
    causal: Bool = false
) -> Tensor {
    precondition(
        q.count == k.count && q.count % heads == 0 && v.count % heads == 0 && k.tokens == v.tokens
            && k.batch == v.batch && (k.batch == q.batch || k.batch == 1),
        "attention: q \(q.tensor.shape), k \(k.tensor.shape), v \(v.tensor.shape), \(heads) heads")
    let d = q.count / heads, e = v.count / heads
    let scale = scale ?? 1 / Float(d).squareRoot()
    let queryBlock = 64, keyBlock = min(512, max(1, k.tokens))
    let blocks = (q.tokens + queryBlock - 1) / queryBlock
    return .make([q.batch, q.tokens, v.count]) { out in
        reading(q.tensor, k.tensor, v.tensor) { qBase, kBase, vBase in
            ThreadPool.shared.run(q.batch * heads * blocks) { task in
                let (b, head, block) = (task / (heads * blocks), task / blocks % heads, task % blocks)
                let first = block * queryBlock, rows = min(queryBlock, q.tokens - first)
                let kb = k.batch == 1 ? 0 : b
                let qHead = qBase + (b * q.rows + first) * q.stride + q.start + head * d
                let kHead = kBase + kb * k.rows * k.stride + k.start + head * d
                let vHead = vBase + kb * v.rows * v.stride + v.start + head * e
                let to = out + (b * q.tokens + first) * v.count + head * e
                let scratch = Tensor(uninitialized: [rows * keyBlock + 3 * rows])
                let scores = scratch.storage.base
                let maximum = scores + rows * keyBlock, sum = maximum + rows, correction = sum + rows
                maximum.update(repeating: -.infinity, count: rows)
                sum.update(repeating: 0, count: rows)
                let visible = causal ? min(k.tokens, first + rows) : k.tokens
                for start in stride(from: 0, to: visible, by: keyBlock) {
                    let keys = min(keyBlock, visible - start)
                    tavis_sgemm(
                        false, true, rows, keys, d, 1, qHead, q.stride, kHead + start * k.stride, k.stride, 0,
                        scores,
                        keyBlock)
                    tavis_softmax_block(
                        scores, keyBlock, scale, causal, first + 1 - start, maximum, sum, correction, rows,
                        keys)
                    if start > 0 { tavis_scale_rows(to, v.count, correction, rows, e) }
                    tavis_sgemm(
                        false, false, rows, e, keys, 1, scores, keyBlock, vHead + start * v.stride, v.stride,
                        start > 0 ? 1 : 0, to, v.count)
                }
                for row in 0..<rows { correction[row] = 1 / sum[row] }
                tavis_scale_rows(to, v.count, correction, rows, e)
                withExtendedLifetime(scratch) {}
            }
        }
    }
}

/// Attention over separate tensors. `q [B, Nq, D]`, `k [B, Nk, D]`, `v [B, Nk, E]` → `[B, Nq, E]`
public func attention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, heads: Int, scale: Float? = nil, causal: Bool = false
) -> Tensor {
    attention(HeadColumns(q), HeadColumns(k), HeadColumns(v), heads: heads, scale: scale, causal: causal)
}

/// Rotates pairs of adjacent channels by angles given as cosines and sines.
/// `x [B, N, D]`, tables `[M, D/2]` where M divides N and repeats over it → `[B, N, D]`
public func rotated(_ x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor {
    let (n, d) = (x.shape[1], x.shape[2]), m = cosines.shape[0]
    precondition(
        cosines.shape == [m, d / 2] && sines.shape == cosines.shape && n % m == 0,
        "rotated: \(x.shape) with tables \(cosines.shape)")
    return .make(x.shape) { out in
        reading(x, cosines, sines) { from, c, s in
            ThreadPool.shared.run(x.shape[0] * n / m) { part in
                tavis_rope_rows(out + part * m * d, from + part * m * d, c, s, m, d)
            }
        }
    }
}
