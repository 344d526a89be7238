// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

@testable import Training

@Suite("Report of a training run")
struct TrainingReportTests {
    /// A run of some steps, taken up once.
    static func log(steps: Int) -> [LogEntry] {
        var log: [LogEntry] = [
            .start(
                .init(
                    step: 0, time: 1_700_000_000, name: "a <b> & \"c\"", seed: 3,
                    settings: [.init("batch", "8")]))
        ]
        for step in stride(from: 1, through: steps, by: 1) {
            let wave = Float(step * 7919 % 101) / 101 - 0.5
            let level = 2 / (1 + Float(step) / 200)
            log.append(
                .step(
                    .init(
                        step: step, time: 1_700_000_000 + Double(step), rate: 1e-3 / Float(step),
                        loss: level + wave * 0.3,
                        terms: ["scene": level / 2, "object": level / 3 + wave * 0.1],
                        gradientNorm: 3 + wave, framesPerSecond: 40 + Double(wave))))
            if step % 100 == 0 {
                for (data, factor) in [("easy", 0.8), ("hard", 0.5)] {
                    let score = factor * (1 - exp(-Double(step) / 300))
                    log.append(
                        .evaluation(
                            .init(step: step, time: 0, data: data, metrics: ["M_J": score, "M_F": score])))
                }
            }
        }
        return log
    }

    @Test("curves, scores and settings are on the page, and nothing is fetched")
    func page() throws {
        let page = try TrainingReport(Self.log(steps: 400)).html()
        for title in [
            "loss", "scene", "object", "learning rate", "gradient norm", "frames per second", "M_J", "M_F",
        ] {
            #expect(page.contains("aria-label=\"\(title)\""))
        }
        #expect(page.contains("<tr><th>batch</th><td>8</td></tr>"))
        #expect(page.contains("<tr><th>hard</th><th>M_J</th>") && page.contains("0.368 <small>400</small>"))
        #expect(page.contains("prefers-color-scheme:dark") && page.contains("width=device-width"))
        #expect(!page.contains("http") && !page.contains("<script") && !page.contains("nan"))
    }

    @Test("names from outside are text on the page, not markup")
    func escaping() throws {
        let page = try TrainingReport(Self.log(steps: 1)).html()
        #expect(page.contains("<h1>a &lt;b&gt; &amp; &quot;c&quot;</h1>") && !page.contains("<b> &"))
    }

    @Test("an empty log makes a page")
    func empty() throws {
        let page = try TrainingReport([]).html()
        #expect(page.contains("No step done yet.") && !page.contains("<svg"))
    }

    @Test("a long run makes no longer curves")
    func long() throws {
        let page = try TrainingReport(Self.log(steps: 20_000)).html()
        #expect(page.utf8.count < 300_000)
    }

    @Test("values that are no numbers leave gaps")
    func gaps() {
        let points = [(1, 1.0), (2, .nan), (3, .infinity), (4, 2.0)].map { (step: $0.0, value: $0.1) }
        let chart = LineChart(title: "t", series: [.init(points: points)]).html
        #expect(chart.contains("points=\"46.0,87.0 350.0,10.0\""))
        #expect(LineChart(title: "t", series: [.init(points: [(1, .nan)])]).html.isEmpty)
    }

    @Test("predictions are in the page as pictures")
    func panels() throws {
        let frame = RGBImage(width: 3, height: 3, pixels: Array(repeating: 100, count: 27))
        let panel = ReportPanel(
            title: "clip <1>", frame: frame, prediction: Array(repeating: 1, count: 9),
            truth: Array(repeating: 0, count: 9))
        let page = try TrainingReport([], panels: [panel]).html()
        let images = page.split(separator: "base64,").dropFirst().compactMap { part in
            Data(base64Encoded: String(part.prefix { $0 != "\"" }))
        }
        let pixels = try images.map { try PNGReader.decode(Array($0)).rgb }
        #expect(pixels.count == 3 && pixels[0] == frame.pixels && pixels[2] == frame.pixels)
        // 45 % of the frame's 100 and 55 % of pure red.
        #expect(Array(pixels[1].prefix(3)) == [185, 45, 45])
        #expect(page.contains("clip &lt;1&gt;"))
        #expect(panel.strip.width == 9 && panel.strip.height == 3)
        let rows = (0..<3).map { row in (0..<3).flatMap { pixels[$0][9 * row..<9 * row + 9] } }
        #expect(panel.strip.pixels == rows.flatMap(\.self))
    }

    @Test("classes are outlined")
    func outlines() {
        let frame = RGBImage(width: 4, height: 3, pixels: Array(repeating: 0, count: 36))
        let marked = ReportPanel.marked(frame, classes: [0, 2, 2, 2, 0, 2, 2, 2, 0, 2, 2, 2])
        func pixel(_ i: Int) -> [UInt8] { Array(marked.pixels[3 * i..<3 * i + 3]) }
        #expect(pixel(0) == [0, 0, 0] && pixel(1) == [140, 140, 140] && pixel(2) == [0, 140, 0])
    }

    @Test("the page is written whole, or an error names the file")
    func write() throws {
        try withReportFolder { folder in
            let report = TrainingReport(Self.log(steps: 10))
            try report.write(to: "\(folder)/r.html")
            #expect(try String(contentsOfFile: "\(folder)/r.html", encoding: .utf8) == report.html())
            #expect(throws: RunFileError.self) { try report.write(to: "\(folder)/none/r.html") }
        }
    }

    @Test(
        "axes have a few round ticks",
        arguments: [
            ([0.2, 0.9], [0, 0.25, 0.5, 0.75]), ([-1, 1], [-1, -0.5, 0, 0.5, 1]), ([3, 3], [0, 1, 2, 3]),
            ([0, 0], [0, 0.25, 0.5, 0.75, 1]),
            ([12, 4300], [0, 2000, 4000]),
        ] as [([Double], [Double])])
    func ticks(values: [Double], ticks: [Double]) {
        let found = Axis(values, includesZero: true, isWhole: false).ticks
        #expect(
            found.count == ticks.count && zip(found, ticks).allSatisfy { abs($0 - $1) < 1e-6 }, "\(found)")
    }

    @Test(
        "numbers are short",
        arguments: [
            (0, "0"), (0.5, "0.5"), (0.01234, "0.0123"), (2, "2"), (2.346, "2.35"), (45.67, "45.7"),
            (100, "100"),
            (1000, "1k"), (12_500, "12500"), (20_000, "20k"), (3.2e-5, "3.2e-5"), (-0.25, "-0.25"),
            (2e9, "2e9"),
            (1234.6, "1235"), (9.9999e-5, "1e-4"), (-4e-9, "-4e-9"),
        ] as [(Double, String)])
    func numbers(value: Double, text: String) { #expect(shortNumber(value) == text) }
}
