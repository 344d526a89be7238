// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Names of what a stream writes as time goes on: `STREAM-YYYYmmdd-HHMMSS` in UTC, with `_1`, `_2`, … where that is
/// taken. By name they are in the order of time.
package enum StampedName {
    package static func text(_ stream: String, at date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return stream
            + String(
                format: "-%04d%02d%02d-%02d%02d%02d", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                parts.tm_hour, parts.tm_min, parts.tm_sec)
    }

    /// What is stamped this far ahead of now was written while the clock was wrong.
    private static let tolerance = 60.0

    /// Names of a stream in the order of time. Those of a wrong clock, which lie ahead of now, count as the oldest: what is
    /// written now must never make room for them.
    package static func ordered(_ names: some Sequence<String>, of stream: String, at now: Date) -> [String] {
        let limit = text(stream, at: now + tolerance)
        return names.sorted { ($0 > limit ? 0 : 1, $0) < ($1 > limit ? 0 : 1, $1) }
    }

    /// - Parameter name: without the extension.
    package static func isOne(_ name: some StringProtocol, of stream: String) -> Bool {
        guard name.hasPrefix("\(stream)-") else { return false }
        let stamp = name.dropFirst(stream.count + 1)
        let parts = stamp.split(omittingEmptySubsequences: false) { "-_".contains($0) }
        let areNumbers = parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isASCII && $0.isNumber } }
        return areNumbers && (2...3).contains(parts.count) && parts[0].count == 8 && parts[1].count == 6
    }
}
