// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import Testing

@testable import Training

@Suite("scores of clips")
struct ClipScoresTests {
    /// Two frames of 4 × 4 with a column of class 2, 1 in the second, and nothing in the third.
    private let clip = AnnotatedClip(
        name: "columns",
        frames: [
            Self.frame { $0 % 4 == 0 ? 2 : 0 }, Self.frame { $0 % 4 < 2 ? 1 : 0 }, Self.frame { _ in 0 },
        ])

    private static func frame(_ truth: (Int) -> UInt8) -> AnnotatedFrame {
        AnnotatedFrame(
            image: RGBImage(width: 4, height: 4, pixels: [UInt8](repeating: 9, count: 48)),
            truth: (0..<16).map(truth), sound: [])
    }

    /// Marks exactly the truth, shifted to another class where asked for.
    private func prediction(classShift: Int = 0) -> [PredictedFrame] {
        clip.frames.map { frame in
            let truth = frame.truth ?? []
            return PredictedFrame(
                width: 4, height: 4, logits: truth.map { $0 == 0 ? -3 : 3 },
                labels: truth.map { $0 == 0 ? 0 : $0 + UInt8(classShift) },
                objects: Set(truth).subtracting([0]).map { label in
                    PredictedFrame.Object(
                        classIndex: Int(label) + classShift, mask: truth.map { $0 == label })
                } + [PredictedFrame.Object(classIndex: 0, mask: truth.map { _ in true })])
        }
    }

    @Test("what is perfect scores perfectly")
    func perfect() {
        var scores = ClipScores()
        scores.add(prediction(), clip)
        #expect(abs(scores.overlap - 100) < 1e-3 && abs(scores.fMeasure - 1) < 1e-5)
        #expect(scores.coveredShare == 100 && scores.namedRight == 100)
        #expect(scores.strayArea == 0 && scores.strayFrameShare == 0)
        #expect((scores.clips, scores.frames, scores.emptyFrames, scores.soundingClips) == (1, 3, 1, 1))
    }

    @Test("a wrong class costs the name only")
    func wrongClass() {
        var scores = ClipScores()
        scores.add(prediction(classShift: 1), clip)
        #expect(abs(scores.overlap - 100) < 1e-3)
        #expect(scores.coveredShare == 100 && scores.namedRight == 0)
    }

    @Test("marks where nothing sounds are counted by pixels and frames")
    func stray() {
        var scores = ClipScores()
        var found = prediction()
        for pixel in 0..<4 { found[2].logits[pixel] = 1 }
        scores.add(found, clip)
        #expect(scores.strayArea == 25 && scores.strayFrameShare == 100)
        // The third frame leaves 12 of 16 pixels empty.
        #expect(abs(scores.overlap - 100 * (1 + 1 + 0.75) / 3) < 1e-3)
    }

    @Test("frames on which a class shows less than half of its most are judged by themselves, too")
    func hidden() {
        var scores = ClipScores()
        scores.add(prediction(), clip)
        #expect(scores.metrics["hidden_M_J"] == nil)
        var clip = clip, found = prediction()
        // Of the four pixels of class 2 one is left, and all four are marked.
        clip.frames[2] = Self.frame { $0 == 0 ? 2 : 0 }
        found[2].logits = found[0].logits
        scores.add(found, clip)
        #expect(scores.metrics["hidden_M_J"] == 25)
    }

    @Test("frames without a truth, and slots of the background, do not count")
    func leftOut() {
        var scores = ClipScores(), clip = clip
        clip.frames[0].truth = nil
        var found = prediction()
        found[1].objects.removeAll { $0.classIndex != 0 }
        scores.add(found, clip)
        #expect(scores.frames == 2 && scores.coveredShare == 0)
        #expect(scores.metrics["named_right"] == nil)
        clip.frames = clip.frames.map { AnnotatedFrame(image: $0.image, truth: nil, sound: []) }
        scores.add(found, clip)
        #expect(scores.clips == 1)
    }

    @Test("the truth is taken at the prediction's size")
    func resized() {
        var scores = ClipScores()
        let found = clip.frames.map { frame in
            let truth = frame.labels(width: 8, height: 8) ?? []
            return PredictedFrame(
                width: 8, height: 8, logits: truth.map { $0 == 0 ? -3 : 3 }, labels: truth, objects: [])
        }
        #expect(found[0].labels.count { $0 == 2 } == 16)
        scores.add(found, clip)
        #expect(abs(scores.overlap - 100) < 1e-3)
    }

    @Test("classes are judged by pixel on the frames on which they occur")
    func semantic() {
        var scores = SemanticScores(classes: ["background", "a", "b", "c"])
        var found = prediction()
        // Half of the column gets no class.
        found[0].labels = (0..<16).map { $0 % 4 == 0 && $0 < 8 ? 2 : 0 }
        scores.add(found, clip)
        let classes = scores.classes
        #expect(classes.map(\.frames) == [3, 1, 1, 0])
        #expect(classes[1].overlap == 100 && classes[2].overlap == 50 && classes[3].overlap == 0)
        // Precision 1, recall ½.
        #expect(abs(classes[2].fMeasure - 1.3 * 0.5 / (0.3 + 0.5)) < 1e-9)
        let background = 100 * (12.0 / 14 + 1 + 1) / 3
        #expect(abs(classes[0].overlap - background) < 1e-9)
        #expect(abs((scores.metrics["semantic_M_J"] ?? 0) - (background + 150) / 4) < 1e-9)
        #expect(abs((scores.metrics["semantic_M_J_occurring"] ?? 0) - (background + 150) / 3) < 1e-9)
    }

    @Test("seen and unseen classes are judged over the pixels of all frames together")
    func openVocabulary() {
        var scores = SemanticScores(classes: avsBenchClasses)
        scores.add(prediction(), clip)
        // Of the two classes, 1 is unseen and 2 is seen; all is right.
        #expect(scores.metrics["seen_mIoU"] == 100 && scores.metrics["unseen_mIoU"] == 100)
        let before = (clip.frames.flatMap { $0.truth ?? [] }).count { $0 == 1 }
        var found = prediction()
        for i in found.indices { found[i].labels = found[i].labels.map { $0 == 1 ? 3 : $0 } }
        scores.add(found, clip)
        // Class 1: half of its pixels right. Class 3, also unseen, is marked but never true.
        #expect(before > 0 && scores.metrics["unseen_mIoU"] == 25)
        #expect(scores.metrics["seen_mIoU"] == 100)
        #expect(SemanticScores(classes: ["background", "a"]).metrics["unseen_mIoU"] == nil)
    }
}
