// SPDX-License-Identifier: Apache-2.0
package import Media

/// What a stream does without so as to keep up.
package struct Economy: Sendable, Equatable {
    /// How many times longer one window of sound serves.
    package var audioHops: Double
    /// Share of the side of the picture that the model sees.
    package var side: Double
    /// Every how many frames one is segmented, at most.
    package var everyFrames: Int

    /// From full quality on, each cheaper than the one before.
    package static let steps: [Economy] = [
        Economy(audioHops: 1, side: 1, everyFrames: 1), Economy(audioHops: 2, side: 1, everyFrames: 1),
        Economy(audioHops: 2, side: 0.75, everyFrames: 1), Economy(audioHops: 4, side: 0.5, everyFrames: 1),
        Economy(audioHops: 4, side: 0.5, everyFrames: 2), Economy(audioHops: 4, side: 0.5, everyFrames: 4),
    ]

    /// In words, for events and pictures.
    package var text: String {
        var parts: [String] = []
        if audioHops > 1 { parts.append("sound heard \(Int(audioHops)) times less often") }
        if side < 1 { parts.append("pictures at \(Int(side * 100)) % of their side") }
        if everyFrames > 1 { parts.append("one frame in \(everyFrames) segmented") }
        return parts.isEmpty ? "full quality" : parts.joined(separator: ", ")
    }
}

/// Goes down to cheaper steps while masks come too late, and up again when there is time to spare.
///
/// It goes down fast and up slowly; a step up that had to be taken back makes the next one wait twice as long.
package struct EconomyLadder: Sendable {
    package struct Settings: Sendable, Equatable {
        /// A mask is too late when it comes longer than this after its frame.
        package var ceiling = MediaTime.milliseconds(250)
        /// How long delays are gathered before they are judged.
        package var period = MediaTime.seconds(2)
        /// There is time to spare while delays stay below this share of the ceiling for `calm`.
        package var spareShare = 0.5
        package var calm = MediaTime.seconds(10)
        package var longestCalm = MediaTime.seconds(300)

        package init() {}
    }

    /// Delays that a judgement needs at least, unless one is late by itself.
    private static let fewestDelays = 3
    /// Share of the delays that must not be late.
    private static let judgedShare = 0.9

    private let settings: Settings
    private var delays: [Double] = []
    private var periodStart: MediaTime?
    private var calmSince: MediaTime?
    private var calm: MediaTime
    private var lastStepUp: MediaTime?
    package private(set) var level = 0

    package init(_ settings: Settings = Settings()) { (self.settings, calm) = (settings, settings.calm) }

    package var economy: Economy { Economy.steps[level] }

    /// Takes in how long after its frame's arrival a mask came.
    ///
    /// - Returns: whether the level has changed.
    package mutating func note(delay: MediaTime, at now: MediaTime) -> Bool {
        let start = periodStart ?? now
        if periodStart == nil { periodStart = now }
        delays.append(delay.seconds)
        guard now - start >= settings.period, delays.count >= Self.fewestDelays else { return false }
        let judged = delays.sorted()[Int(Double(delays.count - 1) * Self.judgedShare)]
        (delays, periodStart) = ([], now)
        return judge(judged, at: now)
    }

    private mutating func judge(_ delay: Double, at now: MediaTime) -> Bool {
        if delay > settings.ceiling.seconds {
            calmSince = nil
            return stepDown(at: now)
        }
        guard delay < settings.spareShare * settings.ceiling.seconds, level > 0 else {
            calmSince = nil
            return false
        }
        let since = calmSince ?? now - settings.period
        calmSince = since
        guard now - since >= calm else { return false }
        (calmSince, lastStepUp) = (nil, now)
        level -= 1
        return true
    }

    private mutating func stepDown(at now: MediaTime) -> Bool {
        guard level + 1 < Economy.steps.count else { return false }
        level += 1
        if let lastStepUp, now - lastStepUp < calm {
            calm = min(settings.longestCalm, calm + calm)
        } else {
            calm = settings.calm
        }
        return true
    }
}
