// SPDX-License-Identifier: Apache-2.0
package import Media

/// How often each part of the model's work is done anew, and how finely: what a stream pays for its masks.
package struct Economy: Sendable, Equatable {
    /// Which object slots are decoded.
    package enum Slots: String, Sendable, CaseIterable {
        case all
        /// All of them with the first frame of a window of sound, when it is judged what exists; then those of objects
        /// that exist. Nothing else can be shown before the next window, so that the masks stay the same.
        case active
    }

    /// How long the prompts made of one window of sound serve; zero makes them anew for each frame.
    package var audioHop = MediaTime.milliseconds(250)
    /// How long the image token of one frame serves, which tells the decoder what the picture is of; zero for each frame.
    /// After a cut it is made anew at once.
    package var imageHop = MediaTime.zero
    /// The time between frames that are remembered, where memory is on; zero remembers each frame.
    package var memoryHop = MediaTime.zero
    /// Share of the side of the picture that the model sees.
    package var side = 1.0
    /// Every how many frames one is segmented, at most.
    package var everyFrames = 1
    package var slots = Slots.active
    /// Work on a window of sound, and on an image token that serves several frames, is spread evenly over the frames until
    /// the next one is due, and used from then on: frames take equally long, and show what was heard a hop later. What is
    /// heard after silence is worked on at once.
    package var spreads = false

    package init() {}

    /// What is done less often than by `other`, or smaller, in words for events and pictures.
    package func text(comparedTo other: Economy) -> String {
        var parts: [String] = []
        if audioHop > other.audioHop { parts.append("sound heard every \(Self.text(audioHop))") }
        if imageHop > other.imageHop { parts.append("image token every \(Self.text(imageHop))") }
        if memoryHop > other.memoryHop { parts.append("remembered every \(Self.text(memoryHop))") }
        if side < other.side { parts.append("pictures at \(Int((side * 100).rounded())) % of their side") }
        if everyFrames > other.everyFrames { parts.append("one frame in \(everyFrames) segmented") }
        return parts.isEmpty ? "full quality" : parts.joined(separator: ", ")
    }

    private static func text(_ time: MediaTime) -> String {
        let hundredths = (time.seconds * 100).rounded() / 100
        return hundredths == hundredths.rounded() ? "\(Int(hundredths)) s" : "\(hundredths) s"
    }

    // MARK: The ladder

    /// What each further level asks for at least, in the order of least harm: what costs most of the full model and is
    /// missed least comes first, whole frames last.
    private static let levels: [Economy] = [
        level(imageHop: 0.2),
        level(imageHop: 0.5, memoryHop: 0.5),
        level(audioHop: 0.5, imageHop: 1, memoryHop: 1),
        level(audioHop: 1, imageHop: 1, memoryHop: 1),
        level(audioHop: 1, imageHop: 1, memoryHop: 1, side: 0.75),
        level(audioHop: 1, imageHop: 1, memoryHop: 1, side: 0.5),
        level(audioHop: 1, imageHop: 1, memoryHop: 1, side: 0.5, everyFrames: 2),
        level(audioHop: 1, imageHop: 1, memoryHop: 1, side: 0.5, everyFrames: 4),
    ]

    private static func level(
        audioHop: Double = 0, imageHop: Double, memoryHop: Double = 0, side: Double = 1, everyFrames: Int = 1
    ) -> Economy {
        var economy = Economy()
        (economy.audioHop, economy.imageHop) = (.seconds(audioHop), .seconds(imageHop))
        (economy.memoryHop, economy.side, economy.everyFrames) = (.seconds(memoryHop), side, everyFrames)
        return economy
    }

    /// From these values on, each step cheaper than the one before.
    ///
    /// - Parameter skipsFrames: whether whole frames may be left out.
    package func ladder(skipsFrames: Bool) -> [Economy] {
        var steps = [self]
        for level in Self.levels where skipsFrames || level.everyFrames == 1 {
            let step = atLeast(level)
            if step != steps.last { steps.append(step) }
        }
        return steps
    }

    private func atLeast(_ level: Economy) -> Economy {
        var step = self
        step.audioHop = max(audioHop, level.audioHop)
        step.imageHop = max(imageHop, level.imageHop)
        step.memoryHop = max(memoryHop, level.memoryHop)
        step.side = min(side, level.side)
        step.everyFrames = max(everyFrames, level.everyFrames)
        return step
    }
}

/// Settings of `Economy` that go together.
package enum EconomyProfile: String, Sendable, CaseIterable {
    /// Everything anew for each frame, but the sound: four times a second.
    case quality
    /// The image token five times a second.
    case balanced
    /// Sound, image token and memory twice a second.
    case realtime

    package var economy: Economy {
        var economy = Economy()
        switch self {
        case .quality: break
        case .balanced:
            (economy.imageHop, economy.memoryHop) = (.milliseconds(200), .milliseconds(200))
        case .realtime:
            economy.audioHop = .milliseconds(500)
            (economy.imageHop, economy.memoryHop) = (.milliseconds(500), .milliseconds(500))
        }
        return economy
    }
}
