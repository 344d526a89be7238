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
    }
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
    }
}

/// x / max(‖x‖₂, eps) over the last axis.
public func l2Normalize(_ x: Tensor, eps: Float = 1e-12) -> Tensor {
    x / (x * x).sum(axis: -1, keeping: true).squareRoot().clamped(to: eps...Float.greatestFiniteMagnitude)
}
