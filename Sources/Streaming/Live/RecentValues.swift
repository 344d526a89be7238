// SPDX-License-Identifier: Apache-2.0
import Media

/// Values of the last seconds, at most so many.
struct RecentValues: Sendable {
    private let length: MediaTime
    private let limit: Int
    private var values: [(time: MediaTime, value: Double)] = []

    init(_ length: MediaTime, limit: Int = 2048) { (self.length, self.limit) = (length, limit) }

    mutating func add(_ value: Double, at now: MediaTime) {
        values.append((now, value))
        // Cut rarely: each cut moves everything.
        guard values.count > 2 * limit else { return }
        values.removeFirst(values.count - limit)
    }

    /// Values per second.
    func rate(at now: MediaTime) -> Double {
        let recent = recent(at: now)
        guard let first = recent.first else { return 0 }
        // A meter that has just begun has not seen its whole length.
        let seen = values.first.map { now - $0.time >= length } ?? false ? length : now - first.time
        return Double(recent.count) / max(seen.seconds, 0.5)
    }

    /// The value below which a share (0…1) of them lies; nil without any.
    func quantile(_ share: Double, at now: MediaTime) -> Double? {
        let sorted = recent(at: now).map(\.value).sorted()
        return sorted.isEmpty ? nil : sorted[Int((Double(sorted.count - 1) * share).rounded())]
    }

    private func recent(at now: MediaTime) -> ArraySlice<(time: MediaTime, value: Double)> {
        let start = values.firstIndex { now - $0.time < length } ?? values.endIndex
        return values[start...].suffix(limit)
    }
}
