// SPDX-License-Identifier: Apache-2.0
import Media

/// Joins a live frame with the newest sound there is at its time: nothing is waited for.
struct LiveAligner {
    /// Sound that ended longer ago than this is not heard on a frame.
    static let oldestSound = MediaTime.seconds(1)

    private var current: (range: Range<Int>, window: AudioWindow)?
    private var windows = 0
    private var frames = 0

    /// - Parameters:
    ///   - hop: how long one window serves.
    ///   - timeline: of the stream's sound, on the clock of the frames.
    mutating func align(_ frame: VideoFrame, with timeline: AudioTimeline, hop: MediaTime) -> AlignedFrame {
        defer { frames += 1 }
        return AlignedFrame(number: frames, frame: frame, window: window(at: frame.pts, timeline, hop: hop))
    }

    private mutating func window(
        at time: MediaTime, _ timeline: AudioTimeline, hop: MediaTime
    ) -> AudioWindow {
        let heardUntil = MediaTime(seconds: Double(timeline.endIndex) / Double(AudioTimeline.sampleRate))
        guard timeline.hasStarted, time - heardUntil <= Self.oldestSound else { return silence(at: time) }
        let schedule = WindowSchedule.causal(hop: hop)
        let due = schedule.window(at: min(time, heardUntil))
        if let current, current.window.samples.count >= WindowSchedule.shortestSamples,
            !schedule.renews(current.range, with: due)
        {
            return current.window
        }
        return renewed(due, timeline.samples(due))
    }

    /// No sound is there: one window for as long as that lasts.
    private mutating func silence(at time: MediaTime) -> AudioWindow {
        if let current, current.window.samples.isEmpty { return current.window }
        let end = Int(time.seconds * Double(AudioTimeline.sampleRate))
        return renewed(end - WindowSchedule.windowSamples..<end, [])
    }

    private mutating func renewed(_ range: Range<Int>, _ samples: [Float]) -> AudioWindow {
        let end = MediaTime(seconds: Double(range.upperBound) / Double(AudioTimeline.sampleRate))
        let window = AudioWindow(number: windows, samples: samples, end: end)
        windows += 1
        current = (range, window)
        return window
    }
}
