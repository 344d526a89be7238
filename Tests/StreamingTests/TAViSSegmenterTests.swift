// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Models
import Streaming
import TensorEngine
import Testing

/// The real model at tiny dimensions, with weights seeded by their names.
@Suite("TAViS in the stream")
struct TAViSSegmenterTests {
    private static let bundle = Result { try tiny(imageBlocks: 1) }

    private static func tiny(imageBlocks: Int) throws -> ModelBundle {
        var sam2 = SAM2Config(
            version: .v2_0,
            trunk: HieraConfig(
                embedDim: 16, heads: 1, stages: [1, 1, 2, 1], globalAttentionBlocks: [2],
                windows: [8, 4, 14, 7]))
        (sam2.memoryAttentionLayers, sam2.memoryAttentionHidden, sam2.decoderHidden) = (1, 64, 64)
        var imageBind = ImageBindConfig(
            vision: TowerConfig(dim: 32, blocks: imageBlocks, heads: 2),
            audio: TowerConfig(dim: 64, blocks: 1, heads: 2),
            text: TowerConfig(dim: 32, blocks: 1, heads: 2), embeddingDim: 32)
        imageBind.vocabulary = 64
        return try ModelBundle.seeded(
            BundleInfo(
                name: "tiny", architecture: TAViSConfig(sam2: sam2, imageBind: imageBind),
                classes: ["background", "dog", "cat"], licences: [], provenance: []))
    }
    private let folder = Folder()

