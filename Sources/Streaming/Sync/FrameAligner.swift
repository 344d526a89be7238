// SPDX-License-Identifier: Apache-2.0
package import Media

/// Two seconds of sound, or less at the start, as they belong to one or more frames.
package struct AudioWindow: Sendable {
    /// Counts the windows of the stream, from 0. Frames with the same number share all work on sound.
    package var number: Int
    /// Mono, 16 kHz, −1…1; at most 32000, fewer while the stream is younger than two seconds.
    package var samples: [Float]
    /// Stream time of its end.
    package var end: MediaTime

    package init(number: Int, samples: [Float], end: MediaTime) {
        (self.number, self.samples, self.end) = (number, samples, end)
    }
}

/// A frame with the sound that is heard on it.
package struct AlignedFrame: Sendable {
    /// Counts frames from 0.
    package var number: Int
    package var frame: VideoFrame
    package var window: AudioWindow

    package init(number: Int, frame: VideoFrame, window: AudioWindow) {
        (self.number, self.frame, self.window) = (number, frame, window)
    }
}

/// Joins frames and sound by their timestamps.
///
/// A frame waits until the sound of its window is there or has ended; nothing is dropped. Sound is pulled only as
/// far as the next frame needs it, so that a source with bounded queues holds both tracks back.
package final class FrameAligner {
    /// May change at any time: from the next frame on.
    package var schedule: WindowSchedule
    private let nextFrame: () throws -> VideoFrame?
    private let nextAudio: () throws -> AudioBlock?
    private var timeline = AudioTimeline()
    private var current: (range: Range<Int>, window: AudioWindow)?
    private var frames = 0
    private var windows = 0

    /// - Parameters:
    ///   - nextFrame: waits for the next frame; nil at the end.
    ///   - nextAudio: waits for the next block of sound; nil at the end, at once where there is none.
    package init(
        schedule: WindowSchedule, nextFrame: @escaping () throws -> VideoFrame?,
        nextAudio: @escaping () throws -> AudioBlock?
    ) {
        (self.schedule, self.nextFrame, self.nextAudio) = (schedule, nextFrame, nextAudio)
    }

    /// Gaps in the sound filled with silence, and blocks that came twice.
    package var audioGaps: Int { timeline.gaps }
    package var audioOverlaps: Int { timeline.overlaps }
    /// Largest distance between a frame and the end of its window so far.
    package private(set) var largestSkew = MediaTime.zero

    /// The next frame in order of presentation; nil at the end.
    package func next() throws -> AlignedFrame? {
        guard let frame = try nextFrame() else { return nil }
        let window = try audioWindow(at: frame.pts)
        defer { frames += 1 }
        return AlignedFrame(number: frames, frame: frame, window: window)
    }

    /// The window of a frame at `time`: the current one, or a new one once it is due.
    private func audioWindow(at time: MediaTime) throws -> AudioWindow {
        let due = schedule.window(at: time)
        try pullAudio(until: due.upperBound)
        if let current, current.window.samples.count >= WindowSchedule.shortestSamples,
            !schedule.renews(current.range, with: due)
        {
            note(skewOf: time, to: current.window.end)
            return current.window
        }
        let seconds = Double(due.upperBound) / Double(AudioTimeline.sampleRate)
        let window = AudioWindow(
            number: windows, samples: samples(due), end: MediaTime(seconds: seconds))
        windows += 1
        current = (due, window)
        note(skewOf: time, to: window.end)
        return window
    }

    /// Sound of a window; silence follows where the track has ended.
    private func samples(_ range: Range<Int>) -> [Float] {
        let samples = timeline.samples(range)
        guard timeline.hasEnded, timeline.hasStarted, range.upperBound > timeline.endIndex else {
            return samples
        }
        let missing = range.upperBound - max(timeline.endIndex, range.lowerBound)
        return samples + [Float](repeating: 0, count: missing)
    }

    private func note(skewOf time: MediaTime, to end: MediaTime) {
        largestSkew = max(largestSkew, time < end ? end - time : time - end)
    }

    private func pullAudio(until index: Int) throws {
        while !timeline.hasEnded, timeline.endIndex < index {
            guard let block = try nextAudio() else {
                timeline.finish()
                return
            }
            timeline.append(block.firstChannel, rate: block.sampleRate, at: block.pts)
        }
    }
}

extension AudioBlock {
    /// The model listens to the first channel only, as its training did.
    var firstChannel: [Float] {
        channels == 1 ? samples : stride(from: 0, to: samples.count, by: channels).map { samples[$0] }
    }
}
