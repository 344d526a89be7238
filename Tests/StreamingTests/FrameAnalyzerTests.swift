// SPDX-License-Identifier: Apache-2.0
import Media
import Streaming
import Testing

@Suite("Frame analysis")
struct FrameAnalyzerTests {
    private let model = SyntheticSegmenter()

    @Test("objects get their pixels at the frame's size and proportions")
    func sized() throws {
        let analyzer = FrameAnalyzer(model)
        _ = try analyzer.analyze(frame(0, window: 0, amplitude: 0.9))
        let found = try analyzer.analyze(frame(1, window: 1, amplitude: 0.9))
        #expect(found.gate == .open)
        #expect(found.objects.map(\.className) == ["loud", "loud"])
        #expect(found.objects.map(\.id) == [1, 2])
        // The brighter half is the left one.
        #expect(found.objects[0].box == Box(x: 0, y: 0, width: 100, height: 90))
        #expect(found.objects[1].box == Box(x: 100, y: 0, width: 100, height: 90))
        #expect(found.labels.count { $0 == 1 } == found.objects[0].area)
        #expect(found.labels.count { $0 == 2 } == found.objects[1].area)
    }

    @Test("weights that give no numbers are an error, not a mask")
    func damaged() throws {
        model.scoreDefect = .nan
        #expect(throws: StreamError.self) {
            try FrameAnalyzer(model).analyze(frame(0, window: 0, amplitude: 0.9))
        }
        (model.scoreDefect, model.logitDefect) = (0, .infinity)
        #expect(throws: StreamError.self) {
            try FrameAnalyzer(model).analyze(frame(0, window: 0, amplitude: 0.9))
        }
    }

    @Test("in silence nothing is marked and the model does not run")
    func silent() throws {
        let analyzer = FrameAnalyzer(model)
        for number in 0..<3 {
            let found = try analyzer.analyze(frame(number, window: number, amplitude: 0))
            #expect(found.gate == .silent)
            #expect(found.objects.isEmpty && found.logits == nil)
            #expect(found.labels.allSatisfy { $0 == 0 })
        }
        #expect(model.heard == 0 && model.segmented == 0)
    }

    @Test("without sound nothing is marked, and logits still come when asked for")
    func absent() throws {
        let analyzer = FrameAnalyzer(model, alwaysRuns: true)
        let found = try analyzer.analyze(frame(0, window: 0, amplitude: nil))
        #expect(found.gate == .absent)
        #expect(found.objects.isEmpty)
        #expect(found.logits?.shape == [6, 56, 56])
    }

    @Test("work on sound is done once for each window")
    func latched() throws {
        model.sureness = 0.6
        let analyzer = FrameAnalyzer(model)
        for number in 0..<12 { _ = try analyzer.analyze(frame(number, window: number / 4, amplitude: 0.9)) }
        #expect(model.heard == 3)
        // Nothing can be shown on the last three frames of the first window.
        #expect(model.segmented == 9)
    }

    @Test("the model looks once per window at the slots that are active, and what it sees counts")
    func looks() throws {
        model.looks = { slots in slots.map { $0 == 0 ? [0, 0, 1] : [1, 0, 0] } }
        let analyzer = FrameAnalyzer(model)
        var found: FrameAnalysis?
        for number in 0..<12 {
            found = try analyzer.analyze(frame(number, window: number / 4, amplitude: 0.9))
        }
        // Slots 2 … 4 are silent; slot 1 sounds, but looks like nothing.
        #expect(model.looked == [[0, 1], [0, 1], [0, 1]])
        #expect(found?.objects.map(\.className) == ["quiet"])
        model.looks = { slots in slots.map { _ in [.nan, 0, 0] } }
        #expect(throws: StreamError.self) {
            try analyzer.analyze(frame(12, window: 3, amplitude: 0.9))
        }
    }

    @Test("nothing is looked at while nothing is heard")
    func looksAtNothing() throws {
        let analyzer = FrameAnalyzer(model, alwaysRuns: true)
        for number in 0..<3 { _ = try analyzer.analyze(frame(number, window: number, amplitude: 0)) }
        #expect(model.looked.isEmpty)
    }

    @Test("only slots that can be shown are decoded, and the same is shown as with all")
    func activeSlots() throws {
        let all = SyntheticSegmenter()
        (model.sureness, all.sureness) = (0.6, 0.6)
        var economy = Economy()
        economy.slots = .all
        let (analyzer, reference) = (FrameAnalyzer(model), FrameAnalyzer(all, economy: economy))
        for number in 0..<14 {
            // Loud, then quiet: after two windows these are other objects.
            let amplitude: Float = number < 6 ? 0.9 : 0.3
            let shown = try analyzer.analyze(frame(number, window: number / 2, amplitude: amplitude))
            let expected = try reference.analyze(frame(number, window: number / 2, amplitude: amplitude))
            #expect(shown.labels == expected.labels && shown.objects.map(\.id) == expected.objects.map(\.id))
            #expect(shown.objects.map(\.box) == expected.objects.map(\.box))
        }
        // The first window shows nothing yet, so that its second frame needs no model.
        #expect(model.asked.prefix(4) == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4], [0, 1], [0, 1, 2, 3, 4]])
        #expect(model.segmented == 13 && all.segmented == 14)
        #expect(all.asked.allSatisfy { $0 == [0, 1, 2, 3, 4] })
    }

    @Test("with memory, what may exist with the next window is decoded as well")
    func activeSlotsWithMemory() throws {
        model.remembers = true
        let analyzer = FrameAnalyzer(model)
        for number in 0..<3 { _ = try analyzer.analyze(frame(number, window: 0, amplitude: 0.9)) }
        #expect(model.asked == [[0, 1, 2, 3, 4], [0, 1], [0, 1]])
    }

    @Test("work on a window is spread over the frames until the next one, and serves from then on")
    func spreads() throws {
        (model.steps, model.sureness) = (10, 0.6)
        let analyzer = FrameAnalyzer(model, economy: spreading)
        // Five frames of 40 ms each share a window; the second is the first to be spread.
        var steps: [Int] = []
        var classes: [Set<String>] = []
        var ends: [MediaTime] = []
        for number in 0..<25 {
            let found = try analyzer.analyze(
                frame(number, window: number / 5, amplitude: number < 10 ? 0.9 : 0.3))
            steps.append(model.stepsDone)
            ends.append(found.windowEnd)
            classes.append(Set(found.objects.map(\.className)))
        }
        #expect(steps == [10, 10, 10, 10, 10] + Array(stride(from: 12, through: 50, by: 2)))
        // The first window at once, the others with the last frame before the next.
        let expected = [0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 10, 10, 10, 10, 10, 15, 15, 15, 15, 15, 20]
        #expect(ends == expected.map { .milliseconds(40 * Int64($0)) })
        #expect(classes[8].isEmpty && classes[9] == ["loud"] && classes[24] == ["quiet"])
    }

    @Test("silence and what follows it are not spread; what is late is finished with the next window")
    func spreadsNotAtFirst() throws {
        model.steps = 10
        let analyzer = FrameAnalyzer(model, economy: spreading)
        _ = try analyzer.analyze(frame(0, window: 0, amplitude: 0.9))
        #expect(model.stepsDone == 10)
        // Silence in the middle of spread work.
        _ = try analyzer.analyze(frame(5, window: 1, amplitude: 0.9))
        let silent = try analyzer.analyze(frame(6, window: 2, amplitude: 0))
        #expect(silent.gate == .silent && silent.windowEnd == .milliseconds(240))
        let before = model.stepsDone
        #expect(try analyzer.analyze(frame(7, window: 2, amplitude: 0)).gate == .silent)
        #expect(model.stepsDone == before)
        let again = try analyzer.analyze(frame(8, window: 3, amplitude: 0.9))
        #expect(
            again.gate == .open && model.stepsDone == before + 10 && again.windowEnd == .milliseconds(320))
        // The next one comes early, as after a jump in time.
        _ = try analyzer.analyze(frame(9, window: 4, amplitude: 0.9))
        #expect(try analyzer.analyze(frame(10, window: 5, amplitude: 0.9)).windowEnd == .milliseconds(360))
    }

    @Test(
        "where frames do not divide a hop, what is left of one window counts as work of the next one's first frame"
    )
    func spreadsOnwards() throws {
        model.steps = 18
        var economy = spreading
        // Four frames and a half: 4 steps of 18 each.
        economy.audioHop = .milliseconds(180)
        let analyzer = FrameAnalyzer(model, economy: economy)
        var done = [0]
        var ends: [MediaTime] = []
        for number in 0..<50 {
            let window = number * 40 / 180
            ends.append(try analyzer.analyze(frame(number, window: window, amplitude: 0.9)).windowEnd)
            done.append(model.stepsDone)
        }
        let each = zip(done.dropFirst(), done).map(-)
        // The first window is heard at once; none starts again before the fifth frame.
        #expect(each[0] == 18 && each[1...4].allSatisfy { $0 == 0 })
        #expect(each[5...].allSatisfy { 2...4 ~= $0 })
        // Each window is heard, in order.
        #expect(ends == ends.sorted() && Set(ends).count == 11)
    }

    private var spreading: Economy {
        var economy = Economy()
        (economy.audioHop, economy.spreads) = (.milliseconds(200), true)
        return economy
    }

    @Test("the gate closes at once and objects come back with their ids")
    func closes() throws {
        let analyzer = FrameAnalyzer(model)
        for number in 0..<2 { _ = try analyzer.analyze(frame(number, window: number, amplitude: 0.9)) }
        #expect(try analyzer.analyze(frame(2, window: 2, amplitude: 0)).objects.isEmpty)
        #expect(try analyzer.analyze(frame(3, window: 3, amplitude: 0.9)).objects.map(\.id) == [1, 2])
    }

    @Test("a frame of one pixel is analysed")
    func onePixel() throws {
        let analyzer = FrameAnalyzer(model)
        for number in 0..<2 {
            let found = try analyzer.analyze(
                frame(number, window: number, amplitude: 0.9, width: 1, height: 1))
            #expect(found.labels.count == 1)
        }
    }

    private func frame(
        _ number: Int, window: Int, amplitude: Float?, width: Int = 200, height: Int = 90
    ) -> AlignedFrame {
        let pixels = (0..<width * height).flatMap { index in
            [UInt8](repeating: index % width < width / 2 ? 200 : 50, count: 3)
        }
        let samples = amplitude.map { [Float](repeating: $0, count: 32_000) } ?? []
        return AlignedFrame(
            number: number,
            frame: VideoFrame(
                width: width, height: height, pts: .milliseconds(Int64(number) * 40), duration: nil,
                pixels: pixels),
            window: AudioWindow(number: window, samples: samples, end: .milliseconds(Int64(number) * 40)))
    }
}
