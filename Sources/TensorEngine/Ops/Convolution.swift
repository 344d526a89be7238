// SPDX-License-Identifier: Apache-2.0
import CKernels

/// 2-D convolution of channels-last maps, weights in the reference's order.
/// `x [B, H, W, C]`, `weight [O, C, kh, kw]`, `bias [O]` → `[B, H', W', O]`
public func conv2d(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil, stride: Int = 1, padding: Int = 0,
    activation: Activation = .none
) -> Tensor {
    precondition(
        x.rank == 4 && weight.rank == 4 && x.shape[3] == weight.shape[1],
        "conv2d: \(x.shape) with weight \(weight.shape)")
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (o, kh, kw) = (weight.shape[0], weight.shape[2], weight.shape[3])
    precondition(
        h + 2 * padding >= kh && w + 2 * padding >= kw, "conv2d: \(x.shape) with weight \(weight.shape)")
    if kh == 1, kw == 1, stride == 1, padding == 0 {
        return linear(x, weight.reshaped(o, c), bias, activation: activation)
    }
    if activation != .none, x.isTracked || weight.isTracked || bias?.isTracked == true {
        return conv2d(x, weight, bias, stride: stride, padding: padding).activated(activation)
    }
    let oh = (h + 2 * padding - kh) / stride + 1, ow = (w + 2 * padding - kw) / stride + 1
    let depth = c * kh * kw
    // Bands of rows keep the patch matrix within the second-level cache's reach.
    let band = max(1, min(oh, (1 << 18) / max(1, ow * depth)))
    let bands = (oh + band - 1) / band
    return .make([b, oh, ow, o]) { out in
        reading(x, weight) { x, weight in
            withOptional(bias, nil) { bias, _ in
                ThreadPool.shared.run(b * bands) { task in
                    let image = task / bands, y0 = task % bands * band, y1 = min(oh, y0 + band)
                    let patches = Tensor(uninitialized: [(y1 - y0) * ow * depth])
                    tavis_im2col(
                        patches.storage.base, x + image * h * w * c, h, w, c, kh, kw, stride, padding, ow, y0,
                        y1)
                    let to = out + (image * oh + y0) * ow * o
                    tavis_sgemm(
                        false, true, (y1 - y0) * ow, o, depth, 1, patches.storage.base, depth, weight, depth,
                        0, to, o)
                    tavis_bias_act_rows(to, o, bias, activation.kernel, nil, 0, (y1 - y0) * ow, o)
                    withExtendedLifetime(patches) {}
                }
            }
        }
    }.recorded(x.isTracked || weight.isTracked || bias?.isTracked == true) { _ in
        .conv2d(x: x, weight: weight, bias: bias, stride: stride, padding: padding)
    }
}

/// With X the patches as rows: dW = dyᵀ·X, dX = dy·W, whose rows then go back to the pixels they came from.
func conv2dGradients(
    _ dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor?, stride: Int, padding: Int
) -> [Tensor?] {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (oh, ow, o) = (dy.shape[1], dy.shape[2], dy.shape[3])
    let (kh, kw) = (weight.shape[2], weight.shape[3]), depth = c * kh * kw
    let band = max(1, min(oh, (1 << 18) / max(1, ow * depth)))
    let parts = min(b, ThreadPool.shared.pieces)
    // Each part owns some images and a sum of its own for the weights.
    let dx = Tensor(x.isTracked ? x.shape : [0]), dWeights = Tensor([parts, o, depth])
    reading(dy, x, weight) { dy, from, weight in
        ThreadPool.shared.run(parts) { part in
            let patches = Tensor(uninitialized: [band * ow * depth])
            let columns = patches.storage.base
            for image in part * b / parts..<(part + 1) * b / parts {
                for y0 in Swift.stride(from: 0, to: oh, by: band) {
                    let y1 = min(oh, y0 + band), rows = (y1 - y0) * ow
                    let gradient = dy + (image * oh + y0) * ow * o
                    tavis_im2col(
                        columns, from + image * h * w * c, h, w, c, kh, kw, stride, padding, ow, y0, y1)
                    tavis_sgemm(
                        true, false, o, depth, rows, 1, gradient, o, columns, depth, 1,
                        dWeights.storage.base + part * o * depth, depth)
                    guard x.isTracked else { continue }
                    tavis_sgemm(
                        false, false, rows, depth, o, 1, gradient, o, weight, depth, 0, columns, depth)
                    tavis_col2im(
                        dx.storage.base + image * h * w * c, columns, h, w, c, kh, kw, stride, padding, ow,
                        y0, y1)
                }
            }
            withExtendedLifetime(patches) {}
        }
    }
    let dBias = bias.map { $0.isTracked ? dy.reshaped(-1, o).sum(axis: 0) : nil }
    return [
        x.isTracked ? dx : nil, weight.isTracked ? dWeights.sum(axis: 0).reshaped(weight.shape) : nil,
    ] + [dBias].compactMap(\.self)
}

