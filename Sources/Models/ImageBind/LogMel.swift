// SPDX-License-Identifier: Apache-2.0
import Foundation
public import TensorEngine

/// Log-mel spectrograms of 16 kHz audio as ImageBind's audio tower reads them: 128 bins, 10 ms apart.
///
/// Samples are −1…1, not scaled to 16 bits. A frame depends on its own 400 samples only, so frames of a stream can be
/// computed once and kept.
/// Source: `imagebind/data.py`, `waveform2melspec`; `torchaudio/compliance/kaldi.py`, `fbank`.
public struct LogMel: Sendable {
    public static let sampleRate = 16000
    public static let bins = 128
    /// Frames of one input of the tower; a window of 2 s has 198, what lacks is padding.
    public static let frames = 204
    public static let frameSamples = 400
    public static let hopSamples = 160
    /// Frames that lie wholly within `samples`.
    public static func frameCount(samples: Int) -> Int {
        samples < frameSamples ? 0 : 1 + (samples - frameSamples) / hopSamples
    }

    /// AudioSet's statistics as ImageBind uses them.
    private static let mean: Float = -4.268
    private static let deviation: Float = 9.138
    private static let preemphasis = 0.97
    /// Smallest energy; its logarithm is what digital silence becomes.
    private static let floor = Double(Float.ulpOfOne)

    private let window: [Double]
    private let fft = RealFFT(512)
    private let filters = MelFilters()

    public init() {
        // Symmetric: both ends are zero.
        window = (0..<Self.frameSamples).map {
            Double(Float(0.5 - 0.5 * cos(2 * .pi * Double($0) / Double(Self.frameSamples - 1))))
        }
    }

    /// The tower's input from the samples of one window: log-mel frames, zeros up to 204 of them, then normalised.
    /// Later frames are ignored; fewer than 400 samples are all padding. `[128, 204]`
    public func callAsFunction(_ samples: some RandomAccessCollection<Float>) -> Tensor {
        Self.normalized(raw(samples))
    }

    /// Log-mel frames, one after the other. `[T] → [frames · 128]`
    func raw(_ samples: some RandomAccessCollection<Float>) -> [Float] {
        let all = Array(samples)
        let count = Self.frameCount(samples: all.count)
        return [Float](unsafeUninitializedCapacity: count * Self.bins) { out, initialised in
            all.withUnsafeBufferPointer { all in
                for frame in 0..<count {
                    let from = frame * Self.hopSamples
                    write(
                        UnsafeBufferPointer(rebasing: all[from..<from + Self.frameSamples]),
                        UnsafeMutableBufferPointer(
                            rebasing: out[frame * Self.bins..<(frame + 1) * Self.bins]))
                }
            }
            initialised = count * Self.bins
        }
    }

    /// Frames one after the other to the tower's layout, padded and normalised. `[frames · 128] → [128, 204]`
    static func normalized(_ raw: some RandomAccessCollection<Float>) -> Tensor {
        let raw = Array(raw)
        let count = min(frames, raw.count / bins)
        return Tensor(shape: [bins, frames]) { out in
            for bin in 0..<bins {
                for frame in 0..<frames {
                    // Padding comes before normalisation.
                    let value = frame < count ? raw[frame * bins + bin] : 0
                    out[bin * frames + frame] = (value - mean) / deviation
                }
            }
        }
    }

    /// One frame of 400 samples to 128 logarithms.
    private func write(_ samples: UnsafeBufferPointer<Float>, _ out: UnsafeMutableBufferPointer<Float>) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 512 + 257) { scratch in
            guard let frame = scratch.baseAddress else { return }
            let power = frame + 512
            let offset = samples.reduce(0.0) { $0 + Double($1) } / Double(samples.count)
            var previous = Double(samples[0]) - offset
            for i in 0..<samples.count {
                let sample = Double(samples[i]) - offset
                frame[i] = (sample - Self.preemphasis * previous) * window[i]
                previous = sample
            }
            (frame + samples.count).update(repeating: 0, count: 512 - samples.count)
            fft.power(of: frame, into: power)
            for bin in 0..<Self.bins { out[bin] = Float(log(max(Self.floor, filters.energy(power, bin)))) }
        }
    }
}

/// Triangles over mel frequency, peak 1, 20 Hz to 8 kHz, for the bins of a 512-point transform.
/// Rounded as the reference rounds. Source: `kaldi.py`, `get_mel_banks`.
struct MelFilters: Sendable {
    private static let lowest = 20.0
    private static let highest = 8000.0
    private static let fftBins = 256

    /// For each filter the first bin and the range of its weights.
    private let filters: [(first: Int, weights: Range<Int>)]
    private let weights: [Double]

    /// Non-zero weights of all filters.
    var weightCount: Int { weights.count }
    func weights(of filter: Int) -> [Double] { Array(weights[filters[filter].weights]) }

    init() {
        let low = Self.mel(Self.lowest), high = Self.mel(Self.highest)
        let step = (high - low) / Double(LogMel.bins + 1)
        let binWidth = Float(LogMel.sampleRate) / Float(2 * Self.fftBins)
        let mels = (0..<Self.fftBins).map { 1127 * logf(1 + binWidth * Float($0) / 700) }
        var filters: [(first: Int, weights: Range<Int>)] = [], weights: [Double] = []
        for filter in 0..<LogMel.bins {
            let left = Float(low) + Float(filter) * Float(step)
            let centre = Float(low) + (Float(filter) + 1) * Float(step)
            let right = Float(low) + (Float(filter) + 2) * Float(step)
            let row = mels.map { mel in
                max(0, min((mel - left) / (centre - left), (right - mel) / (right - centre)))
            }
            let start = weights.count
            let first = row.firstIndex { $0 > 0 } ?? 0
            weights += row[first...].prefix { $0 > 0 }.map { Double($0) }
            filters.append((first, start..<weights.count))
        }
        (self.filters, self.weights) = (filters, weights)
    }

    @inline(__always)
    func energy(_ power: UnsafePointer<Double>, _ filter: Int) -> Double {
        let (first, range) = filters[filter]
        var sum = 0.0
        for (k, index) in range.enumerated() { sum += weights[index] * power[first + k] }
        return sum
    }

    private static func mel(_ hertz: Double) -> Double { 1127 * log(1 + hertz / 700) }
}
