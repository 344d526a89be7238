// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The log of a run: JSON Lines, one object for each start, step and evaluation, in the order of steps.
package final class TrainingLog {
    private let file: AppendFile

    /// Begins or goes on with a log.
    ///
    /// - Parameter step: steps done so far, 0 for a new run. What an interrupted run wrote about later ones is cut off,
    ///   as is a line that it did not finish.
    package init(path: String, resumingAfter step: Int) throws(RunFileError) {
        let known = FileManager.default.fileExists(atPath: path) ? try Self.bytes(path) : Data()
        file = try AppendFile(path: path, keep: step == 0 ? 0 : Self.end(of: known, through: step))
    }

    /// Writes a line; it is with the system when this returns.
    package func append(_ entry: LogEntry) throws(RunFileError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let line = try? encoder.encode(entry) else {
            preconditionFailure("TrainingLog: an entry has no JSON")
        }
        try file.append(Array(line) + [Self.newline])
    }

    /// All entries of a log. A line that is none is passed over: a crash may have cut it.
    package static func read(path: String) throws(RunFileError) -> [LogEntry] {
        try bytes(path).split(separator: newline).compactMap(entry)
    }

    private static let newline = UInt8(ascii: "\n")

    private static func bytes(_ path: String) throws(RunFileError) -> Data {
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path), options: .mappedIfSafe)
        } catch {
            throw RunFileError(path, "cannot be read: \(error.localizedDescription)")
        }
    }

    private static func entry(_ line: Data) -> LogEntry? {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        return try? decoder.decode(LogEntry.self, from: line)
    }

    /// Where the whole lines up to a step end.
    private static func end(of log: Data, through step: Int) -> Int {
        var end = log.startIndex
        while let next = log[end...].firstIndex(of: newline) {
            if let entry = entry(log[end..<next]), entry.step > step { break }
            end = next + 1
        }
        return end - log.startIndex
    }
}
