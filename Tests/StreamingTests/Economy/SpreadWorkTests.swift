// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import Testing

@testable import Streaming

@Suite("Work spread over frames")
struct SpreadWorkTests {
    /// Counts down to its result.
    private func countdown(_ steps: Int) -> Stepwise<String> {
        steps == 0 ? .done("done") : .next(left: Float(steps)) { countdown(steps - 1) }
    }

    @Test("each frame does its share, rounded up, and the last one gives the result")
    func shares() {
        var work = SpreadWork(countdown(10))
        var left: [Float] = []
        var results: [String?] = []
        for _ in 0..<4 {
            results.append(work.advance(by: 0.25))
            left.append(work.left)
        }
        #expect(left == [0.7, 0.5, 0.2, 0] && results == [nil, nil, nil, "done"])
        #expect(work.finish() == "done")
    }

    @Test("what is left may be done at once; without work the result is there at once")
    func finished() {
        var work = SpreadWork(countdown(10))
        #expect(work.advance(by: 0) == nil && work.left == 1)
        #expect(work.finish() == "done")
        var none = SpreadWork(countdown(0))
        #expect(none.left == 0 && none.advance(by: 0) == "done")
    }

    @Test("a frame's share goes by the time between frames on the whole: one that is late hardly changes it")
    func spacing() {
        var spacing = FrameSpacing()
        #expect(spacing.share(of: .milliseconds(200)) == 1)
        for number in 0..<50 { spacing.add(frameAt: .milliseconds(Int64(40 * number))) }
        #expect(abs(spacing.share(of: .milliseconds(200)) - 0.2) < 1e-5)
        #expect(spacing.share(of: .milliseconds(30)) == 1)
        spacing.add(frameAt: .milliseconds(2040))
        #expect(abs(spacing.share(of: .milliseconds(200)) - 0.225) < 1e-5)
        // Neither a jump back nor a gap is a time between frames.
        spacing.add(frameAt: .zero)
        spacing.add(frameAt: .seconds(60))
        #expect(abs(spacing.share(of: .milliseconds(200)) - 0.225) < 1e-5)
        for number in 1..<100 { spacing.add(frameAt: .seconds(60) + .milliseconds(Int64(20 * number))) }
        #expect(abs(spacing.share(of: .milliseconds(200)) - 0.1) < 1e-3)
    }
}
