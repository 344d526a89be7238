// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Audio for ImageBind")
struct AudioTests {
    // MARK: Reference files

    /// ImageBind's example recordings, which are not part of the repository.
    static let folder: URL? = {
        let shared = ProcessInfo.processInfo.environment["TAVIS_SHARED"]
        return shared.map { URL(fileURLWithPath: $0).appending(path: "media/imagebind") }
    }()

    @Test("recordings become the reference's samples and spectrograms", .enabled(if: folder != nil))
    func exampleRecordings() throws {
        let golden = try Golden("06_imagebind_preprocess"), folder = try #require(Self.folder)
        let names = try #require(golden.manifest["wavs"] as? [String])
        for (index, name) in names.enumerated() {
            let file = try WaveFile(folder.appending(path: name))
            let channels = file.channels.map {
                Resampler.resampled($0, from: file.rate, to: LogMel.sampleRate)
            }
            let samples = Tensor(channels.flatMap(\.self), shape: [channels.count, channels[0].count])
            try golden.expect(samples, equals: "wave\(index).resampled")
            let clips = try AudioPreprocessor().clips(of: channels, count: 3, spacing: .beforeEnd)
            try golden.expect(clips.reshaped(3, 1, 128, 204), equals: "mel\(index)", largest: 1e-3)
        }
    }

    // MARK: Log-mel

    @Test("a spectrogram of two tones has the values worked out by hand")
    func tones() {
        let samples = (0..<32000).map { n -> Float in
            let t = Double(n) / 16000
            return Float(0.5 * sin(2 * .pi * 440 * t) + 0.1 * sin(2 * .pi * 3000 * t + 1))
        }
        let raw = LogMel().raw(samples)
        let normalised = LogMel()(samples)
        #expect(raw.count == 198 * 128 && normalised.shape == [128, 204])
        let expected: [(bin: Int, frame: Int, raw: Float, normalised: Float)] = [
            (0, 0, -14.1302, -1.0793), (10, 0, -9.7113, -0.5957), (26, 0, -0.0167, 0.4652),
            (27, 0, -3.2860, 0.1075), (28, 50, -8.0623, -0.4152), (64, 100, -15.9424, -1.2776),
            (84, 100, 4.9987, 1.0141), (85, 100, 2.3641, 0.7258),
        ]
        for value in expected {
            #expect(abs(raw[value.frame * 128 + value.bin] - value.raw) < 1e-3, "\(value)")
            #expect(abs(normalised[value.bin, value.frame] - value.normalised) < 1e-3, "\(value)")
        }
        #expect(abs(normalised[64, 203] - 0.467061) < 1e-6, "padding")
    }

    @Test("a click lifts only the frames that hold it")
    func click() {
        var samples = [Float](repeating: 0, count: 32000)
        samples[1000] = 1
        let raw = LogMel().raw(samples)
        let silence = logf(Float.ulpOfOne)
        for frame in 0..<198 {
            let silent = raw[frame * 128..<(frame + 1) * 128].allSatisfy { $0 == silence }
            #expect(silent == !(4...6).contains(frame), "frame \(frame)")
        }
        #expect(abs(raw[4 * 128 + 64] + 5.1959) < 1e-3)
        #expect(abs(raw[5 * 128 + 64] + 0.3712) < 1e-3)
        #expect(abs(raw[5 * 128 + 4] + 6.1479) < 1e-3)
    }

    @Test("the mel filters are the reference's, with an empty one")
    func filters() {
        let filters = MelFilters()
        #expect(filters.weightCount == 504)
        #expect(filters.weights(of: 3).isEmpty)
        let peaks = (0..<6).map { filters.weights(of: $0).max() ?? 0 }
        for (found, expected) in zip(peaks, [0.8026, 0.0310, 0.9690, 0, 0.9516, 0.0484]) {
            #expect(abs(found - expected) < 1e-4)
        }
    }

