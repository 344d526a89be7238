// SPDX-License-Identifier: Apache-2.0
package import Media
package import Models

/// Work that is spread evenly over the frames of a span of time, so that none of them takes much longer than the others.
package struct SpreadWork<Result> {
    private var steps: Stepwise<Result>
    private let total: Float
    /// Times of frames are rounded: so small a share is not worth a step.
    private static var smallestShare: Float { 1e-4 }
    /// Share of the work that the frames so far were given.
    private var given: Float = 0

    package init(_ steps: Stepwise<Result>) {
        self.steps = steps
        total = steps.left
    }

    /// Share of the work that is not done yet, 0…1.
    package var left: Float { total > 0 ? steps.left / total : 0 }

    /// Does a frame's share.
    ///
    /// - Returns: the result, once there is one.
    package mutating func advance(by share: Float) -> Result? {
        given += share
        steps.advance(toLeave: total * (1 - given + Self.smallestShare))
        return steps.result
    }

    /// Does all that is left.
    package mutating func finish() -> Result { steps.finished() }
}

/// The time from frame to frame as it is on the whole. Shares of work are made by it: by the newest frame's own time, one
/// that is late would bring more work to the next, which then would be late itself.
package struct FrameSpacing {
    /// The newest time counts this share of the mean.
    private static let newestShare = 0.125
    /// Longer times are gaps.
    private static let longest = MediaTime.seconds(2)

    private var last: MediaTime?
    private var seconds: Double?

    package init() {}

    package mutating func add(frameAt time: MediaTime) {
        defer { last = time }
        guard let last, time > last, time - last <= Self.longest else { return }
        let newest = (time - last).seconds
        seconds = seconds.map { $0 + Self.newestShare * (newest - $0) } ?? newest
    }

    /// A frame's share of what is spread over a span of time, 0…1.
    package func share(of span: MediaTime) -> Float {
        guard let seconds, seconds < span.seconds else { return 1 }
        return Float(seconds / span.seconds)
    }
}
