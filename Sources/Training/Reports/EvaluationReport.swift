// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A page about an evaluation: scores, classes, a map of the embeddings, and frames with what was found in them. One
/// file that needs nothing else.
package struct EvaluationReport {
    private let result: EvaluationResult
    private let panels: [ReportPanel]
    private let points: [EmbeddingMap.Item]
    private let classes: [String]

    /// In units of the picture, which are pixels on a narrow phone.
    private static let mapSide = 360.0
    private static let margin = 12.0
    private static let colors = 12

    /// - Parameter classes: names by class index, for the map.
    package init(
        _ result: EvaluationResult, panels: [ReportPanel], points: [EmbeddingMap.Item], classes: [String]
    ) {
        (self.result, self.panels, self.points, self.classes) = (result, panels, points, classes)
    }

    /// Writes the page; the file has its name only when it is complete.
    package func write(to path: String) throws {
        let page = Data(try html().utf8)
        do { try page.write(to: URL(fileURLWithPath: path), options: .atomic) } catch {
            throw RunFileError(path, "cannot be written: \(error.localizedDescription)")
        }
    }

    package func html() throws -> String {
        let title = escaped("\(result.model.name) on \(result.data.name)")
        let pictures = try panels.map { try $0.html() }.joined()
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>\(title)</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <style>\(reportStyle)\(Self.style)</style></head><body><main>
            <h1>\(title)</h1>
            \(metricTable)\(classBars)\(map)\
            \(pictures.isEmpty ? "" : "<h2>Frames</h2>\n" + pictures)\(settingsTable)</main></body></html>

            """
    }

    // MARK: Tables

    private var metricTable: String {
        let rows = result.metrics.sorted { $0.key < $1.key }.map {
            "<tr><th>\(escaped($0.key))</th><td>\(shortNumber($0.value))</td></tr>\n"
        }
        return """
            <h2>Scores</h2><div class="wide"><table><tbody>
            \(rows.joined())</tbody></table></div>

            """
    }

    private var settingsTable: String {
        var rows = [
            ("data", result.data.name), ("clips", "\(result.data.clips)"),
            ("frames", "\(result.data.frames)"),
            ("data SHA-256", result.data.sha256), ("model", result.model.name),
            ("weights SHA-256", result.model.sha256 ?? "made up"), ("audio", result.audio.rawValue),
        ]
        rows += result.settings.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        let lines = rows.map { "<tr><th>\(escaped($0.0))</th><td>\(escaped($0.1))</td></tr>\n" }
        return """
            <h2>Settings</h2><div class="wide"><table class="settings"><tbody>
            \(lines.joined())</tbody></table></div>

            """
    }

    private var classBars: String {
        let seen = result.classes.filter { $0.frames > 0 }
        guard seen.count > 1 else { return "" }
        let rows = seen.sorted { $0.overlap > $1.overlap }.map { item in
            """
            <tr><th>\(escaped(item.name))</th><td class="bar"><i style="width:\(Int(item.overlap.rounded()))%"></i></td>\
            <td>\(shortNumber(item.overlap))</td><td>\(shortNumber(item.fMeasure))</td><td>\(item.frames)</td></tr>

            """
        }
        return """
            <h2>Classes</h2><div class="wide"><table><thead><tr><th>class</th><th>IoU, %</th><th></th><th>F</th>\
            <th>frames</th></tr></thead><tbody>
            \(rows.joined())</tbody></table></div>

            """
    }

    // MARK: The map

    private var map: String {
        guard points.count > 3 else { return "" }
        let positions = EmbeddingMap(points.map(\.values)).positions
        let reach = positions.reduce(1e-9) { max($0, abs($1.x), abs($1.y)) }
        let scale = (Self.mapSide / 2 - Self.margin) / reach
        let marks = zip(points, positions).map { item, place in
            Self.mark(item, Self.mapSide / 2 + scale * place.x, Self.mapSide / 2 + scale * place.y)
        }
        let labels = Set(points.map(\.label)).sorted()
        let legend = labels.map { label in
            let name = classes.indices.contains(label) ? classes[label] : "\(label)"
            return "<span><i style=\"background:\(Self.color(label))\"></i>\(escaped(name))</span>"
        }
        return """
            <h2>Embeddings of what was found</h2>
            <figure class="map"><svg viewBox="0 0 \(Int(Self.mapSide)) \(Int(Self.mapSide))" role="img" \
            aria-label="map of embeddings">\(marks.joined())</svg>
            <div class="legend">\(legend.joined(separator: " "))</div>
            <figcaption>t-SNE; circles: sound, triangles: looks; colours: what is really there</figcaption></figure>

            """
    }

    private static func mark(_ item: EmbeddingMap.Item, _ x: Double, _ y: Double) -> String {
        func text(_ value: Double) -> String { "\((10 * value).rounded() / 10)" }
        let fill = color(item.label)
        return switch item.kind {
        case .audio: "<circle cx=\"\(text(x))\" cy=\"\(text(y))\" r=\"2.6\" fill=\"\(fill)\"/>"
        case .image:
            """
            <path d="M\(text(x)) \(text(y - 3.6))l3.4 6h-6.8z" fill="none" stroke="\(fill)"/>
            """
        }
    }

    /// Hues far apart for neighbouring classes.
    private static func color(_ label: Int) -> String {
        "hsl(\((label * 5 % colors) * 360 / colors) 65% \(label / colors % 2 == 0 ? 48 : 66)%)"
    }

    private static let style = """
        .map{max-width:640px}
        .bar{width:240px;min-width:120px}
        .bar i{display:block;height:.8em;background:var(--c0);border-radius:2px}
        """
}
