// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A page about a run, made from its log: one file that needs nothing else, for wide and narrow, light and dark screens.
package struct TrainingReport {
    private let starts: [LogEntry.Start]
    private let steps: [LogEntry.Step]
    private let evaluations: [LogEntry.Evaluation]
    private let panels: [ReportPanel]

    package init(_ log: [LogEntry], panels: [ReportPanel] = []) {
        starts = log.compactMap { if case .start(let entry) = $0 { entry } else { nil } }
        steps = log.compactMap { if case .step(let entry) = $0 { entry } else { nil } }
        evaluations = log.compactMap { if case .evaluation(let entry) = $0 { entry } else { nil } }
        self.panels = panels
    }

    /// Writes the page; the file has its name only when it is complete.
    package func write(to path: String) throws {
        let page = Data(try html().utf8)
        do { try page.write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw RunFileError(path, "cannot be written: \(error.localizedDescription)")
        }
    }

    package func html() throws -> String {
        let title = escaped(starts.last?.name ?? "training run")
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title)</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <style>\(reportStyle)</style></head><body><main>
            <h1>\(title)</h1>
            <p>\(summary)</p>
            \(group("Scores", metricCharts))\(metricTable)\
            \(group("Losses", lossCharts))\(group("Course", courseCharts))\
            \(try panelSection())\(settingsTable)</main></body></html>

            """
    }

    // MARK: Text

    private var summary: String {
        guard let last = steps.last else { return "No step done yet." }
        var parts = ["\(last.step) steps", "loss \(shortNumber(Double(last.loss)))"]
        if let first = starts.first {
            parts.append("begun \(Self.date(first.time))")
            parts.append("last step \(Self.date(last.time))")
        }
        if starts.count > 1 {
            let taken = starts.dropFirst().map { "\($0.step)" }
            parts.append("taken up again after step \(taken.joined(separator: ", "))")
        }
        return parts.map(escaped).joined(separator: " · ")
    }

    private static func date(_ seconds: Double) -> String {
        Date(timeIntervalSince1970: seconds).formatted(.iso8601)
    }

    private func group(_ title: String, _ charts: [LineChart]) -> String {
        let figures = charts.map(\.html).joined()
        return figures.isEmpty ? "" : "<h2>\(title)</h2>\n<div class=\"charts\">\(figures)</div>\n"
    }

    private func panelSection() throws -> String {
        panels.isEmpty ? "" : "<h2>Predictions</h2>\n" + (try panels.map { try $0.html() }.joined())
    }

    // MARK: Curves

    private var lossCharts: [LineChart] {
        let names = Set(steps.flatMap(\.terms.keys)).sorted()
        let total = LineChart(
            title: "loss", series: [.init(points: steps.map { ($0.step, Double($0.loss)) }, isNoisy: true)])
        return [total]
            + names.map { name in
                let points = steps.compactMap { step in step.terms[name].map { (step.step, Double($0)) } }
                return LineChart(title: name, series: [.init(points: points, isNoisy: true)])
            }
    }

    private var courseCharts: [LineChart] {
        func chart(_ title: String, isNoisy: Bool, _ value: (LogEntry.Step) -> Double) -> LineChart {
            LineChart(
                title: title, series: [.init(points: steps.map { ($0.step, value($0)) }, isNoisy: isNoisy)])
        }
        return [
            chart("learning rate", isNoisy: false) { Double($0.rate) },
            chart("gradient norm", isNoisy: true) { Double($0.gradientNorm) },
            chart("frames per second", isNoisy: true) { $0.framesPerSecond },
        ]
    }

    private var dataNames: [String] { Set(evaluations.map(\.data)).sorted() }
    private var metricNames: [String] { Set(evaluations.flatMap(\.metrics.keys)).sorted() }

    /// One chart for each metric, with a curve for each of the data it was measured on.
    private var metricCharts: [LineChart] {
        metricNames.map { metric in
            LineChart(
                title: metric,
                series: dataNames.map { .init(name: $0, points: points(metric, on: $0)) }
                    .filter { !$0.points.isEmpty })
        }
    }

    private func points(_ metric: String, on data: String) -> [(step: Int, value: Double)] {
        evaluations.filter { $0.data == data }.compactMap { entry in
            entry.metrics[metric].map { (entry.step, $0) }
        }
    }

    // MARK: Tables

    private var metricTable: String {
        let rows = dataNames.flatMap { data in
            metricNames.compactMap { metric -> String? in
                let points = points(metric, on: data).filter(\.value.isFinite)
                guard let last = points.last, let most = points.max(by: { $0.value < $1.value }),
                    let least = points.min(by: { $0.value < $1.value })
                else { return nil }
                let cells = [last, most, least].map {
                    "<td>\(shortNumber($0.value)) <small>\($0.step)</small></td>"
                }
                return "<tr><th>\(escaped(data))</th><th>\(escaped(metric))</th>\(cells.joined())</tr>\n"
            }
        }
        guard !rows.isEmpty else { return "" }
        return """
            <div class="wide"><table><thead><tr><th>data</th><th>metric</th><th>last</th><th>largest</th>\
            <th>smallest</th></tr></thead><tbody>
            \(rows.joined())</tbody></table></div>
            <p><small>Small figures are steps.</small></p>

            """
    }

    private var settingsTable: String {
        guard let start = starts.last else { return "" }
        let rows = start.settings.map {
            "<tr><th>\(escaped($0.key))</th><td>\(escaped($0.value))</td></tr>\n"
        }
        return """
            <h2>Settings</h2>
            <div class="wide"><table class="settings"><tbody>
            \(rows.joined())</tbody></table></div>

            """
    }
}

/// Text that is safe in HTML, in attributes too.
func escaped(_ text: String) -> String {
    text.reduce(into: "") { result, character in
        switch character {
        case "&": result += "&amp;"
        case "<": result += "&lt;"
        case ">": result += "&gt;"
        case "\"": result += "&quot;"
        default: result.append(character)
        }
    }
}

/// What all pages look like.
let reportStyle = """
    :root{--bg:#fcfcfb;--ink:#1d1d1b;--soft:#6b6b66;--line:#e3e3de;--c0:#2062c4;--c1:#c4541a;--c2:#2a8a4a;\
    --c3:#8a3fb0;--c4:#a8860c;--c5:#0f8c95}
    @media(prefers-color-scheme:dark){:root{--bg:#161615;--ink:#eaeae6;--soft:#9d9d96;--line:#34342f;--c0:#76a9f5;\
    --c1:#f09a66;--c2:#6fce8c;--c3:#c894ea;--c4:#e0c04a;--c5:#5dccd4}}
    *{box-sizing:border-box}
    body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.45 system-ui,sans-serif}
    main{max-width:1180px;margin:0 auto;padding:12px 16px 48px}
    h1{font-size:1.5rem;margin:.6em 0 .2em;overflow-wrap:anywhere}
    h2{font-size:1.15rem;margin:1.6em 0 .5em}
    h3{font-size:.95rem;font-weight:600;margin:0 0 .4em;overflow-wrap:anywhere}
    p,small,figcaption{color:var(--soft)}
    .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr));gap:14px 20px}
    figure{margin:0;min-width:0}
    figcaption{font-size:.875rem}
    figcaption b{color:var(--ink)}
    svg{display:block;width:100%;height:auto}
    svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
    .grid line{stroke:var(--line)}
    polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}
    .faint{stroke-width:1;opacity:.35}
    .c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}
    .d0{fill:var(--c0)}.d1{fill:var(--c1)}.d2{fill:var(--c2)}.d3{fill:var(--c3)}.d4{fill:var(--c4)}.d5{fill:var(--c5)}
    .k0{background:var(--c0)}.k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}.k4{background:var(--c4)}.k5{background:var(--c5)}
    .legend{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.8rem;color:var(--soft)}
    .legend i{display:inline-block;width:14px;height:3px;margin-right:5px;vertical-align:middle}
    .panel{margin:0 0 18px}
    .row{display:grid;grid-template-columns:repeat(auto-fit,minmax(120px,1fr));gap:6px;max-width:1040px}
    img{display:block;width:100%;height:auto;border-radius:3px}
    .wide{overflow-x:auto}
    table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
    th,td{text-align:left;padding:4px 14px 4px 0;border-bottom:1px solid var(--line);vertical-align:top}
    th{font-weight:500}
    thead th{color:var(--soft)}
    .settings th{color:var(--soft);white-space:nowrap}
    .settings td{overflow-wrap:anywhere}
    """
