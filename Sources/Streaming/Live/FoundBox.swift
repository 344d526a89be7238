// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// The newest analysis of a stream, and a way to wait for it.
final class FoundBox: @unchecked Sendable {  // all state is guarded by `condition`
    private let condition = NSCondition()
    private var newest: FrameAnalysis?
    private var isClosed = false

    func put(_ analysis: FrameAnalysis?) {
        condition.lock()
        newest = analysis
        condition.broadcast()
        condition.unlock()
    }

    /// The newest analysis, once it is of `time` or later, or at `deadline` on `MediaClock` at the latest.
    func newest(for time: MediaTime, until deadline: MediaTime) -> FrameAnalysis? {
        condition.lock()
        defer { condition.unlock() }
        while !isClosed, newest.map({ $0.time < time }) ?? true {
            let left = deadline - MediaClock.now
            guard left > .zero, condition.wait(until: Date(timeIntervalSinceNow: left.seconds)) else { break }
        }
        return newest
    }

    func close() {
        condition.lock()
        isClosed = true
        condition.broadcast()
        condition.unlock()
    }
}
