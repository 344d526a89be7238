// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Where sounds are heard: echoes, hiss and hum.
struct Room: Sendable {
    /// Root mean square of the noise in decibels of full scale; nil for none at all.
    private let level: Float?
    /// 0 white … 1 brown.
    private let color: Float
    /// Mains hum, relative to the noise.
    private let hum, humHertz: Float
    /// Share of the echoes, and seconds in which they fall by 60 dB.
    private let wet, decay: Float
    private let seed: UInt64

    init(level: Float?, reverb: ClosedRange<Float>, _ random: inout SeededRandom) {
        self.level = level
        color = random.float(0.2...1)
        hum = random.chance(0.3) ? random.float(0...0.7) : 0
        humHertz = random.chance(0.5) ? 50 : 60
        wet = random.float(reverb)
        decay = random.float(0.12...0.4)
        seed = random.next()
    }

    /// Delays of the echoes in samples, without a common measure.
    private static let combs = [467, 557, 641, 691]
    private static let allPass = [83, 29]

    /// Adds echoes of what is there: parallel combs, then all-passes in a row.
    func reverberate(_ samples: UnsafeMutableBufferPointer<Float>) {
        guard wet > 0.01 else { return }
        let echo = UnsafeMutableBufferPointer<Float>.allocate(capacity: samples.count)
        defer { echo.deallocate() }
        echo.initialize(repeating: 0)
        for delay in Self.combs {
            let factor = pow(10, -3 * Float(delay) / (decay * Float(SyntheticSound.sampleRate)))
            comb(samples, delay, factor, into: echo)
        }
        for delay in Self.allPass { smear(echo, delay) }
        for i in samples.indices { samples[i] = (1 - wet) * samples[i] + wet * echo[i] }
    }

    private func comb(
        _ samples: UnsafeMutableBufferPointer<Float>, _ delay: Int, _ factor: Float,
        into out: UnsafeMutableBufferPointer<Float>
    ) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: delay) { line in
            line.initialize(repeating: 0)
            var at = 0
            for i in samples.indices {
                let old = line[at]
                out[i] += old
                line[at] = samples[i] + factor * old
                at = at + 1 == delay ? 0 : at + 1
            }
        }
    }

    private func smear(_ samples: UnsafeMutableBufferPointer<Float>, _ delay: Int) {
        withUnsafeTemporaryAllocation(of: Float.self, capacity: delay) { line in
            line.initialize(repeating: 0)
            var at = 0
            for i in samples.indices {
                let old = line[at]
                let now = samples[i] - 0.6 * old
                line[at] = now
                samples[i] = old + 0.6 * now
                at = at + 1 == delay ? 0 : at + 1
            }
        }
    }

    /// Adds the noise of the room.
    func addNoise(to samples: UnsafeMutableBufferPointer<Float>) {
        guard let level else { return }
        var (hiss, phase, slow) = (Hiss(seed), Phase(), Float(0))
        // One pole; its output is scaled back to the power of white noise, which is 1/3.
        let keep = 0.97 * color
        let gain = pow(10, level / 20) * Float(3).squareRoot() * ((1 + keep) / (1 - keep)).squareRoot()
        let humGain = pow(10, level / 20) * hum
        for i in samples.indices {
            slow = keep * slow + (1 - keep) * hiss.next()
            samples[i] += gain * slow + humGain * sineOfTurns(phase.advance(humHertz))
        }
    }
}
