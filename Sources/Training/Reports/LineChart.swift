// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Curves over the steps of a run, as an SVG picture whose colours come from the page.
struct LineChart {
    struct Series {
        /// Empty where the chart has only one.
        var name = ""
        var points: [(step: Int, value: Double)]
        /// Whether a running mean is drawn over the points, which step back.
        var isNoisy = false
    }

    var title: String
    var series: [Series]

    /// In units of the picture, which are pixels on a narrow phone.
    private static let width = 360.0, height = 190.0
    private static let left = 46.0, right = 350.0, top = 10.0, bottom = 164.0
    /// Curves hold no more points than can be told apart.
    private static let maxPoints = 300
    private static let colors = 6

    /// A figure; empty where there is nothing to draw.
    var html: String {
        let curves = series.map {
            Series(name: $0.name, points: Self.thinned($0.points), isNoisy: $0.isNoisy)
        }
        let all = curves.flatMap(\.points)
        guard let last = series.first(where: { !$0.points.isEmpty })?.points.last, !all.isEmpty else {
            return ""
        }
        let xs = Axis(all.map { Double($0.step) }, includesZero: false, isWhole: true)
        let ys = Axis(all.map(\.value), includesZero: true, isWhole: false)
        let lines = curves.enumerated().map { Self.lines($1, color: $0 % Self.colors, xs, ys) }.joined()
        let now = series.count == 1 ? " <b>\(shortNumber(last.value))</b>" : ""
        return """
            <figure><figcaption>\(escaped(title))\(now)</figcaption>
            <svg viewBox="0 0 \(Int(Self.width)) \(Int(Self.height))" role="img" aria-label="\(escaped(title))">
            \(Self.grid(xs, ys))\(lines)</svg>\(legend)</figure>

            """
    }

    private var legend: String {
        guard series.count > 1 else { return "" }
        let entries = series.enumerated().map { i, one in
            let value = one.points.last.map { " \(shortNumber($0.value))" } ?? ""
            return "<span><i class=\"k\(i % Self.colors)\"></i>\(escaped(one.name))\(value)</span>"
        }
        return "<div class=\"legend\">\(entries.joined(separator: " "))</div>"
    }

    // MARK: Points

    /// Means of neighbours, as many as can be shown, without what is no number.
    private static func thinned(_ points: [(step: Int, value: Double)]) -> [(step: Int, value: Double)] {
        let finite = points.filter(\.value.isFinite)
        guard finite.count > maxPoints else { return finite }
        return (0..<maxPoints).map { i in
            let range = i * finite.count / maxPoints..<(i + 1) * finite.count / maxPoints
            let mean = finite[range].reduce(0) { $0 + $1.value } / Double(range.count)
            return (finite[range.upperBound - 1].step, mean)
        }
    }

    /// Each value's mean with its neighbours on both sides.
    private static func smoothed(_ points: [(step: Int, value: Double)]) -> [(step: Int, value: Double)] {
        let reach = max(1, points.count / 30)
        return points.indices.map { i in
            let side = min(reach, i, points.count - 1 - i)
            let near = points[i - side...i + side]
            return (points[i].step, near.reduce(0) { $0 + $1.value } / Double(near.count))
        }
    }

    // MARK: Drawing

    private static func lines(_ one: Series, color: Int, _ xs: Axis, _ ys: Axis) -> String {
        if one.isNoisy {
            return path(one.points, "c\(color) faint", xs, ys)
                + path(smoothed(one.points), "c\(color)", xs, ys)
        }
        // A curve of few points shows them.
        let dots =
            one.points.count > 40
            ? [] : one.points.map { "<circle cx=\"\(x($0.step, xs))\" cy=\"\(y($0.value, ys))\" r=\"2\"/>" }
        return path(one.points, "c\(color)", xs, ys) + "<g class=\"d\(color)\">\(dots.joined())</g>"
    }