    @Test("the power spectrum equals the transform by its definition", arguments: [4, 8, 64, 512])
    func spectrum(count: Int) {
        var frame = SeededWeights.input("frame", shape: [count], scale: 1).map { Double($0) }
        let expected = (0...count / 2).map { k in
            var re = 0.0, im = 0.0
            for (n, x) in frame.enumerated() {
                let angle = 2 * .pi * Double(k * n % count) / Double(count)
                re += x * cos(angle)
                im += x * sin(angle)
            }
            return re * re + im * im
        }
        var found = [Double](repeating: 0, count: count / 2 + 1)
        RealFFT(count).power(of: &frame, into: &found)
        for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-10 * Double(count)) }
    }

    // MARK: Resampling

    @Test(
        "resampling equals the formula evaluated directly",
        arguments: [48000, 44100, 32000, 24000, 22050, 11025, 8000, 96000])
    func resampling(rate: Int) {
        let samples = SeededWeights.input("wave", shape: [3001], scale: 1)
        let found = Resampler.resampled(samples, from: rate, to: 16000)
        #expect(found.count == (samples.count * 16000 + rate - 1) / rate)
        let expected = Self.resampledByDefinition(samples, from: rate, to: 16000)
        // The reference computes the filter's phases in single precision, and so do we: against it the difference is
        // a hundred times smaller than against the exact formula.
        expectClose(found, expected, "\(rate) Hz", relativeRMS: 3e-5, largest: 1e-4)
    }

    @Test("resampling piece by piece equals the whole", arguments: [44100, 48000, 8000, 16000, 44101])
    func pieces(rate: Int) {
        let samples = SeededWeights.input("wave", shape: [30_011], scale: 1)
        let whole = Resampler.resampled(samples, from: rate, to: 16000)
        var resampler = Resampler(from: rate, to: 16000)
        for _ in 0..<2 {  // it starts anew after its end
            var found: [Float] = [], start = 0
            for size in [0, 1, 2, 7, 100, 4096, 441, 11_000, 3, 20_000] {
                let end = min(samples.count, start + size)
                found += resampler.process(samples[start..<end])
                start = end
            }
            found += resampler.finish()
            #expect(found == whole)
        }
    }

    @Test("an empty recording stays empty")
    func empty() {
        #expect(Resampler.resampled([], from: 44100, to: 16000).isEmpty)
    }

    private static func resampledByDefinition(_ x: [Float], from: Int, to: Int) -> [Float] {
        func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
        let g = divisor(from, to), o = from / g, n = to / g
        let b = 0.99 * Double(min(o, n)), W = Int((6 * Double(o) / b).rounded(.up))
        return (0..<(x.count * n + o - 1) / o).map { index in
            let (q, p) = (index / n, index % n)
            var sum = 0.0
            for k in 0..<2 * W + o {
                let position = q * o + k - W
                guard x.indices.contains(position) else { continue }
                let t = min(max(b * (-Double(p) / Double(n) + Double(k - W) / Double(o)), -6), 6)
                let window = cos(.pi * t / 12) * cos(.pi * t / 12)
                sum += b / Double(o) * window * (t == 0 ? 1 : sin(.pi * t) / (.pi * t)) * Double(x[position])
            }
            return Float(sum)
        }
    }

    // MARK: Windows

    @Test("windows of a recording start where the chosen version starts them")
    func clipRanges() {
        func starts(_ samples: Int, _ count: Int, _ spacing: ClipSpacing) -> [Int] {
            AudioPreprocessor.clipRanges(samples: samples, count: count, spacing: spacing).map(\.lowerBound)
        }
        #expect(starts(80_000, 3, .toEnd) == [0, 24_000, 48_000])
        #expect(starts(80_000, 5, .toEnd) == [0, 12_000, 24_000, 36_000, 48_000])
        #expect(starts(80_000, 3, .beforeEnd) == [0, 16_000, 32_000])
        #expect(starts(80_000, 5, .beforeEnd) == [0, 9600, 19_200, 28_800, 38_400])
        #expect(starts(160_000, 3, .toEnd) == [0, 64_000, 128_000])
        #expect(starts(160_000, 3, .beforeEnd) == [0, 42_666, 85_333])
        #expect(starts(80_000, 1, .toEnd) == [0])
        let short = AudioPreprocessor.clipRanges(samples: 20_000, count: 2, spacing: .toEnd)
        #expect(short == [0..<20_000, 0..<20_000])
    }

    @Test("coupled means change a later window only where an earlier one ended")
    func coupledMeans() throws {
        let samples = SeededWeights.input("wave", shape: [48_000], scale: 0.01).map { $0 + 0.05 }
        let coupled = try AudioPreprocessor().clips(of: [samples], count: 2, spacing: .toEnd)
        let free = try AudioPreprocessor().clips(
            of: [samples], count: 2, spacing: .toEnd, coupledMeans: false)
        // The first window ends 16 000 samples into the second: frames 98 to 99 hold the step.
        for frame in 0..<198 {
            let difference = (0..<128).map { abs(coupled[1, $0, frame] - free[1, $0, frame]) }.max() ?? 0
            #expect((difference > 1e-3) == (98...99).contains(frame), "frame \(frame): \(difference)")
        }
    }

    @Test("recordings without a frame or with unequal channels are refused")
    func refused() {
        let preprocessor = AudioPreprocessor()
        #expect(throws: AudioError.self) { try preprocessor.clips(of: []) }
        #expect(throws: AudioError.self) { try preprocessor.clips(of: [[Float](repeating: 0, count: 399)]) }
        #expect(throws: AudioError.self) {
            try preprocessor.clips(of: [[Float](repeating: 0, count: 500), [0]])
        }
    }

    @Test("a window of a stream equals the window of the recording that ends at the same hop")
    func streamWindows() {
        let samples = SeededWeights.input("wave", shape: [200_000], scale: 0.5), logMel = LogMel()
        var stream = AudioStream(keptSeconds: 1), start = 0
        for size in [100, 299, 1, 5000, 20_000, 7777, 40_003, 60_000, 66_820] {
            stream.append(samples[start..<start + size])
            start += size
            for late in [0, 159, 8000] where start >= late {
                let window = stream.audioWindow(endingAt: start - late)
                let end = (start - late) / 160 * 160
                #expect(window.endSample == end)
                #expect(window.mel.values == logMel(samples[max(0, end - 32_000)..<end]).values)
                #expect(window.isComplete == (end >= 31_920))
            }
            #expect(stream.audioWindow(endingAt: .max).endSample == start / 160 * 160)
        }
        #expect(stream.samples == start)
        // Older than what is kept: the oldest.
        let oldest = stream.audioWindow(endingAt: 0)
        #expect(oldest.isComplete && oldest.endSample > 32_000)
    }

    @Test("before the first frame a stream gives padding alone")
    func silentStart() {
        let window = AudioStream().audioWindow(endingAt: 0)
        #expect(window.frames == 0 && !window.isComplete && window.endSample == 0)
        #expect(window.mel.values.allSatisfy { abs($0 - 0.467061) < 1e-6 })
    }

    @Test("a long stream keeps a bounded number of frames")
    func boundedMemory() {
        var stream = AudioStream(keptSeconds: 0)
        let second = [Float](repeating: 0.1, count: 16_000)
        for _ in 0..<60 { stream.append(second) }
        #expect(stream.keptFrameCount < 600)
    }
}
