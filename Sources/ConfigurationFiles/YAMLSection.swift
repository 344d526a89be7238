// SPDX-License-Identifier: Apache-2.0
import Yams

/// A value in force after a file was read, given there or by default.
package struct YAMLSetting: Codable, Sendable, Equatable {
    /// Path of keys.
    package var key: String
    package var value: String

    package init(_ key: String, _ value: String) { (self.key, self.value) = (key, value) }
}

/// What is found while a file is read; shared by all its sections.
final class YAMLReading {
    var problems: [ConfigurationError.Problem] = []
    var settings: [YAMLSetting] = []
    var sections: [YAMLSection] = []
}

/// Keys and values of one level of a file.
///
/// It remembers what was asked for, so that keys nobody asked for can be named. A getter that finds something wrong
/// notes it and hands out a placeholder; `StrictYAML.read` throws all notes together at the end.
package final class YAMLSection {
    /// Path of keys from the top of the file; empty there.
    package let path: String
    private let line: Int?
    private let reading: YAMLReading
    private var entries: [String: (line: Int?, value: Node)] = [:]
    private var asked: [String] = []
    /// Set where it is not known which keys belong here; missing and unknown ones are then not named.
    private var isUnclear: Bool

    init(_ mapping: Node.Mapping?, path: String, line: Int?, _ reading: YAMLReading, isUnclear: Bool = false)
    {
        (self.path, self.line, self.reading, self.isUnclear) = (path, line, reading, isUnclear)
        if let mapping { add(mapping) }
        reading.sections.append(self)
    }

    private func add(_ mapping: Node.Mapping) {
        for (key, value) in mapping {
            guard let name = key.scalar?.string else {
                note("", key.mark?.line, expected: "a name before the colon", found: key.inWords)
                continue
            }
            // The parser takes 1 and "1" for two keys.
            if has(name) { note(name, key.mark?.line, expected: "each key once", found: "it more than once") }
            entries[name] = (key.mark?.line, value)
        }
    }

    // MARK: Values

    /// A value; without a default it must be there.
    package func value<Value>(_ key: String, _ type: YAMLType<Value>, default fallback: Value? = nil) -> Value
    {
        guard let value = optional(key, type) else {
            // A wrong value was noted when it was read.
            guard !has(key) else { return type.placeholder }
            guard let fallback else {
                noteMissing(key, expected: type.expected)
                return type.placeholder
            }
            record(key, type.text(fallback))
            return fallback
        }
        return value
    }

    /// A value that may be left out.
    package func optional<Value>(_ key: String, _ type: YAMLType<Value>) -> Value? {
        guard let node = node(key) else { return nil }
        let value = read(node, at: key, type)
        if let value { record(key, type.text(value)) }
        return value
    }

    /// A choice that decides which other keys belong here: if it is wrong, they are not judged.
    package func kind<Value>(_ key: String, _ type: YAMLType<Value>, default fallback: Value? = nil) -> Value
    {
        let before = reading.problems.count
        let value = value(key, type, default: fallback)
        if reading.problems.count > before { isUnclear = true }
        return value
    }

    /// A list of values, on one line or several.
    package func list<Value>(
        _ key: String, _ type: YAMLType<Value>, count: ClosedRange<Int> = 0...10_000,
        default fallback: [Value]? = nil
    ) -> [Value] {
        guard let items = items(key, of: "values", count: count, isRequired: fallback == nil) else {
            let values = fallback ?? []
            if !has(key) { record(key, values, type) }
            return values
        }
        let values = items.enumerated().compactMap { read($1, at: "\(key)[\($0)]", type) }
        record(key, values, type)
        return values
    }

    // MARK: Sections

    /// The keys below a key. One that may be left out, and is, is empty; so is one with nothing but comments below it.
    package func section(_ key: String, isRequired: Bool = false) -> YAMLSection {
        guard let node = node(key), isRequired || node.scalar?.isNothing != true else {
            if isRequired { noteMissing(key, expected: "a section of keys") }
            return YAMLSection(nil, path: full(key), line: line, reading, isUnclear: isRequired)
        }
        return section(node, at: key)
    }

    /// A list of sections. Without `isRequired` it may be left out.
    package func sections(_ key: String, count: ClosedRange<Int>, isRequired: Bool = true) -> [YAMLSection] {
        let items = items(key, of: "sections", count: count, isRequired: isRequired) ?? []
        return items.enumerated().map { section($1, at: "\(key)[\($0)]") }
    }

    private func section(_ node: Node, at key: String) -> YAMLSection {
        if node.mapping == nil {
            note(key, node.mark?.line, expected: "a section of keys", found: node.inWords)
        }
        return YAMLSection(
            node.mapping, path: full(key), line: node.mark?.line, reading, isUnclear: node.mapping == nil)
    }

    // MARK: Keys

    package func has(_ key: String) -> Bool { entries[key] != nil }

    /// Whether a list follows the key.
    package func holdsList(_ key: String) -> Bool { entries[key]?.value.sequence != nil }

    /// Notes what only the caller can see to be wrong.
    package func fail(_ key: String, expected: String, found: String) {
        // A value that could not be read is not judged further: another one stands in its place.
        guard !reading.problems.contains(where: { $0.key == full(key) }) else { return }
        note(key, entries[key]?.line ?? line, expected: expected, found: found)
    }

    /// Notes each key that nobody asked for.
    func noteUnknownKeys() {
        guard !isUnclear else { return }
        for (key, entry) in entries.sorted(by: { $0.key < $1.key }) where !asked.contains(key) {
            let meant = nearestName(to: key, among: asked).map { "; did you mean \($0)?" } ?? ""
            note(key, entry.line, expected: oneOf(asked), found: "an unknown key\(meant)")
        }
    }

    private func node(_ key: String) -> Node? {
        if !asked.contains(key) { asked.append(key) }
        return entries[key]?.value
    }

    private func full(_ key: String) -> String { path.isEmpty || key.isEmpty ? path + key : "\(path).\(key)" }

    // MARK: Reading

    /// Nil, and noted, where the value is not of the type.
    private func read<Value>(_ node: Node, at key: String, _ type: YAMLType<Value>) -> Value? {
        if let value = node.scalar.flatMap(type.parse) { return value }
        let meant = node.scalar.flatMap { nearestName(to: $0.string, among: type.names) }
        note(
            key, node.mark?.line, expected: type.expected,
            found: node.inWords + (meant.map { "; did you mean \($0)?" } ?? ""))
        return nil
    }

    private func items(_ key: String, of what: String, count: ClosedRange<Int>, isRequired: Bool) -> [Node]? {
        guard let node = node(key) else {
            if isRequired { noteMissing(key, expected: "a list of \(what)") }
            return nil
        }
        guard let sequence = node.sequence else {
            note(key, node.mark?.line, expected: "a list of \(what)", found: node.inWords)
            return nil
        }
        let items = Array(sequence)
        if !count.contains(items.count) {
            let bounds =
                count.lowerBound == count.upperBound
                ? "\(count.lowerBound)" : "\(count.lowerBound) to \(count.upperBound)"
            note(key, node.mark?.line, expected: "\(bounds) \(what)", found: "\(items.count)")
        }
        return items
    }

    private func noteMissing(_ key: String, expected: String) {
        if !isUnclear { note(key, line, expected: expected, found: "nothing: the key is missing") }
    }

    private func note(_ key: String, _ line: Int?, expected: String, found: String) {
        reading.problems.append(.init(line: line, key: full(key), expected: expected, found: found))
    }

    private func record<Value>(_ key: String, _ values: [Value], _ type: YAMLType<Value>) {
        record(key, values.isEmpty ? "[]" : values.map(type.text).joined(separator: ", "))
    }

    private func record(_ key: String, _ value: String) { reading.settings.append(.init(full(key), value)) }
}

extension Node {
    /// What it is, for messages; long text is cut.
    fileprivate var inWords: String {
        switch self {
        case .scalar(let scalar):
            if scalar.isNothing { return "nothing" }
            let text = scalar.string.split(whereSeparator: \.isNewline).joined(separator: " ")
            return "\"\(text.count > 40 ? text.prefix(39) + "…" : text)\""
        case .mapping: return "a section of keys"
        case .sequence: return "a list"
        case .alias: return "an alias"
        }
    }
}
