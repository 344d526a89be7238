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

    /// Whether both lie in one tensor, so that their gradients do too.
    func sharesTensor(with other: HeadColumns) -> Bool {
        guard let node = tensor.node, let otherNode = other.tensor.node else { return false }
        return node === otherNode
    }
}

/// softmax(q · kᵀ · scale) · v for each head, streamed over blocks of keys: no full score matrix exists.
///
/// - Parameters:
///   - q: `[B, Nq, heads · d]`; k `[K, Nk, heads · d]`; v `[K, Nk, heads · e]`. K divides B: each entry of k and v serves B/K
///     entries of q in a row.
///   - scale: 1/√d unless given.
///   - causal: query i sees keys up to i only.
/// - Returns: `[B, Nq, heads · e]`
public func attention(
    _ q: HeadColumns, _ k: HeadColumns, _ v: HeadColumns, heads: Int, scale: Float? = nil,
    causal: Bool = false
) -> Tensor {
    precondition(
        q.count == k.count && q.count % heads == 0 && v.count % heads == 0 && k.tokens == v.tokens
            && k.batch == v.batch && k.batch > 0 && q.batch % k.batch == 0,
        "attention: q \(q.tensor.shape), k \(k.tensor.shape), v \(v.tensor.shape), \(heads) heads")
    let d = q.count / heads, e = v.count / heads
    let scale = scale ?? 1 / Float(d).squareRoot()
    let keyBlock = min(512, max(1, k.tokens))
    let queryBlock = queryBlock(q.tokens, lots: q.batch * heads, width: d + e)
    let blocks = (q.tokens + queryBlock - 1) / queryBlock
    return .make([q.batch, q.tokens, v.count]) { out in
        reading(q.tensor, k.tensor, v.tensor) { qBase, kBase, vBase in
            ThreadPool.shared.run(q.batch * heads * blocks) { task in
                let (b, head, block) = (task / (heads * blocks), task / blocks % heads, task % blocks)
                let first = block * queryBlock, rows = min(queryBlock, q.tokens - first)
                let kb = b * k.batch / q.batch
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
    }.recorded(q.tensor.isTracked || k.tensor.isTracked || v.tensor.isTracked) {
        .attention(q: q, k: k, v: v, heads: heads, scale: scale, causal: causal, y: $0)
    }
}

/// Queries that go through the keys together: keys and values are read once for all of them, and the products' own
/// copies of these are made once. Fewer where threads would have nothing to do, or heads are so narrow that the scores
/// outweigh what is read.
///
/// - Parameters:
///   - lots: batch entries times heads.
///   - width: channels of a key and a value together.
private func queryBlock(_ queries: Int, lots: Int, width: Int) -> Int {
    var block = width >= 256 ? 256 : 128
    while block > 64, lots * ((queries + block - 1) / block) < 4 * ThreadPool.shared.threads { block /= 2 }
    return block
}

/// With P the probabilities and Δ = Σ dy·y of a row: dv = Pᵀ·dy, dS = P·(dy·vᵀ − Δ)·scale, dq = dS·k, dk = dSᵀ·q.
///
/// P is computed again, for 64 queries at a time. Operands that share a tensor share its gradient.
func attentionGradients(
    _ dy: Tensor, _ q: HeadColumns, _ k: HeadColumns, _ v: HeadColumns, heads: Int, scale: Float,
    causal: Bool,
    y: Tensor
) -> [Tensor?] {
    let served = q.batch / k.batch
    let tensors = distinctTensors(q, k, v)
    // Where all elements of the gradients are written, and once, they need not be 0 before.
    let isWrittenOnce =
        served == 1 && !causal && q.tokens <= AttentionHead.block && tensors.allSatisfy(areFilled)
    func fresh(_ shape: [Int]) -> Tensor { isWrittenOnce ? Tensor(uninitialized: shape) : Tensor(shape) }
    let dq = fresh(q.tensor.shape)
    let dk = k.sharesTensor(with: q) ? dq : fresh(k.tensor.shape)
    let dv = v.sharesTensor(with: q) ? dq : v.sharesTensor(with: k) ? dk : fresh(v.tensor.shape)
    let head = AttentionHead(
        d: q.count / heads, e: v.count / heads, scale: scale, causal: causal, adds: !isWrittenOnce)
    reading(q.tensor, k.tensor, v.tensor) { qBase, kBase, vBase in
        reading(dy, y) { dyBase, yBase in
            // One task owns all gradients of a head of one k and v, so that nothing is added twice at once.
            ThreadPool.shared.run(k.batch * heads) { task in
                let (kb, h) = (task / heads, task % heads)
                let kAt = kb * k.rows * k.stride + k.start + h * head.d
                let vAt = kb * v.rows * v.stride + v.start + h * head.e
                for b in kb * served..<(kb + 1) * served {
                    let qAt = b * q.rows * q.stride + q.start + h * head.d
                    let yAt = b * q.tokens * v.count + h * head.e
                    head.addGradients(
                        q: (qBase + qAt, dq.storage.base + qAt, q.stride, q.tokens),
                        k: (kBase + kAt, dk.storage.base + kAt, k.stride, k.tokens),
                        v: (vBase + vAt, dv.storage.base + vAt, v.stride),
                        y: (yBase + yAt, dyBase + yAt, v.count))
                }
            }
        }
    }
    withExtendedLifetime((dq, dk, dv)) {}
    // A shared gradient is handed over once, with the first operand.
    return [
        dq, k.sharesTensor(with: q) ? nil : dk,
        v.sharesTensor(with: q) || v.sharesTensor(with: k) ? nil : dv,
    ]
}

/// Operands by the tensor they lie in.
private func distinctTensors(_ operands: HeadColumns...) -> [[HeadColumns]] {
    operands.reduce(into: [[HeadColumns]]()) { tensors, operand in
        if let i = tensors.firstIndex(where: { $0[0].sharesTensor(with: operand) }) {
            tensors[i].append(operand)
        } else {
            tensors.append([operand])
        }
    }
}

/// Whether operands lie side by side in their tensor and leave nothing of it out.
private func areFilled(_ operands: [HeadColumns]) -> Bool {
    let end = operands.sorted { $0.start < $1.start }.reduce(0 as Int?) { end, operand in
        operand.start == end && operand.tokens == operand.rows ? operand.start + operand.count : nil
    }
    return end == operands[0].stride
}

/// The backward pass of one head on one sample.
private struct AttentionHead {
    let d, e: Int
    let scale: Float
    let causal: Bool
    /// Whether results are added to what is there, or replace it.
    let adds: Bool
    static let block = 64

    typealias Values = UnsafePointer<Float>
    typealias Gradient = UnsafeMutablePointer<Float>

    init(d: Int, e: Int, scale: Float, causal: Bool, adds: Bool) {
        (self.d, self.e, self.scale, self.causal, self.adds) = (d, e, scale, causal, adds)
    }

    /// Adds to the gradients of q, k and v, or writes them; each comes as values, gradient and distance of rows.
    func addGradients(
        q: (Values, Gradient, Int, tokens: Int), k: (Values, Gradient, Int, tokens: Int),
        v: (Values, Gradient, Int), y: (Values, Values, Int)
    ) {
        let rowCount = min(Self.block, q.tokens)
        let scratch = Tensor(uninitialized: [2 * rowCount * k.tokens + 3 * rowCount])
        let p = scratch.storage.base, ds = p + rowCount * k.tokens
        let beta: Float = adds ? 1 : 0
        for first in stride(from: 0, to: q.tokens, by: Self.block) {
            let rows = min(Self.block, q.tokens - first),
                keys = causal ? min(k.tokens, first + rows) : k.tokens
            let qRows = q.0 + first * q.2, dyRows = y.1 + first * y.2
            probabilities(
                p, qRows, q.2, k.0, k.2, first: first, rows: rows, keys: keys,
                statistics: ds + rowCount * k.tokens)
            tavis_sgemm(true, false, keys, e, rows, 1, p, keys, dyRows, y.2, beta, v.1, v.2)
            tavis_sgemm(false, true, rows, keys, e, 1, dyRows, y.2, v.0, v.2, 0, ds, keys)
            tavis_score_gradient_rows(ds, p, y.0 + first * y.2, dyRows, y.2, scale, rows, keys, e)
            tavis_sgemm(false, false, rows, d, keys, 1, ds, keys, k.0, k.2, beta, q.1 + first * q.2, q.2)
            tavis_sgemm(true, false, keys, d, rows, 1, ds, keys, qRows, q.2, beta, k.1, k.2)
        }
        withExtendedLifetime(scratch) {}
    }

    /// softmax(q·kᵀ·scale) of a block of rows, `keys` apart.
    private func probabilities(
        _ p: Gradient, _ q: Values, _ qStride: Int, _ k: Values, _ kStride: Int, first: Int, rows: Int,
        keys: Int,
        statistics: Gradient
    ) {
        let maximum = statistics, sum = maximum + rows, correction = sum + rows
        maximum.update(repeating: -.infinity, count: rows)
        sum.update(repeating: 0, count: rows)
        tavis_sgemm(false, true, rows, keys, d, 1, q, qStride, k, kStride, 0, p, keys)
        tavis_softmax_block(p, keys, scale, causal, first + 1, maximum, sum, correction, rows, keys)
        for row in 0..<rows { correction[row] = 1 / sum[row] }
        tavis_scale_rows(p, keys, correction, rows, keys)
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
    }.recorded(x.isTracked) { _ in .rotate(x, cosines: cosines, sines: sines) }
}
