// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

@Suite("synthetic clips")
struct SyntheticClipsTests {
    private func clips(
        seed: UInt64 = 4, count: Int = 100, _ change: (inout SyntheticClips.Options) -> Void = { _ in }
    ) -> SyntheticClips {
        var options = SyntheticClips.Options(seed: seed, count: count)
        (options.width, options.height) = (48, 48)
        change(&options)
        return SyntheticClips(options)
    }

    @Test("an index gives the same clip again; other indices and seeds give others")
    func repeats() {
        let source = clips()
        let (first, again) = (source.clip(7), source.clip(7))
        #expect(first.name == again.name && first.frames.count == 5)
        for (a, b) in zip(first.frames, again.frames) {
            #expect(a.image == b.image && a.truth == b.truth && a.sound == b.sound)
        }
        #expect(source.clip(8).frames[0].image != first.frames[0].image)
        #expect(clips(seed: 5).clip(7).frames[0].image != first.frames[0].image)
    }

    @Test("the truth holds the whole of each sounding class that is seen, and nothing else")
    func truth() throws {
        let source = clips()
        var shown = 0
        for index in 0..<60 {
            let (clip, visible, times) = (source.clip(index), source.visible(index), source.times(index))
            let sound = source.sound(index)
            for frame in clip.frames.indices {
                let sounding = sound.soundingClasses(at: times[frame])
                let truth = try #require(clip.frames[frame].truth)
                // Two of one class therefore both sound, or neither.
                #expect(truth == visible[frame].map { sounding.contains($0) ? $0 : 0 })
                if truth.contains(where: { $0 != 0 }) { shown += 1 }
            }
        }
        #expect(shown > 100)
    }

    @Test("silence is zeros, a room has only noise, off-screen sound is heard; none of them has a truth")
    func kinds() throws {
        for kind in [SyntheticSound.Kind.silent, .roomNoise, .offScreen] {
            let source = clips { $0.kinds = [kind: 1] }
            for index in 0..<15 {
                let clip = source.clip(index)
                #expect(source.kind(index) == kind)
                #expect(try clip.frames.allSatisfy { try #require($0.truth).allSatisfy { $0 == 0 } })
                let isQuiet = clip.frames.allSatisfy { $0.sound.allSatisfy { $0 == 0 } }
                #expect(isQuiet == (kind == .silent))
                let heard = source.times(index).reduce(into: Set<UInt8>()) {
                    $0.formUnion(source.sound(index).soundingClasses(at: $1))
                }
                #expect(heard.isDisjoint(with: source.scene(index).classes.map(\.rawValue)))
                if kind != .offScreen { #expect(heard.isEmpty) }
            }
        }
    }

    @Test("up to three classes sound, some of them unseen; mostly a visible one is silent")
    func casts() {
        let source = clips(count: 300) { $0.kinds = [.sounding: 1] }
        var (counts, withSilent, withMany, withUnseen) = (Set<Int>(), 0, 0, 0)
        for index in 0..<300 {
            let cast = Set(source.sound(index).scores.map(\.item))
            let seen = Set(source.scene(index).classes)
            counts.insert(cast.count)
            #expect(!cast.isDisjoint(with: seen))
            if !cast.isSubset(of: seen) { withUnseen += 1 }
            guard seen.count > 1 else { continue }
            withMany += 1
            if !seen.isSubset(of: cast) { withSilent += 1 }
        }
        #expect(counts == [1, 2, 3])
        #expect(withSilent * 10 > withMany * 8)
        #expect(10...120 ~= withUnseen)
    }

    @Test("windows end at the frame, or lie where AVSBench has them")
    func windows() {
        let causal = clips()
        for index in 0..<10 {
            for (frame, time) in zip(causal.clip(index).frames, causal.times(index)) {
                #expect(abs(frame.sound.count - Int(min(2, time) * 16_000)) <= 1)
            }
        }
        let official = clips {
            $0.spacing = nil
            $0.window = .official
        }
        #expect(official.times(0) == [0.9375, 1.9375, 2.9375, 3.9375, 4.9375])
        let (clip, whole) = (official.clip(0), official.sound(0).render())
        for (frame, start) in zip(clip.frames, [0, 12_000, 24_000, 36_000, 48_000]) {
            #expect(frame.sound == Array(whole[start..<start + 32_000]))
        }
    }

    @Test("in unambiguous clips both window rules give the same truth")
    func unambiguous() {
        let source = clips(count: 200) { $0.isUnambiguous = true }
        var partial = 0
        for index in 0..<200 {
            let sound = source.sound(index)
            for (frame, time) in SoundWindow.officialTimes.enumerated() {
                let causal = SoundWindow.causal.sounding(sound, at: time, frame: frame)
                #expect(causal == SoundWindow.official.sounding(sound, at: time, frame: frame))
            }
            if sound.scores.contains(where: { $0.start > 0.5 || $0.end < 4.4 }) { partial += 1 }
        }
        #expect(partial > 40)
    }

    @Test("a swap shows one scene twice, and each time only what is heard")
    func swaps() throws {
        let source = clips()
        var pairs = 0
        for index in 0..<40 {
            guard let (first, second) = source.swapped(index) else { continue }
            pairs += 1
            for (a, b) in zip(first.frames, second.frames) {
                #expect(a.image == b.image && a.sound != b.sound)
                let (x, y) = (Set(try #require(a.truth)), Set(try #require(b.truth)))
                #expect(x.count == 2 && y.count == 2 && x.intersection(y) == [0])
            }
        }
        #expect(pairs > 15)
    }

    @Test("one scene may be heard in several ways")
    func sharedScenes() {
        let source = clips {
            $0.soundsPerScene = 2
            $0.kinds = [.sounding: 1]
        }
        let (a, b, c) = (source.clip(4), source.clip(5), source.clip(6))
        #expect(a.frames.map(\.image) == b.frames.map(\.image) && a.frames[0].sound != b.frames[0].sound)
        #expect(c.frames[0].image != a.frames[0].image)
    }
}
