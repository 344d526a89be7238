// SPDX-License-Identifier: Apache-2.0
import Media
import Testing

@testable import Streaming

@Suite("Live frames and their sound")
struct LiveAlignerTests {
    private func frame(_ seconds: Double) -> VideoFrame {
        VideoFrame(width: 1, height: 1, pts: .seconds(seconds), duration: nil, pixels: [0, 0, 0])
    }

    /// Sound from `start` on, far from zero as on the clock of a machine that runs for days.
    private func timeline(from start: Double, seconds: Double) -> AudioTimeline {
        var timeline = AudioTimeline()
        for block in 0..<Int(seconds * 50) {
            timeline.append(
                [Float](repeating: 0.25, count: 320), rate: 16_000, at: .seconds(start + Double(block) * 0.02)
            )
        }
        return timeline
    }

    @Test("a frame gets the newest sound up to its time, and keeps it for a hop")
    func hop() {
        var aligner = LiveAligner()
        let sound = timeline(from: 1_000_000, seconds: 5)
        let windows = (0..<25).map { step in
            aligner.align(frame(1_000_003 + Double(step) * 0.04), with: sound, hop: .seconds(0.25)).window
        }
        #expect(windows[0].samples.count == 32_000)
        #expect(abs(windows[0].end.seconds - 1_000_003) < 0.011)
        #expect(windows.map(\.number).max() == 3 && windows.map(\.number).sorted() == windows.map(\.number))
    }

    @Test("sound that is a little behind is used as far as it goes; sound that stopped is not heard")
    func behind() {
        var aligner = LiveAligner()
        let sound = timeline(from: 50, seconds: 3)
        let late = aligner.align(frame(53.5), with: sound, hop: .seconds(0.25)).window
        #expect(!late.samples.isEmpty && abs(late.end.seconds - 53) < 0.03)
        let gone = aligner.align(frame(54.5), with: sound, hop: .seconds(0.25)).window
        #expect(gone.samples.isEmpty && gone.number == 1)
        #expect(aligner.align(frame(54.6), with: sound, hop: .seconds(0.25)).window.number == 1)
        var back = sound
        back.append([Float](repeating: 0.5, count: 16_000), rate: 16_000, at: .seconds(54.5))
        #expect(aligner.align(frame(55.5), with: back, hop: .seconds(0.25)).window.number == 2)
    }

    @Test("without any sound there is nothing to hear")
    func none() {
        var aligner = LiveAligner()
        #expect(aligner.align(frame(9), with: AudioTimeline(), hop: .seconds(1)).window.samples.isEmpty)
    }
}