/// Depthwise convolution, odd kernel, stride 1, same size. `x [B, H, W, C]`, `weight [C, 1, k, k]` → `[B, H, W, C]`
public func depthwiseConv2d(_ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil) -> Tensor {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]), k = weight.shape[3]
    precondition(
        weight.shape == [c, 1, k, k] && k % 2 == 1, "depthwiseConv2d: \(x.shape) with weight \(weight.shape)")
    let taps = weight.reshaped(c, k * k).permuted(1, 0)
    return .make(x.shape) { out in
        reading(x, taps) { x, weight in
            withOptional(bias, nil) { bias, _ in
                ThreadPool.shared.run(b * h) { task in
                    let (image, y) = (task / h, task % h)
                    tavis_depthwise_conv(
                        out + task * w * c, x + image * h * w * c, weight, bias, h, w, c, k, y, y + 1)
                }
            }
        }
    }.recorded(x.isTracked || weight.isTracked || bias?.isTracked == true) { _ in
        .depthwiseConv2d(x: x, weight: weight, bias: bias)
    }
}

/// dx is the convolution of dy with the kernel turned around.
func depthwiseConv2dGradients(_ dy: Tensor, x: Tensor, weight: Tensor, bias: Tensor?) -> [Tensor?] {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3]), k = weight.shape[3]
    let turned = weight.detached().reshaped(c, k * k).permuted(1, 0).gathered((0..<k * k).reversed())
        .permuted(1, 0).reshaped(c, 1, k, k)
    let parts = min(b, ThreadPool.shared.pieces)
    let dTaps = Tensor([parts, k * k, c])
    reading(dy, x) { dy, from in
        ThreadPool.shared.run(parts) { part in
            for image in part * b / parts..<(part + 1) * b / parts {
                tavis_depthwise_weight_gradient(
                    dTaps.storage.base + part * k * k * c, from + image * h * w * c, dy + image * h * w * c,
                    h, w, c,
                    k, 0, h)
            }
        }
    }
    let dWeight = dTaps.sum(axis: 0).permuted(1, 0).reshaped(weight.shape)
    let dBias = bias.map { $0.isTracked ? dy.reshaped(-1, c).sum(axis: 0) : nil }
    return [
        x.isTracked ? depthwiseConv2d(dy, turned) : nil, weight.isTracked ? dWeight : nil,
    ] + [dBias].compactMap(\.self)
}

/// Transposed convolution whose kernel equals its stride, so that outputs do not overlap.
/// `x [B, H, W, C]`, `weight [C, O, k, k]`, `bias [O]` → `[B, H·k, W·k, O]`
public func convTranspose2d(_ x: Tensor, _ weight: Tensor, _ bias: Tensor? = nil) -> Tensor {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let (o, k) = (weight.shape[1], weight.shape[2])
    precondition(weight.shape == [c, o, k, k], "convTranspose2d: \(x.shape) with weight \(weight.shape)")
    // One product gives all k·k offsets of each pixel; then the offsets move to their places.
    let kernel = weight.permuted(2, 3, 1, 0).reshaped(k * k * o, c)
    let spread = linear(x, kernel, bias?.reshaped(1, o).tiled(k * k).reshaped(k * k * o))
    return spread.reshaped(b, h, w, k, k, o).permuted(0, 1, 3, 2, 4, 5).reshaped(b, h * k, w * k, o)
}

/// 2×2 maxima, stride 2. `[B, H, W, C] → [B, H/2, W/2, C]`
public func maxPool2x2(_ x: Tensor) -> Tensor {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    precondition(h % 2 == 0 && w % 2 == 0, "maxPool2x2: odd size in \(x.shape)")
    return .make([b, h / 2, w / 2, c]) { out in
        reading(x) { x in
            ThreadPool.shared.runRanges(b * h / 2, grain: max(1, elementGrain / (w * c))) {
                tavis_max_pool_2x2(out + $0.lowerBound * (w / 2) * c, x, w, c, $0.lowerBound, $0.upperBound)
            }
        }
    }.recorded(x.isTracked) { _ in .maxPool2x2(x) }
}

func maxPool2x2Gradient(_ dy: Tensor, x: Tensor) -> Tensor {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    return .make(x.shape) { out in
        reading(dy, x) { dy, x in
            ThreadPool.shared.runRanges(b * h / 2, grain: max(1, elementGrain / (w * c))) {
                tavis_max_pool_2x2_gradient(out, dy, x, w, c, $0.lowerBound, $0.upperBound)
            }
        }
    }
}
