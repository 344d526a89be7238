// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

@Suite("Progress of a training run")
struct ProgressLineTests {
    private func moment(_ step: Int) -> ProgressLine.Moment {
        .init(step: step, loss: 1.23456, terms: [("scene", 0.5), ("object", 2)], frames: 8)
    }

    @Test("a bar is drawn over the one before, at most ten times a second")
    func bar() {
        var line = ProgressLine(steps: 100, columns: 200)
        let first = line.show(moment(1), at: .milliseconds(500))
        #expect(
            first
                == "\r[--------------------] step 1 of 100, 2.00 it/s, 16.0 frames/s, 0:50 left, "
                + "loss 1.2346 (scene 0.500 object 2.000)\u{1b}[K")
        #expect(line.show(moment(2), at: .milliseconds(550)) == nil)
        #expect(
            line.show(moment(50), at: .milliseconds(700))?.hasPrefix("\r[##########----------] step 50")
                == true)
        #expect(line.end == "\n")
    }

    @Test("without a terminal a plain line comes every half minute, and after the last step")
    func plain() {
        var line = ProgressLine(steps: 60, done: 50, columns: nil)
        #expect(
            line.show(moment(51), at: .seconds(2))
                == "step 51 of 60, 0.50 it/s, 4.0 frames/s, 0:18 left, loss 1.2346 (scene 0.500 object 2.000)\n"
        )
        #expect(line.show(moment(52), at: .seconds(31)) == nil)
        #expect(line.show(moment(53), at: .seconds(32))?.hasPrefix("step 53 of 60") == true)
        #expect(line.show(moment(60), at: .seconds(33))?.contains("left") == false)
        #expect(line.end.isEmpty)
    }

    @Test("a bar never wraps")
    func narrow() {
        var line = ProgressLine(steps: 100, columns: 30)
        let text = line.show(moment(1), at: .seconds(1)) ?? ""
        #expect(text == "\r[--------------------] step 1\u{1b}[K")
    }

    @Test("the speed is that of the last fifty steps")
    func speed() {
        var line = ProgressLine(steps: 1000, columns: 120)
        // One step a second at first, ten a second afterwards.
        for step in 1...20 { _ = line.show(moment(step), at: .seconds(step)) }
        var text: String?
        for step in 21...120 {
            text = line.show(moment(step), at: .seconds(20) + .milliseconds(100 * (step - 20)))
        }
        #expect(text?.contains("10.00 it/s, 80.0 frames/s, 1:28 left") == true)
    }

    @Test(
        "times are told in the largest units they need",
        arguments: [
            (0.2, "0:01"), (59, "0:59"), (60, "1:00"), (3599.5, "1:00:00"), (11_100, "3:05:00"),
            (187_300, "2 d 4 h"),
        ])
    func clock(seconds: Double, text: String) { #expect(ProgressLine.clock(seconds) == text) }

    @Test(
        "numbers are rounded to the places asked for",
        arguments: [
            (1.23456, 4, "1.2346"), (0.05, 3, "0.050"), (-0.5, 1, "-0.5"), (-0.001, 2, "0.00"),
            (9.999, 2, "10.00"), (.nan, 2, "nan"), (1234.6, 0, "1235"),
        ])
    func decimal(value: Double, places: Int, text: String) {
        #expect(ProgressLine.decimal(value, places) == text)
    }
}
