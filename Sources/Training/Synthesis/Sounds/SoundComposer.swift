// SPDX-License-Identifier: Apache-2.0

/// Draws what sounds in a scene.
struct SoundComposer {
    private static let attempts = 40

    private let scene: SyntheticScene
    private let difficulty: Difficulty
    private let isUnambiguous: Bool
    private var random: SeededRandom

    init(_ scene: SyntheticScene, _ seed: UInt64, isUnambiguous: Bool) {
        self.scene = scene
        difficulty = scene.level.difficulty
        self.isUnambiguous = isUnambiguous
        random = SeededRandom(seed, stream: 2)
    }

    /// The classes that sound, three at most; each once.
    mutating func cast(for kind: SyntheticSound.Kind) -> [SyntheticClass] {
        let unseen = random.shuffled(SyntheticClass.allCases.filter { !scene.classes.contains($0) })
        switch kind {
        case .silent, .roomNoise: return []
        case .offScreen: return Array(unseen.prefix(random.chance(0.3) ? 2 : 1))
        case .sounding:
            let seen = visibleCast()
            return seen.count < 3 && random.chance(difficulty.offScreen) ? seen + unseen.prefix(1) : seen
        }
    }

    /// Of the classes in the picture. Where there are several, one at least is mostly left silent.
    private mutating func visibleCast() -> [SyntheticClass] {
        let all = random.shuffled(scene.classes)
        let lasting = all.filter { scene.presence(of: $0) >= 0.5 }
        let candidates = lasting.isEmpty ? all : lasting
        let drawn = 1 + random.index(weights: difficulty.soundingCounts)
        let leavesOne = all.count > 1 && random.chance(0.85)
        let most = leavesOne ? min(candidates.count, all.count - 1) : candidates.count
        return Array(candidates.prefix(max(1, min(drawn, most))))
    }

    mutating func room(_ kind: SyntheticSound.Kind) -> Room {
        let level: Float? =
            switch kind {
            case .silent: nil
            // Alone, noise may be as loud as a sound.
            case .roomNoise: random.float(-70 ... -24)
            case .sounding, .offScreen: random.chance(0.15) ? nil : random.float(difficulty.roomLevel)
            }
        return Room(level: level, reverb: difficulty.reverb, &random)
    }

    mutating func scores(_ cast: [SyntheticClass]) -> [SoundScore] {
        // Two that take turns show best that somebody listens.
        if cast.count == 2, random.chance(0.35), let scores = takingTurns(cast) { return scores }
        return cast.map { drawn($0, random.eight(), random.float(difficulty.voiceLevel)) }
    }

    /// One class from the first moment to the last.
    mutating func solo(_ item: SyntheticClass) -> SoundScore {
        SoundScore(
            item, during: 0...SyntheticSound.seconds, timbre: random.eight(),
            level: random.float(difficulty.voiceLevel), &random)
    }

    /// The second begins where the first ends.
    private mutating func takingTurns(_ cast: [SyntheticClass]) -> [SoundScore]? {
        for _ in 0..<Self.attempts {
            let change = random.double(1.2...3.8)
            let scores = cast.enumerated().map { index, item in
                SoundScore(
                    item, during: index == 0 ? 0...change : change + 0.05...SyntheticSound.seconds,
                    timbre: random.eight(), level: random.float(difficulty.voiceLevel), &random)
            }
            if !isUnambiguous || scores.allSatisfy(\.isUnambiguous) { return scores }
        }
        return nil
    }

    /// A sound that lasts, or one that starts, stops or both within the clip.
    private mutating func drawn(_ item: SyntheticClass, _ timbre: SIMD8<Float>, _ level: Float) -> SoundScore
    {
        for _ in 0..<(random.chance(difficulty.partial) ? Self.attempts : 0) {
            let score = SoundScore(item, during: partialSpan(), timbre: timbre, level: level, &random)
            if !isUnambiguous || score.isUnambiguous { return score }
        }
        let whole = random.double(0...0.05)...SyntheticSound.seconds
        return SoundScore(item, during: whole, timbre: timbre, level: level, &random)
    }

    private mutating func partialSpan() -> ClosedRange<Double> {
        switch random.int(0...3) {
        case 0: return random.double(0.5...3.8)...SyntheticSound.seconds
        case 1: return 0...random.double(1...4.3)
        default:
            let start = random.double(0.2...3)
            return start...min(SyntheticSound.seconds, start + random.double(0.9...3))
        }
    }
}

extension SoundScore {
    /// Whether the causal rule and that of AVSBench's windows agree for every annotated frame.
    var isUnambiguous: Bool {
        SoundWindow.officialTimes.enumerated().allSatisfy { frame, time in
            let window = SoundWindow.official.range(at: time, frame: frame)
            let isInWindow = min(end, window.upperBound) - max(start, window.lowerBound) >= 0.5
            let isAtFrame = start <= time - SyntheticSound.onset && end >= time - SyntheticSound.hold
            return isInWindow == isAtFrame
        }
    }
}
