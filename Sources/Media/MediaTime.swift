// SPDX-License-Identifier: Apache-2.0

/// A time or a length of time on a stream, in nanoseconds. Sums saturate instead of trapping, because
/// timestamps come from files.
package struct MediaTime: Comparable, Hashable, Sendable, CustomStringConvertible {
    package var nanoseconds: Int64

    package static let zero = MediaTime(nanoseconds: 0)

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// The nearest nanosecond. Not a number becomes zero; what does not fit becomes the largest time.
    package init(seconds: Double) {
        let scaled = (seconds * 1e9).rounded()
        nanoseconds = scaled.isNaN ? 0 : Int64(exactly: scaled) ?? (scaled < 0 ? .min : .max)
    }

    package static func seconds(_ seconds: Double) -> MediaTime { MediaTime(seconds: seconds) }
    package static func milliseconds(_ count: Int64) -> MediaTime {
        let (product, overflow) = count.multipliedReportingOverflow(by: 1_000_000)
        return MediaTime(nanoseconds: overflow ? (count < 0 ? .min : .max) : product)
    }

    package var seconds: Double { Double(nanoseconds) / 1e9 }
    package var milliseconds: Double { Double(nanoseconds) / 1e6 }

    package static func < (a: MediaTime, b: MediaTime) -> Bool { a.nanoseconds < b.nanoseconds }

    package static func + (a: MediaTime, b: MediaTime) -> MediaTime {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return MediaTime(nanoseconds: overflow ? (b.nanoseconds < 0 ? .min : .max) : sum)
    }

    package static func - (a: MediaTime, b: MediaTime) -> MediaTime {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.nanoseconds)
        return MediaTime(nanoseconds: overflow ? (b.nanoseconds > 0 ? .min : .max) : difference)
    }

    package static func += (a: inout MediaTime, b: MediaTime) { a = a + b }
    package static func -= (a: inout MediaTime, b: MediaTime) { a = a - b }

    /// `h:mm:ss.mmm`, rounded towards zero.
    package var description: String {
        let total = nanoseconds.magnitude / 1_000_000
        let sign = nanoseconds < 0 ? "-" : ""
        let minutesAndSeconds = "\(padded(total / 60_000 % 60, 2)):\(padded(total / 1000 % 60, 2))"
        return "\(sign)\(total / 3_600_000):\(minutesAndSeconds).\(padded(total % 1000, 3))"
    }
}

private func padded(_ number: UInt64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension MediaTime {
    /// A `GstClockTime`: all ones means that there is none.
    init?(clockTime: UInt) {
        guard let value = Int64(exactly: clockTime) else { return nil }
        nanoseconds = value
    }

    /// For GStreamer, which counts from zero. GLib's 64-bit integers arrive as `Int` and `UInt`.
    var clockTime: UInt { UInt(max(0, nanoseconds)) }
}
