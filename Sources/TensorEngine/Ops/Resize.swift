// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation

/// How one axis of a map is resampled: for each output position, the first source position and its weights.
///
/// The variants differ only in these tables; positions are half-pixel centres (`align_corners=False`) everywhere.
public struct ResizeFilter: Sendable {
    public struct Taps: Sendable {
        public var first: Int
        public var weights: [Float]
    }
    public let taps: [Taps]

    /// Two nearest neighbours, none of them widened when shrinking. PyTorch `bilinear`, `antialias=False`.
    public static func bilinear(from source: Int, to target: Int) -> ResizeFilter {
        ResizeFilter(
            taps: (0..<target).map { i in
                let scale = Float(source) / Float(target)
                let position = max(0, (Float(i) + 0.5) * scale - 0.5)
                let first = min(Int(position), source - 1)
                let fraction = position - Float(first)
                return first + 1 < source
                    ? Taps(first: first, weights: [1 - fraction, fraction]) : Taps(first: first, weights: [1])
            })
    }

    /// Triangle as wide as the reduction, normalised at the borders. PyTorch `bilinear`, `antialias=True`.
    public static func antialiasedBilinear(from source: Int, to target: Int) -> ResizeFilter {
        antialiased(from: source, to: target, support: 1) { max(0, 1 - abs($0)) }
    }

    /// Keys cubic with a = −0.5, as wide as the reduction. Pillow `BICUBIC` before its rounding to 8 bit.
    public static func antialiasedBicubic(from source: Int, to target: Int) -> ResizeFilter {
        antialiased(from: source, to: target, support: 2) { cubic($0, a: -0.5) }
    }

    /// Keys cubic with a = −0.75, four taps, clamped at the borders. PyTorch `bicubic`, `antialias=False`.
    public static func bicubic(from source: Int, to target: Int) -> ResizeFilter {
        ResizeFilter(
            taps: (0..<target).map { i in
                let position = (Double(i) + 0.5) * Double(source) / Double(target) - 0.5
                let base = Int(position.rounded(.down))
                let fraction = position - Double(base)
                let first = max(0, base - 1), last = min(source - 1, base + 2)
                var weights = [Float](repeating: 0, count: max(1, last - first + 1))
                for k in -1...2 {
                    let index = min(max(base + k, 0), source - 1)
                    weights[index - first] += Float(cubic(Double(k) - fraction, a: -0.75))
                }
                return Taps(first: first, weights: weights)
            })
    }

    static func antialiased(
        from source: Int, to target: Int, support: Double, _ kernel: (Double) -> Double
    ) -> ResizeFilter {
        let scale = Double(source) / Double(target), width = max(scale, 1)
        return ResizeFilter(
            taps: (0..<target).map { i in
                let centre = (Double(i) + 0.5) * scale
                let first = max(0, Int(centre - support * width + 0.5))
                let end = min(source, Int(centre + support * width + 0.5))
                let raw = (first..<end).map { kernel((Double($0) - centre + 0.5) / width) }
                let sum = raw.reduce(0, +)
                return Taps(first: first, weights: raw.map { Float($0 / sum) })
            })
    }

    /// The filter that gives every source position what it gave away: the gradient of resampling.
    ///
    /// - Parameter source: positions of the axis that this filter reads.
    func transposed(_ source: Int) -> ResizeFilter {
        var ranges = [Range<Int>?](repeating: nil, count: source)
        for (i, tap) in taps.enumerated() {
            for position in tap.first..<tap.first + tap.weights.count {
                ranges[position] = (ranges[position]?.lowerBound ?? i)..<i + 1
            }
        }
        return ResizeFilter(
            taps: ranges.enumerated().map { position, range in
                let range = range ?? 0..<1
                return Taps(
                    first: range.lowerBound,
                    weights: range.map { i in
                        let k = position - taps[i].first
                        return taps[i].weights.indices.contains(k) ? taps[i].weights[k] : 0
                    })
            })
    }

    static func cubic(_ x: Double, a: Double) -> Double {
        let t = abs(x)
        if t < 1 { return ((a + 2) * t - (a + 3)) * t * t + 1 }
        if t < 2 { return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a }
        return 0
    }
}

