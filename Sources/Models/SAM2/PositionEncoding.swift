// SPDX-License-Identifier: Apache-2.0
// Fixed position encodings. They depend on sizes only, so each is computed once and kept by `SizeCache`.
// Source: `sam2/modeling/position_encoding.py`, `sam2_utils.py` (`get_1d_sine_pe`).
import Foundation
import TensorEngine

/// 10000^(2·⌊j/2⌋ / count), the divisor of channel j.
private func sineDivisor(_ j: Int, _ count: Int) -> Float {
    Float(pow(10000, Double(2 * (j / 2)) / Double(count)))
}

/// Sine encoding of a square map: first half of the channels by row, second by column; sine and cosine alternate.
/// → `[1, size, size, channels]`
func sinePositionEncoding(size: Int, channels: Int) -> Tensor {
    let half = channels / 2
    let divisors = (0..<half).map { sineDivisor($0, half) }
    let codes = (0..<size).map { i in
        let t = Float(i + 1) / (Float(size) + 1e-6) * (2 * Float.pi)
        return (0..<half).map { $0 % 2 == 0 ? sin(t / divisors[$0]) : cos(t / divisors[$0]) }
    }
    return Tensor(shape: [1, size, size, channels]) { out in
        for y in 0..<size {
            for x in 0..<size {
                let at = (y * size + x) * channels
                for j in 0..<half {
                    out[at + j] = codes[y][j]
                    out[at + half + j] = codes[x][j]
                }
            }
        }
    }
}

/// Sine encoding of scalars: all sines, then all cosines, unlike the map's. → `[positions.count, channels]`
func sinePositionEncoding(_ positions: [Float], channels: Int) -> Tensor {
    let half = channels / 2
    return Tensor(shape: [positions.count, channels]) { out in
        for (i, position) in positions.enumerated() {
            for j in 0..<half {
                let angle = position / sineDivisor(j, half)
                out[i * channels + j] = sin(angle)
                out[i * channels + half + j] = cos(angle)
            }
        }
    }
}

/// Angles of axial rotary encoding on a square map: the first half of the channel pairs turns with x, the rest with y.
/// Source: `position_encoding.py`, `compute_axial_cis`.
struct RotaryTable: Sendable {
    /// `[size², dim / 2]`
    let cosines, sines: Tensor

    init(size: Int, dim: Int, theta: Double = 10000) {
        let quarter = dim / 4
        let frequencies = (0..<quarter).map { Float(1 / pow(theta, Double(4 * $0) / Double(dim))) }
        func table(_ function: (Float) -> Float) -> Tensor {
            Tensor(shape: [size * size, dim / 2]) { out in
                for n in 0..<size * size {
                    for (i, frequency) in frequencies.enumerated() {
                        out[n * 2 * quarter + i] = function(Float(n % size) * frequency)
                        out[n * 2 * quarter + quarter + i] = function(Float(n / size) * frequency)
                    }
                }
            }
        }
        cosines = table { cos($0) }
        sines = table { sin($0) }
    }
}
