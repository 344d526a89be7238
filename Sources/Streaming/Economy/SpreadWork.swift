// SPDX-License-Identifier: Apache-2.0
package import Media
package import Models

/// Work that is spread evenly over the frames of a span of time, so that none of them takes much longer than the others.
package struct SpreadWork<Result> {
    private var steps: Stepwise<Result>
    private let total: Float
    private let start, span: MediaTime

    /// - Parameter start: time of the first frame that works on it.
    package init(_ steps: Stepwise<Result>, from start: MediaTime, over span: MediaTime) {
        (self.steps, self.start, self.span) = (steps, start, span)
        total = steps.left
    }

    /// Does a frame's share; all that is left where time has jumped.
    ///
    /// - Parameter spacing: from the frame before, and as may be expected to the next one.
    /// - Returns: the result, once there is one: with the last frame of the span.
    package mutating func advance(at time: MediaTime, spacing: MediaTime) -> Result? {
        let share = time < start ? 1 : (time - start + spacing).seconds / span.seconds
        // Times of frames are rounded: a last step is not left for that.
        steps.advance(toLeave: share > 0.999 ? 0 : total * Float(1 - share))
        return steps.result
    }

    /// Does all that is left.
    package mutating func finish() -> Result { steps.finished() }
}