/// Resamples both axes of channels-last maps: columns first, then rows. `[B, H, W, C] → [B, H', W', C]`
public func resize(_ x: Tensor, rows: ResizeFilter, columns: ResizeFilter) -> Tensor {
    precondition(x.rank == 4, "resize: shape \(x.shape) is not [B, H, W, C]")
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let height = rows.taps.count, width = columns.taps.count
    let across = Tensor.make([b, h, width, c]) { out in
        reading(x) { x in
            ThreadPool.shared.runRanges(b * h, grain: max(1, elementGrain / (w * c))) { lines in
                for line in lines {
                    for (i, tap) in columns.taps.enumerated() {
                        tavis_weighted_rows(
                            out + (line * width + i) * c, x + (line * w + tap.first) * c, c, tap.weights,
                            tap.weights.count, c)
                    }
                }
            }
        }
    }
    return .make([b, height, width, c]) { out in
        reading(across) { x in
            ThreadPool.shared.runRanges(b * height, grain: max(1, elementGrain / (width * c))) { lines in
                for line in lines {
                    let tap = rows.taps[line % height]
                    tavis_weighted_rows(
                        out + line * width * c, x + (line / height * h + tap.first) * width * c, width * c,
                        tap.weights, tap.weights.count, width * c)
                }
            }
        }
    }.recorded(x.isTracked) { _ in .resize(x, rows: rows, columns: columns) }
}

/// Resampling is linear, so its gradient is resampling with the transposed filters.
func resizeGradient(_ dy: Tensor, of shape: [Int], rows: ResizeFilter, columns: ResizeFilter) -> Tensor {
    resize(dy, rows: rows.transposed(shape[1]), columns: columns.transposed(shape[2]))
}

/// Bilinear without antialiasing, half-pixel centres. `[B, H, W, C] → [B, height, width, C]`
public func resizeBilinear(_ x: Tensor, height: Int, width: Int) -> Tensor {
    guard x.shape[1] != height || x.shape[2] != width else { return x }
    return resize(
        x, rows: .bilinear(from: x.shape[1], to: height), columns: .bilinear(from: x.shape[2], to: width))
}

/// Every pixel twice in both directions. `[B, H, W, C] → [B, 2H, 2W, C]`
public func upsampledNearest2x(_ x: Tensor) -> Tensor {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    return .make([b, 2 * h, 2 * w, c]) { out in
        reading(x) { x in
            for line in 0..<b * 2 * h {
                for column in 0..<2 * w {
                    (out + (line * 2 * w + column) * c).update(
                        from: x + (line / 2 * w + column / 2) * c, count: c)
                }
            }
        }
    }.recorded(x.isTracked) { _ in .upsampleNearest2x(x) }
}

/// Each pixel collects the gradients of its four copies.
func upsampleNearest2xGradient(_ dy: Tensor) -> Tensor {
    func pairs(_ extent: Int) -> ResizeFilter {
        ResizeFilter(taps: (0..<extent / 2).map { .init(first: 2 * $0, weights: [1, 1]) })
    }
    return resize(dy, rows: pairs(dy.shape[1]), columns: pairs(dy.shape[2]))
}

/// Mean over a `size`×`size` box with zeros outside that count: borders darken. `[B, H, W, C] → [B, H, W, C]`
public func boxBlur(_ x: Tensor, size: Int) -> Tensor {
    func box(_ extent: Int) -> ResizeFilter {
        ResizeFilter(
            taps: (0..<extent).map { i in
                let first = max(0, i - size / 2), end = min(extent, i + size / 2 + 1)
                return .init(first: first, weights: Array(repeating: 1 / Float(size), count: end - first))
            })
    }
    return resize(x, rows: box(x.shape[1]), columns: box(x.shape[2]))
}

extension Tensor {
    /// Each element rounded to the nearest bfloat16, ties to even.
    public func roundedToBFloat16() -> Tensor {
        Tensor(shape: shape) { out in
            withValues { values in
                for i in values.indices {
                    let bits = values[i].bitPattern
                    out[i] = Float(bitPattern: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) & 0xFFFF_0000)
                }
            }
        }.recorded(isTracked) { _ in .roundToBFloat16(self) }
    }
}
