// SPDX-License-Identifier: Apache-2.0
import Yams

/// What a value in a file may be, and how it is read. YAML's own guesses at types are not used: a word is true, a
/// number or text by what is asked for, and `yes`, `0x10` or `.inf` are neither.
package struct YAMLType<Value> {
    /// For messages, e.g. "a whole number of at least 1".
    var expected: String
    /// Stands in for a value that cannot be had; the problem that is thrown afterwards keeps it from being used.
    var placeholder: Value
    /// Nil for what is not such a value.
    var parse: (Node.Scalar) -> Value?
    /// As the file would say it.
    var text: (Value) -> String
    /// All there are, where they are few.
    var names: [String] = []
}

extension YAMLType where Value == String {
    /// Any text but none. Numbers count as text.
    package static var string: YAMLType {
        YAMLType(expected: "text", placeholder: "", parse: { $0.isNothing ? nil : $0.string }, text: { $0 })
    }

    /// Text of a certain form.
    ///
    /// - Parameter expected: what it is, for messages, e.g. "a name of letters and digits".
    package static func text(_ expected: String, where isAllowed: @escaping (String) -> Bool) -> YAMLType {
        YAMLType(
            expected: expected, placeholder: "",
            parse: { $0.isNothing || !isAllowed($0.string) ? nil : $0.string }, text: { $0 })
    }
}

extension YAMLType where Value == Bool {
    /// `true` or `false`, unquoted.
    package static var bool: YAMLType {
        YAMLType(
            expected: "true or false", placeholder: false,
            parse: { scalar in scalar.isPlain ? Bool(scalar.string) : nil }, text: { "\($0)" })
    }
}

extension YAMLType where Value == Int {
    /// A decimal whole number.
    package static func int(_ range: ClosedRange<Int>, multipleOf factor: Int = 1) -> YAMLType {
        let kind = factor == 1 ? "a whole number" : "a multiple of \(factor)"
        let bounds =
            range.upperBound == .max
            ? "of at least \(range.lowerBound)" : "from \(range.lowerBound) to \(range.upperBound)"
        return YAMLType(
            expected: "\(kind) \(bounds)", placeholder: range.lowerBound,
            parse: { scalar in
                guard scalar.isPlain, let value = Int(scalar.string) else { return nil }
                return range.contains(value) && value.isMultiple(of: factor) ? value : nil
            }, text: { "\($0)" })
    }
}

extension YAMLType where Value == Float {
    /// A finite decimal number.
    package static func number(_ range: ClosedRange<Float>) -> YAMLType {
        number("from \(shortest(range.lowerBound)) to \(shortest(range.upperBound))") { range.contains($0) }
    }

    package static func number(_ range: Range<Float>) -> YAMLType {
        number("of at least \(shortest(range.lowerBound)) and below \(shortest(range.upperBound))") {
            range.contains($0)
        }
    }

    package static func positiveNumber(upTo limit: Float) -> YAMLType {
        number("above 0 and at most \(shortest(limit))") { $0 > 0 && $0 <= limit }
    }

    private static func number(_ bounds: String, _ isAllowed: @escaping (Float) -> Bool) -> YAMLType {
        YAMLType(
            expected: "a number \(bounds)", placeholder: 0,
            parse: { scalar in
                let isDecimal = scalar.string.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) }
                guard scalar.isPlain, isDecimal, let value = Float(scalar.string) else { return nil }
                return value.isFinite && isAllowed(value) ? value : nil
            }, text: shortest)
    }

    private static func shortest(_ value: Float) -> String {
        value == value.rounded() && abs(value) < 1e9 ? "\(Int(value))" : "\(value)"
    }
}

extension YAMLType where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of the names of an enumeration.
    package static func choice(_ type: Value.Type = Value.self) -> YAMLType {
        let cases = Array(Value.allCases), names = cases.map(\.rawValue)
        precondition(!cases.isEmpty, "choice: \(Value.self) has no cases")
        return YAMLType(
            expected: oneOf(names), placeholder: cases[0], parse: { Value(rawValue: $0.string) },
            text: { $0.rawValue }, names: names)
    }
}

/// "a", "a or b", "one of a, b, c".
func oneOf(_ names: [String]) -> String {
    names.count < 3 ? names.joined(separator: " or ") : "one of \(names.joined(separator: ", "))"
}

extension Node.Scalar {
    /// Written without quotes.
    var isPlain: Bool { style == .plain || style == .any }
    /// YAML's null.
    var isNothing: Bool { isPlain ? ["", "~", "null"].contains(string) : string.isEmpty }
}
