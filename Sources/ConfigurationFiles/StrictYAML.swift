// SPDX-License-Identifier: Apache-2.0
import Foundation
import Yams

/// Reads configuration files: YAML of one document whose every key must be known and every value as expected.
///
/// What is wrong is gathered and thrown at once, with the lines. Size and depth are bounded. Aliases (`*name`) are
/// refused: a few of them can stand for more than any memory holds.
package enum StrictYAML {
    static let maxBytes = 1 << 20
    static let maxDepth = 32

    /// Reads a file.
    ///
    /// - Parameter body: asks the top level for all it knows.
    /// - Returns: what `body` made of it, and each value in force.
    package static func read<Value>(file path: String, _ body: (YAMLSection) -> Value)
        throws(ConfigurationError) -> (value: Value, settings: [YAMLSetting])
    {
        try read(text(of: path), file: path, body)
    }

    /// Reads text; `file` is its name in messages.
    package static func read<Value>(_ text: String, file: String, _ body: (YAMLSection) -> Value)
        throws(ConfigurationError) -> (value: Value, settings: [YAMLSetting])
    {
        let reading = YAMLReading()
        // Sections know what they are read into, which knows them.
        defer { reading.sections = [] }
        let value = body(try top(of: text, file: file, reading))
        for section in reading.sections { section.noteUnknownKeys() }
        if !reading.problems.isEmpty { throw ConfigurationError(file: file, problems: reading.problems) }
        return (value, reading.settings)
    }

    private static func text(of path: String) throws(ConfigurationError) -> String {
        func failure(_ expected: String, _ found: String) -> ConfigurationError {
            ConfigurationError(file: path, problems: [.init(line: nil, expected: expected, found: found)])
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue else {
            throw failure("a file", isFolder.boolValue ? "a folder" : "nothing under this name")
        }
        guard let handle = FileHandle(forReadingAtPath: path),
            let data = try? handle.read(upToCount: maxBytes + 1) ?? Data()
        else { throw failure("a file", "one that cannot be read") }
        guard data.count <= maxBytes else { throw failure("at most \(maxBytes) bytes", "more") }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw failure("UTF-8 text", "other bytes")
        }
        return text
    }

    private static func top(of text: String, file: String, _ reading: YAMLReading) throws(ConfigurationError)
        -> YAMLSection
    {
        func failure(_ problem: ConfigurationError.Problem) -> ConfigurationError {
            ConfigurationError(file: file, problems: [problem])
        }
        if let alias = firstAlias(in: text) { throw failure(alias) }
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch { throw failure(problem(for: error)) }
        if let node, let deep = firstTooDeep(node) { throw failure(deep) }
        guard let mapping = node?.mapping else {
            let found = node == nil ? "nothing" : node?.sequence == nil ? "a single value" : "a list"
            throw failure(.init(line: node?.mark?.line, expected: "keys and values", found: found))
        }
        return YAMLSection(mapping, path: "", line: mapping.mark?.line, reading)
    }

    // MARK: Bounds

    /// The first `*name` for which there is an `&name`, before the parser sees it. Looks into comments and quotes as
    /// well, so nothing can hide there.
    private static func firstAlias(in text: String) -> ConfigurationError.Problem? {
        let anchors = Set(words(after: UInt8(ascii: "&"), in: text).map(\.name))
        guard
            let alias = words(after: UInt8(ascii: "*"), in: text).first(where: { anchors.contains($0.name) })
        else { return nil }
        return .init(
            line: alias.line, expected: "values written out", found: "the alias *\(alias.name.prefix(40))")
    }

    /// Names that follow a sign which does not itself follow a letter, and their lines.
    private static func words(after sign: UInt8, in text: String) -> [(name: Substring, line: Int)] {
        func isNameByte(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        let bytes = text.utf8
        var found: [(Substring, Int)] = []
        var line = 1, previous: UInt8 = 0, at = bytes.startIndex
        while at < bytes.endIndex {
            let byte = bytes[at], next = bytes.index(after: at)
            if byte == UInt8(ascii: "\n") { line += 1 }
            if byte == sign, !isNameByte(previous) || previous == UInt8(ascii: "-") {
                let end = bytes[next...].firstIndex { !isNameByte($0) } ?? bytes.endIndex
                if end > next { found.append((text[next..<end], line)) }
            }
            (previous, at) = (byte, next)
        }
        return found
    }

    private static func firstTooDeep(_ root: Node) -> ConfigurationError.Problem? {
        var open: [(node: Node, depth: Int)] = [(root, 1)]
        while let (node, depth) = open.popLast() {
            if depth > maxDepth {
                return .init(
                    line: node.mark?.line, expected: "at most \(maxDepth) levels", found: "a deeper one")
            }
            switch node {
            case .mapping(let mapping):
                for (key, value) in mapping { open += [(key, depth + 1), (value, depth + 1)] }
            case .sequence(let sequence): open += sequence.map { ($0, depth + 1) }
            case .scalar, .alias: continue
            }
        }
        return nil
    }

    // MARK: Syntax

    private static func problem(for error: any Error) -> ConfigurationError.Problem {
        let expected = "valid YAML"
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let found = [context?.text, problem].compactMap(\.self).filter { !$0.isEmpty }
            return .init(line: mark.line, expected: expected, found: "\"\(found.joined(separator: ", "))\"")
        case .reader(let problem, let offset, _, let text):
            let line = offset.map { 1 + text.prefix($0).count(where: \.isNewline) }
            return .init(line: line, expected: expected, found: "\"\(problem)\"")
        case .duplicatedKeysInMapping(let names, let context):
            return .init(
                line: context.mark.line, key: names.first ?? "", expected: "each key once",
                found: "it more than once")
        default: return .init(line: nil, expected: expected, found: "\(error)")
        }
    }
}
