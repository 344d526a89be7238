// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine

/// Kernels of `pillowResize`, widened by the factor of a reduction as Pillow does.
public enum PillowFilter: Sendable {
    /// Triangle, support 1.
    case bilinear
    /// Keys cubic with a = −0.5, support 2. The default of Pillow's `resize`.
    case bicubic

    fileprivate var support: Double { self == .bilinear ? 1 : 2 }

    fileprivate func callAsFunction(_ x: Double) -> Double {
        let t = abs(x)
        switch self {
        case .bilinear: return t < 1 ? 1 - t : 0
        case .bicubic:
            let a = -0.5
            if t < 1 { return ((a + 2) * t - (a + 3)) * t * t + 1 }
            return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0
        }
    }
}

/// Resizes 8-bit pixels to the bit as Pillow does: weights in 22-bit fixed point, columns first, the intermediate
/// picture rounded to 8 bits.
///
/// - Parameters:
///   - pixels: `height` rows of `width` pixels of `channels` bytes.
/// - Returns: `toHeight` rows of `toWidth` pixels of `channels` bytes.
/// Source: Pillow `src/libImaging/Resample.c`.
public func pillowResize(
    _ pixels: [UInt8], width: Int, height: Int, channels: Int = 3, toWidth: Int, toHeight: Int,
    filter: PillowFilter
) -> [UInt8] {
    precondition(
        width > 0 && height > 0 && toWidth > 0 && toHeight > 0 && pixels.count == width * height * channels,
        "pillowResize: \(pixels.count) bytes for \(width)×\(height)×\(channels) to \(toWidth)×\(toHeight)")
    var result = pixels
    if toWidth != width {
        let taps = FixedPointTaps(from: width, to: toWidth, filter)
        result = resized(result, count: height * toWidth * channels, rows: height) { from, to, row in
            let line = from + row * width * channels, out = to + row * toWidth * channels
            if channels == 3 { taps.acrossRGB(line, out) } else { taps.across(line, out, channels) }
        }
    }
    if toHeight != height {
        let taps = FixedPointTaps(from: height, to: toHeight, filter), rowBytes = toWidth * channels
        result = resized(result, count: toHeight * rowBytes, rows: toHeight) { from, to, row in
            taps.down(from, to + row * rowBytes, row, rowBytes)
        }
    }
    return result
}

/// Runs `body(source, result, row)` for all rows of the result on all threads.
private func resized(
    _ source: [UInt8], count: Int, rows: Int,
    _ body: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>, Int) -> Void
) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { result, initialised in
        source.withUnsafeBufferPointer { source in
            guard let from = source.baseAddress, let to = result.baseAddress else { return }
            ThreadPool.shared.runRanges(rows, grain: 8) { for row in $0 { body(from, to, row) } }
        }
        initialised = count
    }
}

/// Weights of one axis in fixed point: for each output position, the first source position and its taps.
private struct FixedPointTaps: Sendable {
    /// Leaves 8 bits for the pixel and two for overshoot in 32.
    static let precisionBits: Int32 = 22
    static let half: Int32 = 1 << (precisionBits - 1)

    let first: [Int]
    let count: [Int]
    /// `stride` weights per output position, of which `count` are used.
    let weights: [Int32]
    let stride: Int

    init(from source: Int, to target: Int, _ filter: PillowFilter) {
        let scale = Double(source) / Double(target), widening = max(scale, 1)
        let support = filter.support * widening
        stride = Int(support.rounded(.up)) * 2 + 1
        var first = [Int](), count = [Int]()
        var weights = [Int32](repeating: 0, count: stride * target)
        for i in 0..<target {
            let centre = (Double(i) + 0.5) * scale
            let low = max(0, Int(centre - support + 0.5)), high = min(source, Int(centre + support + 0.5))
            let raw = (low..<high).map { filter((Double($0) - centre + 0.5) / widening) }
            let sum = raw.reduce(0, +)
            for (k, value) in raw.enumerated() {
                let scaled = (sum == 0 ? value : value / sum) * Double(1 << Self.precisionBits)
                weights[i * stride + k] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
            }
            first.append(low)
            count.append(high - low)
        }
        (self.first, self.count, self.weights) = (first, count, weights)
    }

    @inline(__always)
    private static func clipped(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum >> precisionBits, 0), 255))
    }

    /// One row of RGB pixels.
    func acrossRGB(_ line: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>) {
        weights.withUnsafeBufferPointer { weights in
            first.withUnsafeBufferPointer { first in
                for i in 0..<first.count {
                    var from = line + first[i] * 3
                    var red = Self.half, green = Self.half, blue = Self.half
                    for k in i * stride..<i * stride + count[i] {
                        let w = weights[k]
                        red &+= Int32(from[0]) &* w
                        green &+= Int32(from[1]) &* w
                        blue &+= Int32(from[2]) &* w
                        from += 3
                    }
                    out[i * 3] = Self.clipped(red)
                    out[i * 3 + 1] = Self.clipped(green)
                    out[i * 3 + 2] = Self.clipped(blue)
                }
            }
        }
    }

    /// One row of pixels of any number of channels.
    func across(_ line: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>, _ channels: Int) {
        for i in first.indices {
            for channel in 0..<channels {
                var sum = Self.half
                for k in 0..<count[i] {
                    sum &+= Int32(line[(first[i] + k) * channels + channel]) &* weights[i * stride + k]
                }
                out[i * channels + channel] = Self.clipped(sum)
            }
        }
    }

    /// Row `row` of the result from the rows of `picture`, all `rowBytes` long.
    func down(
        _ picture: UnsafePointer<UInt8>, _ out: UnsafeMutablePointer<UInt8>, _ row: Int, _ rowBytes: Int
    ) {
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: rowBytes) { sums in
            guard let sum = sums.baseAddress else { return }
            sum.update(repeating: Self.half, count: rowBytes)
            for k in 0..<count[row] {
                let w = weights[row * stride + k], from = picture + (first[row] + k) * rowBytes
                for i in 0..<rowBytes { sum[i] &+= Int32(from[i]) &* w }
            }
            for i in 0..<rowBytes { out[i] = Self.clipped(sum[i]) }
        }
    }
}
