// SPDX-License-Identifier: Apache-2.0

/// One event of a sound: a strike, a bark, a note, a stroke. Seconds count from the start of the clip.
struct SoundEvent: Sendable, Equatable {
    var start, end: Double
    /// Relative to the voice's own pitch.
    var pitch: Float
    /// Relative loudness, 0…1.
    var force: Float
}

/// What one source plays and when, drawn from the seed before anything is rendered.
struct SoundScore: Sendable {
    /// The longest silence between two events. Shorter than `SyntheticSound.hold`: who listens that long always
    /// hears whether a sound still goes on.
    static let longestPause = 0.4

    let item: SyntheticClass
    let events: [SoundEvent]
    /// What varies within the family of sounds; the meaning depends on the class. 0…1
    let timbre: SIMD8<Float>
    /// Root mean square while it plays, in decibels of full scale.
    let level: Float
    let seed: UInt64

    var start: Double { events.first?.start ?? 0 }
    var end: Double { events.last?.end ?? 0 }

    /// - Parameter during: the events fill it, the last one as far as it reaches.
    init(
        _ item: SyntheticClass, during span: ClosedRange<Double>, timbre: SIMD8<Float>, level: Float,
        _ random: inout SeededRandom
    ) {
        self.item = item
        self.timbre = timbre
        self.level = level
        seed = random.next()
        events = Self.events(of: item, span, timbre, &random)
    }

    /// How the events of a family follow one another.
    private struct Rhythm {
        /// Of an event, in seconds.
        var length: ClosedRange<Double>
        var pause: ClosedRange<Double>
        /// Steps of pitch that events may take, as factors.
        var pitches: [Float] = [1]
        var isSteady = true
    }

    private static func events(
        of item: SyntheticClass, _ span: ClosedRange<Double>, _ timbre: SIMD8<Float>,
        _ random: inout SeededRandom
    ) -> [SoundEvent] {
        guard let rhythm = rhythm(of: item) else {
            return [SoundEvent(start: span.lowerBound, end: span.upperBound, pitch: 1, force: 1)]
        }
        let tempo = (length: random.double(rhythm.length), pause: random.double(rhythm.pause))
        var events: [SoundEvent] = []
        var time = span.lowerBound
        // What is left at the end is filled by a shorter event.
        while span.upperBound - time > 0.1 {
            let sway = rhythm.isSteady ? 1 : random.double(0.7...1.3)
            let length = min(max(tempo.length * sway, rhythm.length.lowerBound), span.upperBound - time)
            events.append(
                SoundEvent(
                    start: time, end: time + length, pitch: random.pick(rhythm.pitches),
                    force: random.float(0.6...1)))
            time += length + min(tempo.pause * sway, longestPause)
        }
        return events
    }

    /// Nil for sounds that never pause.
    private static func rhythm(of item: SyntheticClass) -> Rhythm? {
        switch item {
        case .car, .fan, .siren: nil
        case .bell: Rhythm(length: 0.4...0.9, pause: 0...0.02, pitches: [1, 1, 1.26])
        case .bird:
            Rhythm(length: 0.06...0.16, pause: 0.05...0.3, pitches: [1, 1.15, 0.87, 1.3], isSteady: false)
        case .clock: Rhythm(length: 0.05...0.06, pause: 0.12...0.4, pitches: [1, 0.86])
        case .dog: Rhythm(length: 0.13...0.28, pause: 0.1...0.38, pitches: [1, 1.1, 0.92], isSteady: false)
        case .drum: Rhythm(length: 0.12...0.3, pause: 0...0.12, pitches: [1, 1, 1, 1.3])
        case .flute:
            Rhythm(
                length: 0.22...0.7, pause: 0...0.06, pitches: [1, 1.122, 1.26, 1.498, 0.89], isSteady: false)
        case .guitar: Rhythm(length: 0.3...0.7, pause: 0...0.03, pitches: [1, 1.189, 1.335, 1.498, 0.89])
        case .rattle: Rhythm(length: 0.07...0.1, pause: 0.02...0.12)
        case .saw: Rhythm(length: 0.2...0.42, pause: 0.05...0.2)
        }
    }
}
