// SPDX-License-Identifier: Apache-2.0
import Streaming

/// Metrics in the text format 0.0.4 of Prometheus.
enum PrometheusText {
    static let mediaType = "text/plain; version=0.0.4; charset=utf-8"

    /// Families without samples are left out.
    static func text(of families: [MetricFamily]) -> String {
        families.filter { !$0.samples.isEmpty }.map(text).joined()
    }

    private static func text(of family: MetricFamily) -> String {
        var text = "# HELP \(family.name) \(escapedHelp(family.help))\n"
        text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
        for sample in family.samples {
            text += "\(family.name)\(sample.suffix)\(labels(sample.labels)) \(number(sample.value))\n"
        }
        return text
    }

    private static func labels(_ labels: [(name: String, value: String)]) -> String {
        if labels.isEmpty { return "" }
        return "{" + labels.map { "\($0.name)=\"\(escapedLabel($0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func escapedHelp(_ text: String) -> String { escaped(text, andQuotes: false) }
    private static func escapedLabel(_ text: String) -> String { escaped(text, andQuotes: true) }

    private static func escaped(_ text: String, andQuotes: Bool) -> String {
        var result = ""
        // By scalars: "\r\n" would be one character.
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where andQuotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: value).map { "\($0)" } ?? "\(value)"
    }
}
