// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Changes the sampling rate of one channel by a windowed sinc, piece by piece.
///
/// However the input is cut into pieces, the samples are those of the whole file at once.
/// Source: `torchaudio.functional.resample` with `sinc_interp_hann`, width 6, rolloff 0.99.
public struct Resampler: Sendable {
    private let filter: ResampleFilter?
    /// Input not yet done with; `history[0]` has the index `historyStart`, which is negative before the start.
    private var history: [Float] = []
    private var historyStart: Int
    private var received = 0
    private var produced = 0

    /// - Parameters: rates in hertz, positive.
    public init(from source: Int, to target: Int) {
        precondition(source > 0 && target > 0, "Resampler: from \(source) Hz to \(target) Hz")
        filter = source == target ? nil : ResampleFilter(from: source, to: target)
        // Zeros stand before the first sample.
        historyStart = -(filter?.reach ?? 0)
        history = Array(repeating: 0, count: -historyStart)
    }

    /// Input samples that must follow an output sample's time before it can be computed.
    public var lookAhead: Int { filter?.reach ?? 0 }

    /// Takes the next samples and returns those that are complete by them.
    public mutating func process(_ samples: some Collection<Float>) -> [Float] {
        guard let filter else { return Array(samples) }
        history += samples
        received += samples.count
        return output(filter, upTo: .max)
    }

    /// Ends the stream: returns the last samples, computed with zeros after the end, ⌈received · to / from⌉ in all.
    /// Afterwards the resampler starts anew.
    public mutating func finish() -> [Float] {
        guard let filter else { return [] }
        let total = (received * filter.outputs + filter.inputs - 1) / filter.inputs
        history += Array(repeating: 0, count: filter.reach + filter.inputs)
        let last = output(filter, upTo: total)
        received = 0
        produced = 0
        historyStart = -filter.reach
        history = Array(repeating: 0, count: filter.reach)
        return last
    }

    /// A whole recording.
    public static func resampled(_ samples: [Float], from source: Int, to target: Int) -> [Float] {
        var resampler = Resampler(from: source, to: target)
        return resampler.process(samples) + resampler.finish()
    }

    private mutating func output(_ filter: ResampleFilter, upTo total: Int) -> [Float] {
        var result: [Float] = []
        while produced < total {
            let (period, phase) = produced.quotientAndRemainder(dividingBy: filter.outputs)
            let tap = filter.taps[phase]
            let first = period * filter.inputs + tap.first - historyStart
            guard first + tap.count <= history.count else { break }
            result.append(filter.dot(tap, history, at: first))
            produced += 1
        }
        let needed = produced / filter.outputs * filter.inputs - filter.reach
        // Dropping in large pieces keeps the cost per sample constant.
        if needed - historyStart > max(4096, history.count / 2) {
            history.removeFirst(needed - historyStart)
            historyStart = needed
        }
        return result
    }
}

/// Weights of the output samples of one period: `outputs` samples from every `inputs`.
struct ResampleFilter: Sendable {
    /// Zero crossings of the sinc on each side.
    private static let crossings: Float = 6
    /// Cut-off, as a part of the lower rate's half.
    private static let rolloff = 0.99

    struct Taps: Sendable {
        /// Input index of the first weight, counted from the start of the period.
        var first: Int
        /// Where the weights lie.
        var start: Int
        var count: Int
    }

    let inputs, outputs: Int
    /// Input samples on each side that any output needs.
    let reach: Int
    let taps: [Taps]
    private let weights: [Float]

    init(from source: Int, to target: Int) {
        let divisor = Self.greatestCommonDivisor(source, target)
        let inputs = source / divisor, outputs = target / divisor
        let cutoff = Double(min(inputs, outputs)) * Self.rolloff
        let reach = Int((Double(Self.crossings) * Double(inputs) / cutoff).rounded(.up))
        var taps: [Taps] = [], weights: [Float] = []
        for phase in 0..<outputs {
            // Beyond the window's end, `reach` input samples from the output's place, all is zero.
            let place = phase * inputs / outputs
            let span = max(-reach, place - reach - 1)..<min(reach + inputs, place + reach + 2)
            let all = span.map {
                Self.weight(at: $0, phase: phase, inputs: inputs, outputs: outputs, cutoff: Float(cutoff))
            }
            let low = all.firstIndex { $0 != 0 } ?? 0, high = all.lastIndex { $0 != 0 } ?? 0
            taps.append(
                Taps(first: span.lowerBound + low, start: weights.count, count: high - low + 1))
            weights += all[low...high]
        }
        (self.inputs, self.outputs, self.reach) = (inputs, outputs, reach)
        (self.taps, self.weights) = (taps, weights)
    }

    /// Weight of input `index` in output `phase`, rounded at each step as the reference rounds.
    private static func weight(at index: Int, phase: Int, inputs: Int, outputs: Int, cutoff: Float) -> Float {
        var t = Float(-phase) / Float(outputs) + Float(index) / Float(inputs)
        t = min(max(t * cutoff, -crossings), crossings)
        guard abs(t) < crossings else { return 0 }
        let window = cosf(t * Float.pi / crossings / 2)
        t *= Float.pi
        let sinc = t == 0 ? 1 : sinf(t) / t
        return sinc * (window * window * Float(Double(cutoff) / Double(inputs)))
    }

    @inline(__always)
    func dot(_ tap: Taps, _ samples: [Float], at first: Int) -> Float {
        samples.withUnsafeBufferPointer { samples in
            weights.withUnsafeBufferPointer { weights in
                var sum: Double = 0
                for k in 0..<tap.count {
                    sum += Double(samples[first + k]) * Double(weights[tap.start + k])
                }
                return Float(sum)
            }
        }
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }
}
