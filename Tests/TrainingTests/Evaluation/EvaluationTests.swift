// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import TensorEngine
import Testing

@testable import Training

/// Marks what it is told to hear: where the sound is not silent, all that is bright.
private struct BrightPredictor: ClipPredictor {
    func predict(_ clip: AnnotatedClip) throws -> [PredictedFrame] {
        clip.frames.map { frame in
            let hears = frame.sound.contains { $0 != 0 }
            let isMarked = (0..<frame.image.width * frame.image.height).map {
                hears && max(frame.image.pixels[3 * $0], frame.image.pixels[3 * $0 + 2]) == 240
            }
            return PredictedFrame(
                width: frame.image.width, height: frame.image.height,
                logits: isMarked.map { $0 ? 1 : -1 }, labels: isMarked.map { $0 ? 1 : 0 },
                objects: [
                    .init(
                        classIndex: 1, mask: isMarked, embeddings: ([1, Float(clip.frames.count)], [0, 1]))
                ])
        }
    }
}

@Suite("evaluation")
struct EvaluationTests {
    private func evaluated(_ audio: SoundChange, clips: Int? = nil, panels: Int = 0) throws -> Evaluation {
        var settings = Evaluation.Settings()
        (settings.audio, settings.clips, settings.panels) = (audio, clips, panels)
        var evaluation = Evaluation(BrightPredictor(), SquareClips(), settings)
        try evaluation.run()
        return evaluation
    }

    private func result(_ evaluation: Evaluation) -> EvaluationResult {
        evaluation.result(data: "squares", model: .init(name: "bright", sha256: nil), settings: [:])
    }

    @Test("clips are judged, and the result says on what")
    func judges() throws {
        let result = result(try evaluated(.asRecorded))
        #expect(result.data.clips == 8 && result.data.frames == 16)
        #expect(abs((result.metrics["M_J"] ?? 0) - 100) < 1e-3)
        // All squares are called 1, half are 2.
        #expect(result.metrics["named_right"] == 50)
        #expect(result.classes.map(\.name) == SquareClips().classes)
        let again = try JSONDecoder().decode(
            EvaluationResult.self, from: JSONEncoder().encode(result))
        #expect(again.metrics == result.metrics && again.audio == .asRecorded)
    }

    @Test("the hash is that of what was judged")
    func hash() throws {
        let first = result(try evaluated(.asRecorded)).data.sha256
        #expect(first == result(try evaluated(.asRecorded)).data.sha256 && first.count == 64)
        #expect(first != result(try evaluated(.asRecorded, clips: 7)).data.sha256)
        #expect(first != result(try evaluated(.noise)).data.sha256)
    }

    @Test("without sound nothing is to be marked; noise is the same each time")
    func muted() throws {
        let mute = try evaluated(.mute).scores, noise = try evaluated(.noise).scores
        #expect(mute.emptyFrames == 16 && mute.strayArea == 0 && mute.soundingClips == 0)
        #expect(noise.emptyFrames == 16 && noise.strayFrameShare == 100)
        let clip = SquareClips().clip(0)
        let (a, b) = (
            SoundChange.noise.applied(to: clip, number: 3, other: nil),
            SoundChange.noise.applied(to: clip, number: 3, other: nil)
        )
        #expect(a.frames[0].sound == b.frames[0].sound)
        let power = a.frames[0].sound.reduce(0) { $0 + $1 * $1 } / Float(a.frames[0].sound.count)
        #expect(abs(10 * log10(power) + 30) < 0.3)
    }

    @Test("with the sound off the truth stays")
    func off() throws {
        let clip = SyntheticClips(.init(seed: 4, count: 1)).clip(0)
        let deaf = SoundChange.off.applied(to: clip, number: 0, other: nil)
        #expect(deaf.frames.map(\.truth) == clip.frames.map(\.truth))
        #expect(deaf.frames.allSatisfy { $0.sound.allSatisfy { $0 == 0 } })
        #expect(deaf.frames.map(\.sound.count) == clip.frames.map(\.sound.count))
    }

    @Test("swapped clips have another clip's sound and keep their truth")
    func swapped() throws {
        let (clip, other) = (SquareClips().clip(0), SquareClips().clip(1))
        let swapped = SoundChange.swap.applied(to: clip, number: 0, other: other)
        #expect(swapped.frames.map(\.sound) == other.frames.map(\.sound))
        #expect(swapped.frames.map(\.truth) == clip.frames.map(\.truth))
    }

