// SPDX-License-Identifier: Apache-2.0
import CKernels

extension Tensor {
    /// Extent of the last axis.
    var width: Int { shape.last ?? 1 }

    /// Calls `body` with ranges of rows of the last axis, on all threads.
    func forEachRows(_ body: (Range<Int>) -> Void) {
        guard count > 0 else { return }
        ThreadPool.shared.runRanges(count / width, grain: max(1, elementGrain / 4 / width), body)
    }
}

/// (x − mean) / √(variance + eps) · weight + bias over the last axis, with the biased variance.
/// On channels-last maps this is the reference's `LayerNorm2d`. `x [.., D]`, `weight`, `bias [D]` → `[.., D]`
public func layerNorm(_ x: Tensor, _ weight: Tensor, _ bias: Tensor, eps: Float) -> Tensor {
    precondition(
        weight.shape == [x.width] && bias.shape == [x.width],
        "layerNorm: \(x.shape) with weight \(weight.shape), bias \(bias.shape)")
    let width = x.width
    return .make(x.shape) { out in
        reading(x, weight, bias) { from, w, b in
            x.forEachRows {
                tavis_layer_norm_rows(
                    out + $0.lowerBound * width, from + $0.lowerBound * width, w, b, eps, $0.count, width)
            }
        }
    }.recorded(x.isTracked || weight.isTracked || bias.isTracked) { _ in
        .layerNorm(x: x, weight: weight, bias: bias, eps: eps)
    }
}

/// With n the normalised row, s its scale and g = dy·w: dx = s·(g − mean g − n·mean(g·n)), dw = Σ dy·n, db = Σ dy.
func layerNormGradients(_ dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor, eps: Float) -> [Tensor?] {
    let width = x.width, rows = x.count / max(1, width), parts = ThreadPool.shared.pieces
    // Each part sums the parameters' gradients by itself; the order of addition depends on the number of pieces alone.
    var sums = Tensor([2, parts, width])
    let dx = sums.withMutableValues { sums in
        Tensor.make(x.shape) { out in
            reading(dy, x, weight) { dy, x, w in
                ThreadPool.shared.run(parts) { part in
                    let first = part * rows / parts, count = (part + 1) * rows / parts - first
                    guard let base = sums.baseAddress, count > 0 else { return }
                    tavis_layer_norm_gradient_rows(
                        out + first * width, base + part * width, base + (parts + part) * width,
                        dy + first * width, x + first * width, w, eps, count, width)
                }
            }
        }
    }
    return [
        x.isTracked ? dx : nil, weight.isTracked ? sums[row: 0].sum(axis: 0) : nil,
        bias.isTracked ? sums[row: 1].sum(axis: 0) : nil,
    ]
}

/// Softmax over the last axis. Rows may hold −∞ but not only.
public func softmax(_ x: Tensor) -> Tensor {
    let width = x.width
    return .make(x.shape) { out in
        reading(x) { from in
            x.forEachRows {
                tavis_softmax_rows(out + $0.lowerBound * width, from + $0.lowerBound * width, $0.count, width)
            }
        }
    }.recorded(x.isTracked) { .softmax(x: x, y: $0) }
}

/// dx = y · (dy − Σ dy·y).
func softmaxGradient(_ dy: Tensor, y: Tensor) -> Tensor {
    let width = y.width
    return .make(y.shape) { out in
        reading(dy, y) { dy, from in
            y.forEachRows {
                let start = $0.lowerBound * width
                tavis_softmax_gradient_rows(out + start, dy + start, from + start, $0.count, width)
            }
        }
    }
}

/// x − log Σ eˣ over the last axis.
public func logSoftmax(_ x: Tensor) -> Tensor {
    let top = x.detached().maximum()
    let shifted = x - top
    return shifted - shifted.exp().sum(axis: -1, keeping: true).log()
}

/// x / max(‖x‖₂, eps) over the last axis.
public func l2Normalize(_ x: Tensor, eps: Float = 1e-12) -> Tensor {
    x / (x * x).sum(axis: -1, keeping: true).squareRoot().clamped(to: eps...Float.greatestFiniteMagnitude)
}
