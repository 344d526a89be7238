// SPDX-License-Identifier: Apache-2.0

/// What is heard during a clip: which classes sound and when, and in what room.
///
/// **When a class counts as sounding.** At time t a class sounds when it is audible at some moment of
/// [t − 0.5 s, t − 0.1 s]. Events of one sound are at most 0.4 s apart, so this never flickers within a rhythm, and
/// it needs no more than the last 0.5 s: it can be learnt from any causal window. What begins is true 0.1 s later,
/// when there is something to recognise; what ends stays true for 0.5 s, as nobody can know before that it is over.
///
/// For AVSBench's own windows, which may end after the frame, a class sounds when at least 0.5 s of it lie in the
/// window. `isUnambiguous` keeps starts and ends where both rules agree for all annotated frames.
package struct SyntheticSound: Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        /// At least one class that is seen sounds.
        case sounding
        /// Digital zeros.
        case silent
        /// Nothing but the noise of the room.
        case roomNoise
        /// Only classes sound that are never seen.
        case offScreen
    }

    package static let sampleRate = 16_000
    package static let seconds = SyntheticScene.seconds
    static let hold = 0.5
    static let onset = 0.1

    package let kind: Kind
    let scores: [SoundScore]
    let room: Room

    /// - Parameters:
    ///   - seed: independent of the scene's.
    ///   - isUnambiguous: sounds start and stop only where every window rule gives the same truth for the five frames.
    package init(
        scene: SyntheticScene, seed: UInt64, kind: Kind = .sounding, isUnambiguous: Bool = false
    ) {
        var composer = SoundComposer(scene, seed, isUnambiguous: isUnambiguous)
        self.init(kind, &composer, composer.cast(for: kind))
    }

    /// One class alone, from the first moment to the last.
    package init(scene: SyntheticScene, seed: UInt64, only item: SyntheticClass) {
        var composer = SoundComposer(scene, seed, isUnambiguous: false)
        scores = [composer.solo(item)]
        room = composer.room(.sounding)
        kind = .sounding
    }

    private init(_ kind: Kind, _ composer: inout SoundComposer, _ cast: [SyntheticClass]) {
        self.kind = kind
        scores = composer.scores(cast)
        room = composer.room(kind)
    }

    // MARK: Truth

    /// Ids of the classes that sound at a time, by the causal rule.
    package func soundingClasses(at seconds: Double) -> Set<UInt8> { sounding(at: seconds).ids }

    func sounding(at seconds: Double) -> ClassSet {
        ClassSet(
            scores.filter { $0.start <= seconds - Self.onset && $0.end >= seconds - Self.hold }.map(\.item))
    }

    /// Classes of which at least 0.5 s lie in the 2 s from `start`: the rule for AVSBench's windows.
    func sounding(inWindowFrom start: Double) -> ClassSet {
        ClassSet(
            scores.filter { min($0.end, start + SoundWindow.seconds) - max($0.start, start) >= 0.5 }.map(
                \.item))
    }

    // MARK: Samples

    /// 5 s at 16 kHz, mono, −1…1.
    package func render() -> [Float] {
        let count = Int(Self.seconds * Double(Self.sampleRate))
        return [Float](unsafeUninitializedCapacity: count) { samples, initialised in
            let samples = UnsafeMutableBufferPointer(rebasing: samples[..<count])
            samples.initialize(repeating: 0)
            initialised = count
            guard kind != .silent else { return }
            let scratch = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
            defer { scratch.deallocate() }
            for score in scores { score.add(to: samples, scratch) }
            room.reverberate(samples)
            room.addNoise(to: samples)
            Self.limit(samples)
        }
    }

    /// Turns everything down where a peak would be cut.
    private static func limit(_ samples: UnsafeMutableBufferPointer<Float>) {
        let peak = samples.reduce(0) { max($0, abs($1)) }
        guard peak > 0.95 else { return }
        for i in samples.indices { samples[i] *= 0.95 / peak }
    }
}

/// Which stretch of audio goes with a frame.
package enum SoundWindow: String, CaseIterable, Sendable {
    /// The newest 2 s at the time of the frame, as a stream has them.
    case causal
    /// AVSBench's: evenly spread over the clip, by the number of the frame.
    case official

    static let seconds = 2.0

    /// - Parameters:
    ///   - time: of the frame.
    ///   - frame: its number among the five.
    func range(at time: Double, frame: Int) -> ClosedRange<Double> {
        switch self {
        case .causal: return max(0, time - Self.seconds)...time
        case .official:
            let start = Double(frame) * (SyntheticSound.seconds - Self.seconds) / 4
            return start...start + Self.seconds
        }
    }

    /// Classes that the truth of a frame shows.
    func sounding(_ sound: SyntheticSound, at time: Double, frame: Int) -> ClassSet {
        switch self {
        case .causal: sound.sounding(at: time)
        case .official: sound.sounding(inWindowFrom: range(at: time, frame: frame).lowerBound)
        }
    }

    /// Times of AVSBench's frames: the last of 16 evenly spaced moments of each second.
    static let officialTimes = (0..<5).map { Double($0) + 15.0 / 16 }
}
