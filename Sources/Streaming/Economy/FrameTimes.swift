// SPDX-License-Identifier: Apache-2.0
package import Media

/// How long the newest frames took.
package struct FrameTimes: Sendable {
    /// Frames kept.
    private static let limit = 4096

    private var seconds: [Double] = []
    private var next = 0

    package init() {}

    mutating func add(_ time: MediaTime) {
        if seconds.count < Self.limit { seconds.append(time.seconds) } else { seconds[next] = time.seconds }
        next = (next + 1) % Self.limit
    }

    /// The time that a share of the frames, 0…1, took at most; nil without frames.
    package func quantile(_ share: Double) -> MediaTime? {
        let sorted = seconds.sorted()
        guard !sorted.isEmpty else { return nil }
        return MediaTime(seconds: sorted[Int((Double(sorted.count - 1) * share).rounded())])
    }
}
