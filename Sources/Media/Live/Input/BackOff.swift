// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next try: longer each time up to a limit, and never in step with others.
package struct BackOff: Sendable, Equatable {
    package var first = MediaTime.milliseconds(500)
    package var longest = MediaTime.seconds(3)
    /// Share by which a wait may be longer or shorter.
    package var jitter = 0.25

    package init() {}

    /// - Parameter failures: in a row, from 1.
    package func wait(after failures: Int) -> MediaTime {
        let doubled = first.seconds * Double(1 << min(max(0, failures - 1), 16))
        return .seconds(min(longest.seconds, doubled) * Double.random(in: 1 - jitter...1 + jitter))
    }
}
