// SPDX-License-Identifier: Apache-2.0
import Media

/// Holds a file's frames to a rate of work, by the clock on the wall.
struct FramePace {
    private var ladder: EconomyLadder
    private var last = MediaClock.now

    init(frameRate: Double, _ base: Economy) {
        var settings = EconomyLadder.Settings()
        // Nothing is late in a file, it only takes longer.
        (settings.ceiling, settings.frameRate) = (nil, frameRate)
        ladder = EconomyLadder(settings, base: base)
    }

    var status: EconomyStatus { ladder.status }

    /// A frame is done with, all of it: decoded, segmented, drawn and handed on.
    ///
    /// - Returns: what is to be done from now on, where that changes.
    mutating func frameDone() -> EconomyStatus? {
        let now = MediaClock.now
        defer { last = now }
        return ladder.note(.init(delay: .zero, work: now - last), at: now) ? ladder.status : nil
    }
}
