// SPDX-License-Identifier: Apache-2.0
import CKernels

/// y = act(x · Wᵀ + b) (+ residual). `x [.., in]`, `weight [out, in]`, `bias [out]`, `residual [.., out]` → `[.., out]`
public func linear(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil, activation: Activation = .none,
    residual: Tensor? = nil
) -> Tensor {
    precondition(
        weight.rank == 2 && x.rank > 0 && x.shape[x.rank - 1] == weight.shape[1],
        "linear: \(x.shape) with weight \(weight.shape)")
    let outputs = weight.shape[0], inputs = weight.shape[1]
    let shape = Array(x.shape.dropLast()) + [outputs]
    if let bias {
        precondition(bias.shape == [outputs], "linear: weight \(weight.shape) with bias \(bias.shape)")
    }
    if let residual {
        precondition(residual.shape == shape, "linear: result \(shape) with residual \(residual.shape)")
    }
    if activation != .none, x.isTracked || weight.isTracked || bias?.isTracked == true {
        // The backward pass needs what the activation was applied to.
        let y = linear(x, weight, bias).activated(activation)
        return residual.map { y + $0 } ?? y
    }
    let rows = x.count / max(1, inputs)
    return .make(shape) { out in
        reading(x, weight) { x, w in
            withOptional(bias, residual) { b, r in
                forEachTile(rows: rows, columns: outputs, depth: inputs) { rows, columns in
                    let to = out + rows.lowerBound * outputs + columns.lowerBound
                    tavis_sgemm(
                        false, true, rows.count, columns.count, inputs, 1, x + rows.lowerBound * inputs,
                        inputs,
                        w + columns.lowerBound * inputs, inputs, 0, to, outputs)
                    guard b != nil || r != nil || activation != .none else { return }
                    tavis_bias_act_rows(
                        to, outputs, b.map { $0 + columns.lowerBound }, activation.kernel,
                        r.map { $0 + rows.lowerBound * outputs + columns.lowerBound }, outputs, rows.count,
                        columns.count)
                }
            }
        }
    }.recorded(
        x.isTracked || weight.isTracked || bias?.isTracked == true || residual?.isTracked == true
    ) { _ in .linear(x: x, weight: weight, bias: bias, residual: residual) }
}

/// dx = dy · W, dW = dyᵀ · x, db = Σ dy, dr = dy.
func linearGradients(
    _ dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, residual: Tensor?
) -> [Tensor?] {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let rows = dy.reshaped(-1, outputs)
    let dx = x.isTracked ? matmul(rows, weight.detached()).reshaped(x.shape) : nil
    let dWeight =
        weight.isTracked
        ? matmul(rows, x.detached().reshaped(-1, inputs), transposeA: true) : nil
    let dBias = bias.map { $0.isTracked ? rows.sum(axis: 0) : nil }
    return [dx, dWeight] + [dBias, residual.map { $0.isTracked ? dy : nil }].compactMap(\.self)
}

