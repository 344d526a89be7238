// SPDX-License-Identifier: Apache-2.0
import CKernels

/// What mask losses are made of, for some masks against their truths in 0…1.
///
/// In one pass over the pixels, and one for the gradient: masks are by far the largest tensors of a loss.
/// - Parameters:
///   - logits: `[M, pixels]`
///   - rows: masks that count, none twice.
///   - truth: `[rows.count, pixels]`; no gradient flows to it.
/// - Returns: for each of the rows Σ binary cross-entropy, Σ σy and Σ σ over its pixels. `[rows.count, 3]`
public func maskSums(_ logits: Tensor, rows: [Int], truth: Tensor) -> Tensor {
    precondition(
        logits.rank == 2 && truth.shape == [rows.count, logits.shape[1]]
            && rows.allSatisfy(logits.indices.contains) && Set(rows).count == rows.count,
        "maskSums: rows \(rows) of \(logits.shape) with truth \(truth.shape)")
    let width = logits.shape[1]
    return .make([rows.count, 3]) { out in
        reading(logits, truth) { x, truth in
            ThreadPool.shared.runRanges(rows.count, grain: max(1, elementGrain / max(1, width))) {
                for i in $0 { tavis_mask_sums(out + 3 * i, x + rows[i] * width, truth + i * width, width) }
            }
        }
    }.recorded(logits.isTracked) { _ in .maskSums(logits, rows: rows, truth: truth) }
}

/// With the sums' gradients e, o, a: dx = e·(σ − y) + (o·y + a)·σ·(1 − σ); 0 for rows that did not count.
func maskSumsGradient(_ dy: Tensor, _ logits: Tensor, rows: [Int], truth: Tensor) -> Tensor {
    let width = logits.shape[1]
    var place = [Int?](repeating: nil, count: logits.shape[0])
    for (i, row) in rows.enumerated() { place[row] = i }
    return .make(logits.shape) { out in
        reading(dy, logits, truth) { dy, x, truth in
            ThreadPool.shared.runRanges(place.count, grain: max(1, elementGrain / max(1, width))) {
                for row in $0 {
                    guard let i = place[row] else {
                        (out + row * width).update(repeating: 0, count: width)
                        continue
                    }
                    tavis_mask_sums_gradient(
                        out + row * width, dy + 3 * i, x + row * width, truth + i * width, width)
                }
            }
        }
    }
}

extension Tensor {
    /// Positions on the first axis.
    fileprivate var indices: Range<Int> { 0..<shape[0] }
}
