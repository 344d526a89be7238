// SPDX-License-Identifier: Apache-2.0
package import Media

/// Goes down to cheaper steps while masks come too late or too few, and up again when there is time to spare.
///
/// It goes down fast and up slowly; a step up that had to be taken back makes the next one wait twice as long.
package struct EconomyLadder: Sendable {
    package struct Settings: Sendable, Equatable {
        /// A mask is too late when it comes longer than this after its frame; nil where nothing is too late.
        package var ceiling: MediaTime? = MediaTime.milliseconds(250)
        /// Frames per second that are to be segmented at least, as far as so many come; nil for as many as can be.
        package var frameRate: Double?
        /// How long delays are gathered before they are judged.
        package var period = MediaTime.seconds(2)
        /// There is time to spare while delays, and the work of a frame, stay below this share of what is allowed for
        /// `calm`.
        package var spareShare = 0.5
        package var calm = MediaTime.seconds(10)
        package var longestCalm = MediaTime.seconds(300)

        package init() {}
    }

    /// A frame that was segmented.
    package struct Note: Sendable {
        /// How long after the frame's arrival its mask came.
        package var delay: MediaTime
        /// How long the model worked on it.
        package var work: MediaTime
        /// Frames per second that the source gives; nil for as many as are taken.
        package var sourceRate: Double?

        package init(delay: MediaTime, work: MediaTime = .zero, sourceRate: Double? = nil) {
            (self.delay, self.work, self.sourceRate) = (delay, work, sourceRate)
        }
    }

    /// Frames that a judgement needs at least, unless one is late by itself.
    private static let fewestNotes = 3
    /// Share of the delays that must not be late.
    private static let judgedShare = 0.9
    /// Seconds without work after which frames are counted anew.
    private static let pause = 0.5
    /// Share of the wanted rate that passes for it: frames come unevenly.
    private static let rateTolerance = 0.95

    private let settings: Settings
    private let steps: [Economy]
    private var notes: [Note] = []
    private var periodStart: MediaTime?
    private var lastNote: MediaTime?
    private var calmSince: MediaTime?
    private var calm: MediaTime
    private var lastStepUp: MediaTime?
    package private(set) var level = 0

    /// - Parameter base: what is done while there is time for it.
    package init(_ settings: Settings = Settings(), base: Economy = Economy()) {
        (self.settings, calm) = (settings, settings.calm)
        // Frames left out would be missed by who has asked for a rate.
        steps = base.ladder(skipsFrames: settings.frameRate == nil)
    }

    package var economy: Economy { steps[level] }
    /// Of the cheapest step.
    package var lastLevel: Int { steps.count - 1 }
    package var status: EconomyStatus {
        EconomyStatus(
            level: level, lastLevel: lastLevel, economy: economy, text: economy.text(comparedTo: steps[0]))
    }

    /// Takes in a frame that has just been segmented.
    ///
    /// - Returns: whether the level has changed.
    package mutating func note(_ note: Note, at now: MediaTime) -> Bool {
        defer { lastNote = now }
        guard let start = periodStart, let lastNote, (now - lastNote).seconds < note.work.seconds + Self.pause
        else {
            // The time that this one took lies before the period; a pause of the source is nobody's slowness.
            (notes, periodStart) = ([], now)
            return false
        }
        notes.append(note)
        guard now - start >= settings.period, notes.count >= Self.fewestNotes else { return false }
        let judged = notes
        (notes, periodStart) = ([], now)
        return judge(judged, elapsed: (now - start).seconds, at: now)
    }

    private mutating func judge(_ notes: [Note], elapsed: Double, at now: MediaTime) -> Bool {
        let delay = notes.map(\.delay.seconds).sorted()[Int(Double(notes.count - 1) * Self.judgedShare)]
        let work = notes.reduce(0) { $0 + $1.work.seconds } / Double(notes.count)
        let wanted = settings.frameRate.map { min($0, notes.compactMap(\.sourceRate).max() ?? $0) }
        let isLate = settings.ceiling.map { delay > $0.seconds } ?? false
        let isSlow = wanted.map { Double(notes.count) / elapsed < Self.rateTolerance * $0 } ?? false
        if isLate || isSlow {
            calmSince = nil
            return stepDown(at: now)
        }
        let isPrompt = settings.ceiling.map { delay < settings.spareShare * $0.seconds } ?? true
        let isEasy = wanted.map { work * $0 < settings.spareShare } ?? true
        guard isPrompt, isEasy, level > 0 else {
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
        guard level < lastLevel else { return false }
        level += 1
        if let lastStepUp, now - lastStepUp < calm {
            calm = min(settings.longestCalm, calm + calm)
        } else {
            calm = settings.calm
        }
        return true
    }
}

/// Where a ladder stands.
package struct EconomyStatus: Sendable, Equatable {
    /// 0 is what was asked for.
    package var level = 0
    package var lastLevel = 0
    package var economy = Economy()
    /// What is given up, in words.
    package var text = ""
}
