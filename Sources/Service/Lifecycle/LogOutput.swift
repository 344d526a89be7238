// SPDX-License-Identifier: Apache-2.0
import CSystemd
import Foundation
import Glibc
import Logging

/// Where log lines go: to the journal, field by field, where systemd connects the error output to it; otherwise to the
/// error output, as text or JSON.
package enum LogOutput {
    package static func start(_ settings: DaemonConfig.Logging) {
        let level = Logger.Level(rawValue: settings.level.rawValue) ?? .info
        let isJournal = isConnectedToJournal(ProcessInfo.processInfo.environment)
        LoggingSystem.bootstrap { label in
            var handler: any LogHandler =
                isJournal
                ? JournalLogHandler(label: label)
                : LineLogHandler(label: label, format: settings.format)
            handler.logLevel = level
            return handler
        }
    }

    /// `JOURNAL_STREAM` names device and inode of what the journal reads.
    static func isConnectedToJournal(_ environment: [String: String]) -> Bool {
        guard let named = environment["JOURNAL_STREAM"] else { return false }
        var info = stat()
        return fstat(STDERR_FILENO, &info) == 0 && named == "\(info.st_dev):\(info.st_ino)"
    }
}

extension Logger.Metadata {
    /// Sorted by name; values in words.
    fileprivate var pairs: [(name: String, value: String)] {
        map { ($0.key, "\($0.value)") }.sorted { $0.0 < $1.0 }
    }
}

/// One entry of the journal for each message, its metadata as fields: `journalctl STREAM=door`.
struct JournalLogHandler: LogHandler {
    let label: String
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let (level, message) = (event.level, event.message)
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }.pairs
        let words = pairs.map { "\($0.name)=\($0.value)" }
        var fields = [
            "MESSAGE=" + ([message.description] + words).joined(separator: " "),
            "PRIORITY=\(Self.priority(level))", "SYSLOG_IDENTIFIER=tavisd", "LOGGER=\(label)",
        ]
        fields += pairs.map { "\(Self.fieldName($0.name))=\($0.value)" }
        Self.send(fields)
    }

    private static func send(_ fields: [String]) {
        let bytes = fields.map { Array($0.utf8) }
        let buffers = bytes.map { field -> iovec in
            let copy = UnsafeMutableRawPointer.allocate(byteCount: max(1, field.count), alignment: 1)
            field.withUnsafeBytes {
                if let base = $0.baseAddress { copy.copyMemory(from: base, byteCount: $0.count) }
            }
            return iovec(iov_base: copy, iov_len: field.count)
        }
        defer { for buffer in buffers { buffer.iov_base?.deallocate() } }
        _ = buffers.withUnsafeBufferPointer { sd_journal_sendv($0.baseAddress, Int32($0.count)) }
    }

    /// The journal takes capital letters, digits and underscores.
    static func fieldName(_ name: String) -> String {
        String(
            name.uppercased().unicodeScalars.map { scalar in
                ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) ? Character(scalar) : "_"
            })
    }

    /// Of syslog.
    static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

/// One line on the error output for each message.
struct LineLogHandler: LogHandler {
    let label: String
    let format: DaemonConfig.Logging.Format
    var logLevel = Logger.Level.info
    var metadata = Logger.Metadata()

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let (level, message) = (event.level, event.message)
        let pairs = metadata.merging(event.metadata ?? [:]) { $1 }.pairs
        let time = Date().ISO8601Format(.iso8601(timeZone: .gmt, includingFractionalSeconds: true))
        let text =
            format == .json
            ? Self.json(time, level, label, message.description, pairs)
            : Self.text(time, level, message.description, pairs)
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    static func text(
        _ time: String, _ level: Logger.Level, _ message: String, _ pairs: [(name: String, value: String)]
    ) -> String {
        let words = pairs.map { "\($0.name)=\(quoted($0.value))" }
        return ([time, level.rawValue, oneLine(message)] + words).joined(separator: " ")
    }

    static func json(
        _ time: String, _ level: Logger.Level, _ label: String, _ message: String,
        _ pairs: [(name: String, value: String)]
    ) -> String {
        var object = ["time": time, "level": level.rawValue, "logger": label, "message": message]
        for (name, value) in pairs where object[name] == nil { object[name] = value }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(object)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    private static func quoted(_ text: String) -> String {
        text.contains { $0.isWhitespace || $0 == "\"" }
            ? "\"\(oneLine(text).replacing("\"", with: "'"))\"" : text
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
