// SPDX-License-Identifier: Apache-2.0
package import Media
import Models

/// The last seconds of sound, mono at 16 kHz, found by time.
///
/// Blocks are placed by their timestamps: small jitter is ignored, a gap is filled with silence, what comes twice
/// is dropped. Sample *n* lies at *n*/16000 s of stream time.
package struct AudioTimeline: Sendable {
    package static let sampleRate = 16_000
    /// Kept behind the newest sample: twice the longest window and the distance of the official windows.
    private static let keptSamples = 8 * sampleRate
    /// Differences between timestamp and sample count up to this are jitter. Containers that count milliseconds
    /// and encoders with odd frame lengths stay below.
    private static let jitter = MediaTime.milliseconds(40)

    /// One run of blocks without a change of rate, and its place in time.
    private struct Run: Sendable {
        var start: MediaTime
        var rate: Int
        var inputCount = 0
        var resampler: Resampler

        var end: MediaTime { start + MediaTime(seconds: Double(inputCount) / Double(rate)) }
    }

    private var run: Run?
    private var samples: [Float] = []
    /// Index of `samples[0]` in stream time.
    private var firstIndex = 0
    package private(set) var hasStarted = false
    package private(set) var hasEnded = false
    /// Gaps filled with silence, and blocks cut because their time had passed.
    package private(set) var gaps = 0
    package private(set) var overlaps = 0

    package init() {}

    /// Index after the newest sample.
    package var endIndex: Int { firstIndex + samples.count }

    /// - Parameters:
    ///   - block: mono samples in −1…1 at `rate`.
    ///   - time: of the first sample.
    package mutating func append(_ block: [Float], rate: Int, at time: MediaTime) {
        guard rate > 0 else { return }
        if run?.rate != rate { startRun(rate: rate, at: time) }
        guard let expected = run?.end else { return }
        var block = block[...]
        if time - expected > Self.jitter {
            gaps += 1
            fillGap(until: time)
        } else if expected - time > Self.jitter {
            overlaps += 1
            block = block.dropFirst(Self.count(expected - time, rate: rate))
        }
        feed(block)
    }

    /// No more sound will come: what the resampler still holds is let out.
    package mutating func finish() {
        guard !hasEnded else { return }
        hasEnded = true
        if var last = run { store(last.resampler.finish()) }
        run = nil
    }

    /// Samples `range` of stream time; what lies before the first or after the last sample is left out.
    package func samples(_ range: Range<Int>) -> [Float] {
        let held = range.clamped(to: firstIndex..<endIndex)
        return Array(samples[held.lowerBound - firstIndex..<held.upperBound - firstIndex])
    }

    private mutating func startRun(rate: Int, at time: MediaTime) {
        if var last = run { store(last.resampler.finish()) }
        run = Run(start: time, rate: rate, resampler: Resampler(from: rate, to: Self.sampleRate))
        let index = Self.count(time, rate: Self.sampleRate)
        if !hasStarted {
            (hasStarted, firstIndex) = (true, index)
        } else if index > endIndex {
            store([Float](repeating: 0, count: min(index - endIndex, Self.keptSamples)))
            firstIndex = index - samples.count
        }
    }

    /// Silence passes through the resampler, so that the sound around it keeps its place; after a long one nothing
    /// of what was before matters.
    private mutating func fillGap(until time: MediaTime) {
        guard let run else { return }
        let missing = Self.count(time - run.end, rate: run.rate)
        if missing <= Self.keptSamples * run.rate / Self.sampleRate {
            feed([Float](repeating: 0, count: missing)[...])
        } else {
            startRun(rate: run.rate, at: time)
        }
    }

    private mutating func feed(_ block: ArraySlice<Float>) {
        guard var current = run else { return }
        current.inputCount += block.count
        let out = current.resampler.process(Array(block))
        run = current
        store(out)
    }

    private mutating func store(_ new: [Float]) {
        samples += new
        // Cut rarely: each cut moves everything.
        guard samples.count > 2 * Self.keptSamples else { return }
        let surplus = samples.count - Self.keptSamples
        samples.removeFirst(surplus)
        firstIndex += surplus
    }

    /// Samples in a length of time, to the nearest; never beyond what an index can hold.
    private static func count(_ time: MediaTime, rate: Int) -> Int {
        Int((max(-1e9, min(1e9, time.seconds)) * Double(rate)).rounded())
    }
}
