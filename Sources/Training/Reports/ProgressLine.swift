// SPDX-License-Identifier: Apache-2.0

/// What a run says about its progress while it runs: a bar on a terminal, otherwise a line every now and then.
///
/// It makes text and knows when some is due; who calls prints it.
package struct ProgressLine {
    /// A step as it is shown.
    package struct Moment: Sendable {
        package var step: Int
        package var loss: Float
        package var terms: [(name: String, value: Float)]
        package var frames: Int

        package init(step: Int, loss: Float, terms: [(name: String, value: Float)], frames: Int) {
            (self.step, self.loss, self.terms, self.frames) = (step, loss, terms, frames)
        }

        package init(_ report: StepReport) {
            self.init(step: report.step, loss: report.loss, terms: report.terms, frames: report.frames)
        }
    }

    private static let barCells = 20
    private static let barInterval = Duration.milliseconds(100)
    private static let lineInterval = Duration.seconds(30)
    /// Steps that the speed is measured over.
    private static let window = 50

    private let steps: Int
    /// Columns of the terminal; nil without one.
    private let columns: Int?
    private var recent: [(time: Duration, step: Int, frames: Int)]
    private var shown: Duration?

    /// - Parameters:
    ///   - steps: of the whole run.
    ///   - done: steps done before.
    ///   - columns: width of the terminal, nil without one.
    package init(steps: Int, done: Int = 0, columns: Int?) {
        (self.steps, self.columns) = (steps, columns)
        recent = [(.zero, done, 0)]
    }

    /// Takes note of a step.
    ///
    /// - Parameter time: since this value was made.
    /// - Returns: text to print as it is, or nil where it is too early for more.
    package mutating func show(_ moment: Moment, at time: Duration) -> String? {
        recent.append((time, moment.step, moment.frames + (recent.last?.frames ?? 0)))
        if recent.count > Self.window + 1 { recent.removeFirst() }
        let interval = columns == nil ? Self.lineInterval : Self.barInterval
        if let shown, time - shown < interval, moment.step < steps { return nil }
        shown = time
        let text = text(moment)
        guard let columns else { return text + "\n" }
        // A bar is drawn over the one before; what is left of that is erased. A line that wraps could not be redrawn.
        return "\r" + (bar(moment.step) + text).prefix(max(1, columns - 1)) + "\u{1b}[K"
    }

    /// Leaves the line of the bar.
    package var end: String { columns == nil || shown == nil ? "" : "\n" }

    private func text(_ moment: Moment) -> String {
        var parts = ["step \(moment.step) of \(steps)"]
        if let speed {
            parts.append("\(Self.decimal(speed.steps, 2)) it/s, \(Self.decimal(speed.frames, 1)) frames/s")
            let left = Double(max(0, steps - moment.step)) / speed.steps
            if left > 0 { parts.append("\(Self.clock(left)) left") }
        }
        let terms = moment.terms.map { "\($0.name) \(Self.decimal(Double($0.value), 3))" }
        parts.append("loss \(Self.decimal(Double(moment.loss), 4))")
        return parts.joined(separator: ", ") + (terms.isEmpty ? "" : " (\(terms.joined(separator: " ")))")
    }

    private func bar(_ step: Int) -> String {
        let full = min(Self.barCells, Self.barCells * step / max(1, steps))
        return "[" + String(repeating: "#", count: full)
            + String(repeating: "-", count: Self.barCells - full) + "] "
    }

    /// Steps and frames per second of late.
    private var speed: (steps: Double, frames: Double)? {
        guard let first = recent.first, let last = recent.last else { return nil }
        let seconds = (last.time - first.time) / .seconds(1)
        guard seconds > 0, last.step > first.step else { return nil }
        return (Double(last.step - first.step) / seconds, Double(last.frames - first.frames) / seconds)
    }

    static func decimal(_ value: Double, _ places: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        let unit = (0..<places).reduce(1) { product, _ in product * 10 }
        let whole = Int((abs(value) * Double(unit)).rounded())
        let sign = value < 0 && whole > 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(whole)" }
        let rest = String(whole % unit)
        let zeros = String(repeating: "0", count: places - rest.count)
        return "\(sign)\(whole / unit).\(zeros)\(rest)"
    }

    /// "0:07", "12:30", "3:05:00", "2 d 4 h".
    static func clock(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e9).rounded(.up))
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        if whole >= 86_400 { return "\(whole / 86_400) d \(whole % 86_400 / 3600) h" }
        let minutes = whole / 60
        if minutes < 60 { return "\(minutes):\(two(whole % 60))" }
        return "\(minutes / 60):\(two(minutes % 60)):\(two(whole % 60))"
    }
}