    @Test("in synthetic scenes it is counted whether masks follow the sound")
    func follows() throws {
        let (high, low) = (SquareClips().clip(1), SquareClips().clip(0))
        func marks(_ clip: AnnotatedClip) -> [PredictedFrame] {
            clip.frames.map {
                PredictedFrame(
                    width: 64, height: 64, logits: ($0.truth ?? []).map { $0 == 0 ? -1 : 1 },
                    labels: $0.truth ?? [], objects: [])
            }
        }
        var scores = FollowScores()
        scores.add(marks(high), sounding: high, silent: low)
        #expect(scores.metrics == ["follows": 100, "on_sounding": 100, "unmarked_clips": 0])
        scores.add(marks(low), sounding: high, silent: low)
        let follows = try #require(scores.metrics["follows"])
        #expect(follows >= 50 && follows < 75)
        var nothing = marks(high)
        for index in nothing.indices { nothing[index].logits = nothing[index].logits.map { _ in -1 } }
        scores.add(nothing, sounding: high, silent: low)
        #expect(scores.unmarked == 1 && scores.metrics["follows"] == follows)
        var options = SyntheticClips.Options(seed: 4, count: 6)
        (options.width, options.height, options.frames) = (32, 32, 1)
        var settings = Evaluation.Settings()
        settings.audio = .swap
        var evaluation = Evaluation(BrightPredictor(), SyntheticClips(options), settings)
        try evaluation.run()
        #expect(evaluation.follow.clips > 0 && evaluation.scores.clips == 2 * evaluation.follow.clips)
    }

    @Test("the page holds scores, classes, pictures and the map, safely")
    func page() throws {
        let evaluation = try evaluated(.asRecorded, panels: 3)
        #expect(evaluation.panels.count == 3)
        #expect(evaluation.panels.map(\.title) == ["squares 0", "squares 3", "squares 6"])
        #expect(evaluation.points.count == 32)
        let page = try EvaluationReport(
            evaluation.result(data: "<b>", model: .init(name: "m", sha256: nil), settings: [:]),
            panels: evaluation.panels, points: evaluation.points, classes: SquareClips().classes
        ).html()
        #expect(page.contains("&lt;b&gt;") && !page.contains("<b>") && page.contains("M_F_probability"))
        #expect(page.ranges(of: "<img alt").count == 12 && page.contains("alt=\"sound\""))
        #expect(page.ranges(of: "<circle").count == 16 && page.ranges(of: "<path").count == 16)
        #expect(!page.contains("http"))
    }

    @Test("a spectrogram shows high pitches above low ones")
    func spectrogram() {
        var values = [Float](repeating: -1, count: 4 * 3)
        values[3 * 3 + 2] = 1
        let image = Spectrogram.image(Tensor(values, shape: [4, 3]))
        #expect(image.width == 3 && image.height == 4)
        let brightness = (0..<12).map { i in (0..<3).reduce(0) { $0 + Int(image.pixels[3 * i + $1]) } }
        #expect(brightness.indices.max { brightness[$0] < brightness[$1] } == 2)
    }
}

@Suite("map of embeddings")
struct EmbeddingMapTests {
    @Test("what is alike comes to lie together, and the map repeats")
    func clusters() {
        var random = SplitMix(seed: 2)
        let vectors = (0..<60).map { i in
            (0..<16).map { ($0 / 5 == i % 3 ? 4 : 0) + random.unit() - 0.5 }
        }
        let places = EmbeddingMap(vectors).positions
        #expect(places == EmbeddingMap(vectors).positions)
        for i in places.indices {
            let nearest = places.indices.filter { $0 != i }.min {
                gap(places[$0], places[i]) < gap(places[$1], places[i])
            }
            #expect(nearest.map { $0 % 3 } == i % 3)
        }
    }

    private func gap(_ a: SIMD2<Double>, _ b: SIMD2<Double>) -> Double { ((a - b) * (a - b)).sum() }

    @Test("few or equal points are no trouble")
    func few() {
        #expect(EmbeddingMap([]).positions.isEmpty)
        #expect(EmbeddingMap([[1], [2]]).positions.count == 2)
        let equal = EmbeddingMap(Array(repeating: [1, 2, 3], count: 6)).positions
        #expect(equal.allSatisfy { $0.x.isFinite && $0.y.isFinite })
    }
}
