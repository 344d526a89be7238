// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import TensorEngine
import Testing

@testable import Training

@Suite("clips whose truth says less")
struct PartialTruthTests {
    private func batch(_ clips: [AnnotatedClip], smallestArea: Int = 20) throws -> ClipBatch {
        try ClipBatch(clips, side: 64, smallestArea: smallestArea, logMel: LogMel())
    }

    private func terms(_ result: LossResult) -> [String: Float] {
        Dictionary(uniqueKeysWithValues: result.terms.map { ($0.name, $0.value) })
    }

    private static var settings: Trainer.Settings {
        var settings = SmallRun.settings
        settings.losses.audioImage = 1
        return settings
    }

    @Test("frames without truth take no part in any loss, but memory sees them")
    func unjudgedFrames() throws {
        let run = try SmallRun(Self.settings)
        let whole = SquareClips().clip(0)
        var (open, single) = (whole, whole)
        open.frames[1].truth = nil
        single.frames.removeLast()
        let a = run.trainer.loss(try batch([open])), b = run.trainer.loss(try batch([single]))
        #expect(terms(a).keys == terms(b).keys && a.matches == b.matches)
        for (name, value) in terms(a) { #expect(abs(value - (terms(b)[name] ?? 0)) < 1e-5, "\(name)") }
        open = whole
        open.frames[0].truth = nil
        let later = run.trainer.loss(try batch([open]))
        #expect(later.matches.count == 1 && later.total.scalar.isFinite)
        #expect(abs(later.total.scalar - a.total.scalar) > 1e-6)
    }

    @Test("clips of different lengths share a batch; the end of the shorter one counts for nothing")
    func lengths() throws {
        let run = try SmallRun(Self.settings)
        let long = SquareClips().clip(0)
        var short = SquareClips().clip(1)
        short.frames.removeLast()
        let mixed = try batch([long, short])
        #expect(mixed.clips == 2 && mixed.framesPerClip == 2 && mixed.plain.shape == [4, 64, 64, 3])
        #expect(mixed.truth.map { $0 == nil } == [false, false, false, true])
        #expect(mixed.heard?.count == 4)
        #expect(run.trainer.loss(mixed).matches.count == 3)
    }

    @Test("truth without classes trains masks, and no class")
    func binary() throws {
        let run = try SmallRun(Self.settings)
        var clip = SquareClips().clip(1), other = clip
        for i in clip.frames.indices {
            clip.frames[i].truth = clip.frames[i].truth?.map { min($0, 1) }
            clip.frames[i].heard = nil
        }
        clip.namesClasses = false
        let found = terms(run.trainer.loss(try batch([clip])))
        #expect(Set(found.keys) == ["bce_all", "iou_all", "bce_sep", "iou_sep"])
        // Beside a clip with classes, that one's class terms are as they are alone.
        for i in other.frames.indices { other.frames[i].heard = nil }
        let alone = terms(run.trainer.loss(try batch([other])))
        let both = terms(run.trainer.loss(try batch([other, clip])))
        #expect(both.keys == alone.keys && alone["a2t"] != nil)
        for name in ["a2t", "i2t", "a2pt"] {
            #expect(abs((both[name] ?? 0) - (alone[name] ?? 1)) < 1e-4, "\(name)")
        }
    }

    @Test("a clip without any truth cannot be trained on")
    func noTruth() {
        var clip = SquareClips().clip(0)
        for i in clip.frames.indices { clip.frames[i].truth = nil }
        #expect { try batch([clip]) } throws: { "\($0)".contains("squares 0: has no frame with truth") }
        clip.frames[0].truth = [0, 1]
        #expect { try batch([clip]) } throws: { "\($0)".contains("a truth is not of its picture's size") }
    }

    @Test("pictures take the published loader's way over a larger size, rounded on it")
    func detour() throws {
        var clip = SquareClips().clip(0)
        let straight = try batch([clip]).plain
        clip.publishedSide = 150
        let detour = try batch([clip]).plain
        let image = clip.frames[0].image
        let larger = pillowResize(
            image.pixels, width: 64, height: 64, toWidth: 150, toHeight: 150, filter: .bilinear)
        let back = pillowResize(larger, width: 150, height: 150, toWidth: 64, toHeight: 64, filter: .bilinear)
        #expect(detour[row: 0].values == back.map { Float($0) / 255 })
        #expect(detour.values != straight.values)
    }
}
