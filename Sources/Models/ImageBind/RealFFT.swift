// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Power spectrum of real frames, in double precision: quiet bins beside loud ones keep their digits.
///
/// Even and odd samples form one complex signal of half the length, transformed by radix 2 and then separated.
struct RealFFT: Sendable {
    let count: Int
    private let half: Int
    /// cos and −sin of 2πk/count for k below half.
    private let cosines, sines: [Double]
    private let reversed: [Int]

    /// - Parameter count: samples of a frame, a power of two, at least 4.
    init(_ count: Int) {
        precondition(count >= 4 && count & (count - 1) == 0, "RealFFT: \(count) samples")
        self.count = count
        let half = count / 2
        self.half = half
        cosines = (0..<half).map { cos(2 * .pi * Double($0) / Double(count)) }
        sines = (0..<half).map { -sin(2 * .pi * Double($0) / Double(count)) }
        let bits = half.trailingZeroBitCount
        reversed = (0..<half).map { index in
            (0..<bits).reduce(0) { $0 << 1 | index >> $1 & 1 }
        }
    }

    /// |X|² of the bins 0 … count/2 of `frame`, which is overwritten.
    ///
    /// - Parameters:
    ///   - frame: `count` samples.
    ///   - power: `count/2 + 1` bins.
    func power(of frame: UnsafeMutablePointer<Double>, into power: UnsafeMutablePointer<Double>) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { scratch in
            guard let re = scratch.baseAddress else { return }
            let im = re + half
            for (i, from) in reversed.enumerated() {
                re[i] = frame[2 * from]
                im[i] = frame[2 * from + 1]
            }
            transform(re, im)
            separate(re, im, power)
        }
    }

    private func transform(_ re: UnsafeMutablePointer<Double>, _ im: UnsafeMutablePointer<Double>) {
        cosines.withUnsafeBufferPointer { cosines in
            sines.withUnsafeBufferPointer { sines in
                var length = 1
                while length < half {
                    let step = half / length
                    for start in stride(from: 0, to: half, by: 2 * length) {
                        for k in 0..<length {
                            let (c, s) = (cosines[k * step], sines[k * step])
                            let (i, j) = (start + k, start + k + length)
                            let (x, y) = (re[j] * c - im[j] * s, re[j] * s + im[j] * c)
                            (re[j], im[j]) = (re[i] - x, im[i] - y)
                            (re[i], im[i]) = (re[i] + x, im[i] + y)
                        }
                    }
                    length *= 2
                }
            }
        }
    }

    /// X[k] = E[k] + e^(−2πik/count) · O[k], with E and O the transforms of the even and odd samples.
    private func separate(
        _ re: UnsafePointer<Double>, _ im: UnsafePointer<Double>, _ power: UnsafeMutablePointer<Double>
    ) {
        power[0] = (re[0] + im[0]) * (re[0] + im[0])
        power[half] = (re[0] - im[0]) * (re[0] - im[0])
        for k in 1..<half {
            let (evenRe, evenIm) = ((re[k] + re[half - k]) / 2, (im[k] - im[half - k]) / 2)
            let (oddRe, oddIm) = ((im[k] + im[half - k]) / 2, (re[half - k] - re[k]) / 2)
            let x = evenRe + cosines[k] * oddRe - sines[k] * oddIm
            let y = evenIm + cosines[k] * oddIm + sines[k] * oddRe
            power[k] = x * x + y * y
        }
    }
}
