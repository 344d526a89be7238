// SPDX-License-Identifier: Apache-2.0
import Foundation

/// White noise, −1…1.
struct Hiss {
    private var state: UInt32

    init(_ seed: UInt64) { state = UInt32(truncatingIfNeeded: seed ^ seed >> 32) | 1 }

    @inline(__always)
    mutating func next() -> Float {
        state ^= state << 13
        state ^= state >> 17
        state ^= state << 5
        return Float(Int32(bitPattern: state)) * 0x1p-31
    }

    /// About normal, of mean 0 and deviation 1: the sum of four bytes, whose own deviation is 147.8.
    @inline(__always)
    mutating func nearlyNormal() -> Float {
        _ = next()
        let sum = (state & 255) + (state >> 8 & 255) + (state >> 16 & 255) + (state >> 24)
        return (Float(sum) - 510) / 147.8
    }
}

/// A tone's phase in turns.
struct Phase {
    private(set) var turns: Float = 0

    /// Advances by `hertz` and gives the phase before.
    @inline(__always)
    mutating func advance(_ hertz: Float) -> Float {
        let before = turns
        turns += hertz / Float(SyntheticSound.sampleRate)
        if turns >= 1 { turns -= 1 }
        return before
    }
}

/// Two-pole filter with a low, a band and a high output; stable up to a sixth of the sample rate at any sharpness.
struct StateFilter {
    private var low: Float = 0, band: Float = 0
    private var step: Float
    private let damping: Float

    /// - Parameter sharpness: 0.5 is flat; the band output rings for about `sharpness` periods.
    init(_ hertz: Float, sharpness: Float) {
        step = Self.step(hertz)
        damping = 1 / sharpness
    }

    mutating func tune(_ hertz: Float) { step = Self.step(hertz) }

    /// 2 sin(π f / rate), bounded for stability.
    private static func step(_ hertz: Float) -> Float {
        2 * sineOfTurns(min(hertz / Float(SyntheticSound.sampleRate), 1 / 6) * 0.5)
    }

    @inline(__always)
    mutating func callAsFunction(_ x: Float) -> (low: Float, band: Float, high: Float) {
        low += step * band
        let high = x - low - damping * band
        band += step * high
        return (low, band, high)
    }
}

/// A decaying sinusoid as a recurrence: two products a sample.
struct Partial {
    private var last: Float, before: Float
    private let a, b: Float

    /// - Parameter decay: seconds to fall by 60 dB.
    init(_ hertz: Float, amplitude: Float, decay: Float) {
        let angle = 2 * Float.pi * hertz / Float(SyntheticSound.sampleRate)
        let r = exp(-6.9 / (decay * Float(SyntheticSound.sampleRate)))
        a = 2 * r * cos(angle)
        b = -r * r
        last = 0
        before = -amplitude * sin(angle) / (r * r)
    }

    @inline(__always)
    mutating func next() -> Float {
        let now = a * last + b * before
        (before, last) = (last, now)
        return now
    }
}

/// A factor that falls by 60 dB within some seconds.
struct Decay {
    private(set) var value: Float = 1
    private let factor: Float

    init(_ seconds: Float) { factor = exp(-6.9 / (seconds * Float(SyntheticSound.sampleRate))) }

    @inline(__always)
    mutating func next() -> Float {
        value *= factor
        return value
    }
}

/// Where the samples of one event go. Samples fade in and out at its ends, so that nothing clicks.
struct EventSpan {
    let samples: UnsafeMutableBufferPointer<Float>
    let seconds: Float
    private let fade: Int

    /// - Parameter fade: seconds.
    init(_ event: SoundEvent, of all: UnsafeMutableBufferPointer<Float>, fade: Float) {
        let rate = Double(SyntheticSound.sampleRate)
        let first = max(0, min(all.count, Int(event.start * rate)))
        let end = max(first, min(all.count, Int(event.end * rate)))
        samples = UnsafeMutableBufferPointer(rebasing: all[first..<end])
        seconds = Float(end - first) / Float(rate)
        self.fade = max(1, min(Int(fade * Float(rate)), (end - first) / 2))
    }

    /// Adds what `body` gives for the share of the event that is over, 0…1.
    @inline(__always)
    func add(_ force: Float, _ body: (Float) -> Float) {
        let (count, step) = (samples.count, 1 / Float(max(1, samples.count)))
        for i in 0..<count {
            let edge = min(min(i, count - 1 - i), fade)
            samples[i] += force * body(Float(i) * step) * (Float(edge) / Float(fade))
        }
    }
}