/// C = op(A) · op(B) for each matrix of the leading axes, which must be equal, or absent in one operand.
/// `a [.., m, k]`, `b [.., k, n]` (transposed: `[.., k, m]`, `[.., n, k]`) → `[.., m, n]`
public func matmul(_ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false) -> Tensor {
    precondition(a.rank >= 2 && b.rank >= 2, "matmul: \(a.shape) with \(b.shape)")
    let (ar, ac) = (a.shape[a.rank - 2], a.shape[a.rank - 1])
    let (br, bc) = (b.shape[b.rank - 2], b.shape[b.rank - 1])
    let (m, k) = transposeA ? (ac, ar) : (ar, ac)
    let (k2, n) = transposeB ? (bc, br) : (br, bc)
    let lead = a.rank >= b.rank ? a.shape.dropLast(2) : b.shape.dropLast(2)
    precondition(
        k == k2 && (a.rank == 2 || a.shape.dropLast(2) == lead)
            && (b.rank == 2 || b.shape.dropLast(2) == lead),
        "matmul: \(a.shape)\(transposeA ? "ᵀ" : "") with \(b.shape)\(transposeB ? "ᵀ" : "")")
    let batch = lead.reduce(1, *)
    let aStride = a.rank == 2 ? 0 : m * k, bStride = b.rank == 2 ? 0 : k * n
    return .make(lead + [m, n]) { out in
        reading(a, b) { a, b in
            func product(_ i: Int, _ rows: Range<Int>, _ columns: Range<Int>) {
                let from = a + i * aStride + (transposeA ? rows.lowerBound : rows.lowerBound * k)
                let with = b + i * bStride + (transposeB ? columns.lowerBound * k : columns.lowerBound)
                tavis_sgemm(
                    transposeA, transposeB, rows.count, columns.count, k, 1, from, ac, with, bc, 0,
                    out + (i * m + rows.lowerBound) * n + columns.lowerBound, n)
            }
            if batch >= ThreadPool.shared.pieces {
                ThreadPool.shared.run(batch) { product($0, 0..<m, 0..<n) }
            } else {
                for i in 0..<batch { forEachTile(rows: m, columns: n, depth: k) { product(i, $0, $1) } }
            }
        }
    }.recorded(a.isTracked || b.isTracked) { _ in
        .matmul(a, b, transposeA: transposeA, transposeB: transposeB)
    }
}

/// Of C = A·B: dA = dC·Bᵀ, dB = Aᵀ·dC, transposed where the operand was; an operand without leading axes sums over them.
func matmulGradients(_ dy: Tensor, _ a: Tensor, _ b: Tensor, transposeA: Bool, transposeB: Bool) -> [Tensor?]
{
    func reduced(_ gradient: Tensor, to shape: [Int]) -> Tensor {
        gradient.rank == shape.count ? gradient : gradient.reshaped([-1] + shape).sum(axis: 0)
    }
    let (x, y) = (a.detached(), b.detached())
    func gradientOfA() -> Tensor {
        transposeA
            ? matmul(y, dy, transposeA: transposeB, transposeB: true)
            : matmul(dy, y, transposeB: !transposeB)
    }
    func gradientOfB() -> Tensor {
        transposeB
            ? matmul(dy, x, transposeA: true, transposeB: transposeA)
            : matmul(x, dy, transposeA: !transposeA)
    }
    return [
        a.isTracked ? reduced(gradientOfA(), to: a.shape) : nil,
        b.isTracked ? reduced(gradientOfB(), to: b.shape) : nil,
    ]
}

/// Cuts a matrix product over the threads: columns, as weights are then read once in all, or rows of tall products.
func forEachTile(rows: Int, columns: Int, depth: Int, _ body: (Range<Int>, Range<Int>) -> Void) {
    guard rows > 0, columns > 0 else { return }
    let threads = rows * columns * depth < 1 << 15 ? 1 : ThreadPool.shared.pieces
    if rows > 4 * columns {
        ThreadPool.shared.run(threads) { part in
            body(part * rows / threads..<(part + 1) * rows / threads, 0..<columns)
        }
    } else {
        // Cuts at multiples of 16 columns keep the kernels' tiles whole.
        let blocks = (columns + 15) / 16
        ThreadPool.shared.run(min(threads, blocks)) { part in
            let parts = min(threads, blocks)
            body(0..<rows, part * blocks / parts * 16..<min(columns, (part + 1) * blocks / parts * 16))
        }
    }
}

/// Lends the memory of optional operands.
func withOptional<R>(
    _ a: Tensor?, _ b: Tensor?, _ body: (UnsafePointer<Float>?, UnsafePointer<Float>?) -> R
) -> R {
    withExtendedLifetime((a?.storage, b?.storage)) {
        body(
            a.map { UnsafePointer($0.storage.base + $0.offset) },
            b.map { UnsafePointer($0.storage.base + $0.offset) })
    }
}
