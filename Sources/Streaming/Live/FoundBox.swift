// SPDX-License-Identifier: Apache-2.0
import Media

/// The newest analysis of a stream, and a way to wait for it.
final class FoundBox: Sendable {
    private struct State: Sendable {
        var newest: FrameAnalysis?
        var isClosed = false
    }

    private let state = Monitor(State())

    func put(_ analysis: FrameAnalysis?) { state.change { $0.newest = analysis } }

    /// The newest analysis, once it is of `time` or later, or at `deadline` on `MediaClock` at the latest.
    func newest(for time: MediaTime, until deadline: MediaTime) -> FrameAnalysis? {
        var newest: FrameAnalysis?
        let _: Void? = state.wait(for: deadline - MediaClock.now) { state in
            newest = state.newest
            return state.isClosed || newest.map { $0.time >= time } ?? false ? () : nil
        }
        return newest
    }

    func close() { state.change { $0.isClosed = true } }
}
