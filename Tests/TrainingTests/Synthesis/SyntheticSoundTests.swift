// SPDX-License-Identifier: Apache-2.0
import Models
import Testing

@testable import Training

@Suite("synthetic sounds")
struct SyntheticSoundTests {
    private let scene = SyntheticScene(seed: 2, level: .medium)

    /// One class alone for the whole clip.
    private func solo(_ item: SyntheticClass, _ seed: UInt64) -> [Float] {
        SyntheticSound(scene: SyntheticScene(seed: seed, level: .medium), seed: seed, only: item).render()
    }

    @Test("the same seeds give the same samples, 5 s of them, in range")
    func repeats() {
        for kind in SyntheticSound.Kind.allCases {
            let first = SyntheticSound(scene: scene, seed: 8, kind: kind).render()
            #expect(first == SyntheticSound(scene: scene, seed: 8, kind: kind).render())
            #expect(first.count == 80_000 && first.allSatisfy { abs($0) <= 1 })
        }
        let (a, b) = (SyntheticSound(scene: scene, seed: 8), SyntheticSound(scene: scene, seed: 9))
        #expect(a.render() != b.render())
    }

    @Test("every class is heard in each half second of its sound", arguments: SyntheticClass.allCases)
    func audible(item: SyntheticClass) {
        for seed in UInt64(0)..<6 {
            var random = SeededRandom(seed)
            let score = SoundScore(item, during: 1...4, timbre: random.eight(), level: -20, &random)
            #expect(score.start == 1 && score.end > 3.4 && score.end <= 4)
            var samples = [Float](repeating: 0, count: 80_000), scratch = samples
            samples.withUnsafeMutableBufferPointer { samples in
                scratch.withUnsafeMutableBufferPointer { score.add(to: samples, $0) }
            }
            #expect(samples[..<15_999].allSatisfy { $0 == 0 } && samples[64_001...].allSatisfy { $0 == 0 })
            for start in stride(from: 16_000, through: 54_000, by: 2_000) {
                let energy = samples[start..<start + 8_000].reduce(0) { $0 + $1 * $1 } / 8_000
                #expect(energy > 1e-5, "\(item), seed \(seed), at \(start)")
            }
        }
    }

    @Test("a class sounds from 0.1 s after it begins to 0.5 s after it ends")
    func truthInTime() throws {
        for seed in UInt64(0)..<60 {
            let sound = SyntheticSound(scene: scene, seed: seed)
            for score in sound.scores {
                let id = score.item.rawValue
                #expect(!sound.soundingClasses(at: score.start + 0.09).contains(id))
                #expect(sound.soundingClasses(at: score.start + 0.11).contains(id))
                #expect(sound.soundingClasses(at: score.end + 0.49).contains(id))
                #expect(!sound.soundingClasses(at: score.end + 0.51).contains(id))
                for (event, next) in zip(score.events, score.events.dropFirst()) {
                    #expect(next.start - event.end <= 0.4 + 1e-9)
                }
            }
        }
    }

    @Test("sounds start and stop within clips, and one gives way to another")
    func changes() {
        var (late, early, turns) = (0, 0, 0)
        for seed in UInt64(0)..<200 {
            let scores = SyntheticSound(scene: SyntheticScene(seed: seed, level: .hard), seed: seed).scores
            if scores.contains(where: { $0.start > 0.4 }) { late += 1 }
            if scores.contains(where: { $0.end < 4.4 }) { early += 1 }
            if scores.count == 2, scores[0].end <= scores[1].start { turns += 1 }
        }
        #expect(late > 30 && early > 30 && turns > 10)
    }

    /// What a log-mel picture shows without order in time: mean and spread of each band, and how much it changes.
    private func features(_ samples: [Float]) -> [Float] {
        let mel = LogMel()
        let picture = mel(samples[16_000..<48_000]).values
        let frames = picture.count / 128
        return stride(from: 0, to: 128, by: 2).flatMap { band -> [Float] in
            let row = (0..<198).map { picture[band * frames + $0] }
            let mean = row.reduce(0, +) / Float(row.count)
            let spread = (row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(row.count)).squareRoot()
            let change = zip(row, row.dropFirst()).reduce(0) { $0 + abs($1.1 - $1.0) } / Float(row.count)
            return [mean, spread, 2 * change]
        }
    }

    @Test("the nearest of 20 known sounds tells the class of nine unknown ones in ten")
    func distinguishable() {
        let known = SyntheticClass.allCases.flatMap { item in
            (0..<20).map { (item: item, features: features(solo(item, UInt64($0)))) }
        }
        var (right, all) = (0, 0)
        for item in SyntheticClass.allCases {
            for seed in UInt64(100)..<106 {
                let unknown = features(solo(item, seed))
                let nearest = known.min { distance($0.features, unknown) < distance($1.features, unknown) }
                all += 1
                if nearest?.item == item { right += 1 }
            }
        }
        #expect(right * 10 >= all * 9, "\(right) of \(all)")
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Float {
        // Loudness says nothing about the class.
        let offset =
            zip(a, b).enumerated().filter { $0.offset % 3 == 0 }
            .reduce(0) { $0 + $1.element.0 - $1.element.1 } / Float(a.count / 3)
        return zip(a, b).enumerated().reduce(0) { sum, pair in
            let difference = pair.element.0 - pair.element.1 - (pair.offset % 3 == 0 ? offset : 0)
            return sum + difference * difference
        }
    }
}