    @Test("frames pushed one by one give the logits of the whole clip", arguments: [false, true])
    func streamingIsOffline(remembers: Bool) throws {
        let input = try folder.clip(frames: 6)
        var settings = StreamSession.Settings()
        settings.economy.audioHop = .milliseconds(200)
        settings.outputs.logits = folder.path("l")
        _ = try StreamSession(input, settings).run(try segmenter(remembers: remembers))

        // Offline: all sound first, then each frame with the window that is due.
        let reader = try MediaReader(input)
        var samples: [Float] = []
        while let block = try reader.nextAudioBlock() { samples += block.samples }
        let sound = Resampler.resampled(samples, from: 48_000, to: 16_000)
        let offline = try segmenter(remembers: remembers)
        var number = 0
        while let frame = try reader.nextVideoFrame() {
            // The frame at 0 has heard nothing; from 0.1 s on, a window serves two frames.
            let end = number == 0 ? 0 : (number + 1) / 2 * 2 - 1
            if number == 0 {
                _ = offline.hear([Float](repeating: 0, count: 32_000))
            } else if number % 2 == 1 {
                _ = offline.hear(Array(sound[0..<end * 1600]))
            }
            let file = try SafetensorsFile(path: folder.path("l") + "/00000\(number).safetensors")
            #expect(
                try file.tensors.first?.readFloats() == offline.segment(frame, slots: nil).values,
                "frame \(number)")
            number += 1
        }
        #expect(number == 6)
    }

    @Test("the sound changes what is marked, and one slot stands for each part and the scene")
    func listens() throws {
        let segmenter = try segmenter()
        let frame = VideoFrame(
            width: 80, height: 60, pts: .zero, duration: nil,
            pixels: (0..<80 * 60 * 3).map { UInt8($0 % 251) })
        let heard = segmenter.hear((0..<32_000).map { 0.5 * sin(Float($0) * 0.2) })
        let first = segmenter.segment(frame, slots: nil)
        _ = segmenter.hear((0..<32_000).map { 0.5 * sin(Float($0) * Float($0) * 1e-5) })
        #expect(heard.parts.count == 5)
        #expect(heard.scene.count == 3)
        #expect(first.shape == [6, 56, 56])
        #expect(first.values != segmenter.segment(frame, slots: nil).values)
    }

    @Test("looking at an object adds what it is like to what it sounds like")
    func looks() throws {
        let frame = VideoFrame(
            width: 80, height: 60, pts: .zero, duration: nil,
            pixels: (0..<80 * 60 * 3).map { UInt8($0 * 7 % 253) })
        let samples = (0..<32_000).map { 0.5 * sin(Float($0) * 0.2) }
        let deaf = try segmenter()
        _ = (deaf.hear(samples), deaf.segment(frame, slots: nil))
        #expect(deaf.look(at: [0, 1]) == nil)

        let segmenter = try segmenter(evidence: .audioAndImage)
        let heard = segmenter.hear(samples)
        let logits = segmenter.segment(frame, slots: nil)
        let found = try #require(segmenter.look(at: [3, 1]))
        #expect(found.count == 2)
        for (slot, scores) in zip([3, 1], found) {
            // The published rule: the mean of both softmax rows, at the size of the published evaluation.
            let bundle = try Self.bundle.get()
            let picture = FramePreparation(.direct, side: 224, imageBindSide: 112)(frame).plain
            let mask = resizeBilinear(logits[row: slot].reshaped(1, 56, 56, 1), height: 224, width: 224)
            let image = softmax(
                bundle.model.imageTextLogits(
                    image: picture, logits: mask.reshaped(1, 224, 224), try #require(bundle.labelBank)))
            let expected = zip(heard.parts[slot].probabilities, image.values).map { ($0 + $1) / 2 }
            #expect(zip(scores, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "slot \(slot)")
            #expect(scores != heard.parts[slot].probabilities)
        }
    }

    private func frame(_ number: Int, isNight: Bool = false) -> VideoFrame {
        VideoFrame(
            width: 80, height: 60, pts: .milliseconds(Int64(number) * 40), duration: nil,
            pixels: (0..<80 * 60 * 3).map { UInt8(isNight ? 0 : ($0 + 3 * number) % 251) })
    }

    @Test("an image token serves for its time, not over a cut, and is made anew when no new sound is")
    func imageHop() throws {
        let samples = (0..<32_000).map { 0.5 * sin(Float($0) * 0.2) }
        var economy = Economy()
        economy.imageHop = .milliseconds(200)
        let saving = try segmenter()
        saving.use(economy)
        _ = saving.hear(samples)
        // Whether a frame got its own token shows in its masks.
        let fresh = (0..<14).map { number in
            if number == 10 { _ = saving.hear(samples) }
            let shown = frame(number, isNight: number >= 12)
            let full = try? segmenter()
            _ = full?.hear(samples)
            return saving.segment(shown, slots: [0, 5]).values == full?.segment(shown, slots: [0, 5]).values
        }
        #expect(fresh.indices.filter { fresh[$0] } == [0, 5, 11, 12, 13])
    }

    @Test("an image token whose work is spread serves from the last frame of its hop, the same token")
    func spreadImageToken() throws {
        let bundle = try Self.tiny(imageBlocks: 10)
        func make(imageHop: MediaTime, spreads: Bool) throws -> TAViSSegmenter {
            let made = TAViSSegmenter(bundle.model, bank: try #require(bundle.labelBank), side: 224)
            var economy = Economy()
            (economy.imageHop, economy.spreads) = (imageHop, spreads)
            made.use(economy)
            _ = made.hear((0..<32_000).map { 0.5 * sin(Float($0) * 0.2) })
            return made
        }
        let saving = try make(imageHop: .milliseconds(200), spreads: true)
        // Whose token a frame has shows in its masks.
        let tokens = try (0..<15).map { number in
            let masks = saving.segment(frame(number), slots: [0]).values
            return try [0, 5, 10].filter { $0 <= number }.last { first in
                let other = try make(imageHop: .seconds(9), spreads: false)
                if first < number { _ = other.segment(frame(first), slots: [0]) }
                return other.segment(frame(number), slots: [0]).values == masks
            }
        }
        #expect(tokens == [0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5, 5, 5, 10])
    }

    @Test("what sounds as a whole is one object, named after what is heard")
    func scene() throws {
        let bundle = try Self.bundle.get()
        let binary = TAViSSegmenter(
            bundle.model, bank: try #require(bundle.labelBank), side: 224, task: .scene)
        let full = try segmenter()
        let samples = (0..<32_000).map { 0.5 * sin(Float($0) * 0.2) }
        let (heard, all) = (binary.hear(samples), full.hear(samples))
        #expect(heard.parts.count == 1 && heard.scene == heard.parts[0].probabilities)
        #expect(zip(heard.scene, all.scene).allSatisfy { abs($0 - $1) < 1e-5 })
        let (mask, masks) = (binary.segment(frame(1), slots: nil), full.segment(frame(1), slots: [5]))
        #expect(mask.shape == [1, 56, 56])
        #expect(zip(mask.values, masks.values).allSatisfy { abs($0 - $1) < 1e-4 })
    }

    @Test("with memory, frames are remembered as often as is asked for")
    func memoryHop() throws {
        var economy = Economy()
        economy.memoryHop = .milliseconds(120)
        let saving = try segmenter(remembers: true)
        saving.use(economy)
        _ = saving.hear((0..<32_000).map { 0.5 * sin(Float($0) * 0.2) })
        let bytes = (0..<8).map { number in
            _ = saving.segment(frame(number), slots: nil)
            return saving.memoryBytes
        }
        #expect(bytes.indices.filter { $0 > 0 && bytes[$0] > bytes[$0 - 1] } == [3, 6])
    }

    @Test("the official preparation gives the picture that ImageBind's own gives")
    func preparation() throws {
        let pixels = (0..<224 * 224 * 3).map { UInt8(truncatingIfNeeded: $0 / 672 + $0 % 224) }
        let frame = VideoFrame(width: 224, height: 224, pts: .zero, duration: nil, pixels: pixels)
        let expected = ImagePreprocessor.tavisImage(pixels, width: 224, height: 224, stages: [1024, 224])
        let official = FramePreparation(.official, side: 224, imageBindSide: 112)(frame)
        let difference = zip(official.imageBind.values, expected.values).map { abs($0 - $1) }.max() ?? 1
        #expect(difference < 1e-6)
        #expect(official.sam.shape == [1, 224, 224, 3])
    }

    private func segmenter(
        remembers: Bool = false, evidence: TAViSSegmenter.ClassEvidence = .audio
    ) throws -> TAViSSegmenter {
        let bundle = try Self.bundle.get()
        return TAViSSegmenter(
            bundle.model, bank: try #require(bundle.labelBank), side: 224, evidence: evidence,
            memory: remembers ? MemorySettings() : nil)
    }
}