    private static func path(
        _ points: [(step: Int, value: Double)], _ style: String, _ xs: Axis, _ ys: Axis
    ) -> String {
        let corners = points.map { "\(x($0.step, xs)),\(y($0.value, ys))" }
        return "<polyline class=\"\(style)\" points=\"\(corners.joined(separator: " "))\"/>"
    }

    private static func grid(_ xs: Axis, _ ys: Axis) -> String {
        let rows = ys.ticks.map { tick in
            let at = y(tick, ys)
            return "<line x1=\"\(left)\" x2=\"\(right)\" y1=\"\(at)\" y2=\"\(at)\"/>"
                + "<text x=\"\(left - 5)\" y=\"\(at)\" dy=\"4\" text-anchor=\"end\">\(shortNumber(tick))</text>"
        }
        let columns = xs.ticks.map { tick in
            "<text x=\"\(x(Int(tick), xs))\" y=\"\(bottom + 17)\" text-anchor=\"middle\">\(shortNumber(tick))</text>"
        }
        return "<g class=\"grid\">\((rows + columns).joined())</g>"
    }

    private static func x(_ step: Int, _ axis: Axis) -> Double {
        tenth(left + axis.share(Double(step)) * (right - left))
    }

    private static func y(_ value: Double, _ axis: Axis) -> Double {
        tenth(bottom - axis.share(value) * (bottom - top))
    }

    private static func tenth(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}

/// A range of values and round numbers in it.
struct Axis {
    let low, high: Double
    let ticks: [Double]

    /// - Parameters:
    ///   - values: finite, at least one.
    ///   - includesZero: begins at 0 where all values are above it.
    ///   - isWhole: has ticks at whole numbers only.
    init(_ values: [Double], includesZero: Bool, isWhole: Bool) {
        var low = values.min() ?? 0, high = values.max() ?? 1
        if includesZero, low > 0 { low = 0 }
        if high - low <= abs(high) * 1e-9 { high = low + max(1, abs(low) * 0.1) }
        (self.low, self.high) = (low, high)
        let spacing = Self.round((high - low) / 4, isWhole: isWhole)
        let first = (low / spacing).rounded(.up), last = (high / spacing).rounded(.down)
        ticks = first > last ? [] : stride(from: first, through: last, by: 1).map { $0 * spacing }
    }

    /// 0 at the low end, 1 at the high one.
    func share(_ value: Double) -> Double { (value - low) / (high - low) }

    /// The next of 1, 2, 2.5, 5, 10, … times a power of ten.
    private static func round(_ value: Double, isWhole: Bool) -> Double {
        let power = max(isWhole ? 1 : 0, pow(10, log10(value).rounded(.down)))
        let steps: [Double] = isWhole && power == 1 ? [1, 2, 5] : [1, 2, 2.5, 5]
        return steps.lazy.map { $0 * power }.first { $0 >= value } ?? 10 * power
    }
}

/// Three figures or so: "0.0123", "4.56", "12k", "3.2e-5".
func shortNumber(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    let size = abs(value)
    if size == 0 { return "0" }
    if size >= 1e6 || size < 1e-3 { return scientific(value) }
    if size >= 1000, size == size.rounded() {
        return Int(value).isMultiple(of: 1000) ? "\(Int(value) / 1000)k" : "\(Int(value))"
    }
    let places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4
    var text = ProgressLine.decimal(value, places)
    while text.contains("."), let last = text.last, last == "0" || last == "." {
        text.removeLast()
        if last == "." { break }
    }
    return text
}

private func scientific(_ value: Double) -> String {
    let size = abs(value)
    var exponent = Int(log10(size).rounded(.down))
    var digits = (size / pow(10, Double(exponent)) * 100).rounded() / 100
    if digits >= 10 { (digits, exponent) = (digits / 10, exponent + 1) }
    return "\(value < 0 ? "-" : "")\(shortNumber(digits))e\(exponent)"
}
