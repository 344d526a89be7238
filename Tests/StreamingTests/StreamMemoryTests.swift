// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Models
import TensorEngine
import Testing

@testable import Streaming

/// A real model with memory, at the smallest dimensions.
@Suite("Memory in the stream")
struct StreamMemoryTests {
    private static let side = 64
    private static let model = Result {
        var sam2 = SAM2Config(
            version: .v2_0,
            trunk: HieraConfig(
                embedDim: 8, heads: 1, stages: [1, 1, 1, 1], globalAttentionBlocks: [2],
                windows: [8, 4, 4, 2]))
        (sam2.memoryAttentionLayers, sam2.memoryAttentionHidden, sam2.decoderHidden) = (1, 32, 32)
        (sam2.hiddenDim, sam2.memoryDim) = (32, 8)
        var imageBind = ImageBindConfig(
            vision: TowerConfig(dim: 16, blocks: 1, heads: 2),
            audio: TowerConfig(dim: 32, blocks: 1, heads: 2),
            text: TowerConfig(dim: 16, blocks: 1, heads: 2), embeddingDim: 16)
        imageBind.vocabulary = 64
        var config = TAViSConfig(sam2: sam2, imageBind: imageBind)
        (config.imageBindSide, config.queries) = (28, 2)
        return try ModelBundle.seeded(
            BundleInfo(
                name: "smallest", architecture: config, classes: ["background", "dog", "cat"], licences: [],
                provenance: []))
    }

    @Test("a thousand frames take no more memory than a hundred")
    func bounded() throws {
        let segmenter = try segmenter()
        var bytes: [Int: Int] = [:]
        for number in 1...1000 {
            if number % 10 == 1 { _ = segmenter.hear(tone(number % 7)) }
            _ = segmenter.segment(frame(number), slots: nil)
            bytes[number] = segmenter.memoryBytes
        }
        #expect(bytes[1] ?? 0 > 0)
        #expect((bytes[100] ?? 0) > (bytes[1] ?? 0))
        let early = bytes.filter { $0.key <= 100 }.values.max() ?? 0
        let late = bytes.filter { $0.key > 100 }.values.max() ?? .max
        #expect(late <= early)
    }

    @Test("a shot gives the logits that the model gives for its frames")
    func streamingIsOffline() throws {
        let (stream, model) = (try segmenter(), try Self.model.get().model)
        let preparation = FramePreparation(.direct, side: Self.side, imageBindSide: 28)
        let mel = LogMel()(tone(1))
        let prompts = model.audioPrompts(mel: mel.reshaped([1] + mel.shape))
        var memory = SlotMemory(slots: model.config.slots)
        _ = stream.hear(tone(1))
        for number in 0..<6 {
            let pictures = preparation(frame(number))
            let offline = model.segment(
                image: pictures.sam, prompts: prompts, dense: model.densePrompt(image: pictures.imageBind),
                memory: &memory)
            #expect(
                stream.segment(frame(number), slots: nil).values == offline.logits.values, "frame \(number)")
        }
        #expect(stream.memoryBytes == memory.bytes)
    }

    @Test("after a cut the stream goes on as if it began there")
    func cut() throws {
        let (stream, fresh) = (try segmenter(), try segmenter())
        _ = stream.hear(tone(1))
        _ = fresh.hear(tone(1))
        for number in 0..<9 { _ = stream.segment(frame(number), slots: nil) }
        for number in 9..<13 {
            let shown = frame(number, isNight: true)
            #expect(
                stream.segment(shown, slots: nil).values == fresh.segment(shown, slots: nil).values,
                "frame \(number)")
        }
        #expect(stream.memoryBytes == fresh.memoryBytes)
    }

    @Test("without a cut earlier frames are seen")
    func sees() throws {
        let (stream, fresh) = (try segmenter(), try segmenter())
        _ = stream.hear(tone(1))
        _ = fresh.hear(tone(1))
        for number in 0..<3 { _ = stream.segment(frame(number), slots: nil) }
        #expect(stream.segment(frame(3), slots: nil).values != fresh.segment(frame(3), slots: nil).values)
    }

    @Test("a slot forgets when it had another class for two windows, not before")
    func reclassified() {
        var memory = StreamMemory(CountingBanks(), MemorySettings())
        let tokens = Tensor([1, 0, 0, 1], shape: [2, 2])
        memory.hear(tokens: tokens, classes: [1, 2])
        #expect(remembered(&memory) == [0, 0, 0])
        #expect(remembered(&memory) == [1, 1, 1])
        memory.hear(tokens: tokens, classes: [2, 2])
        #expect(remembered(&memory) == [2, 2, 2])
        memory.hear(tokens: tokens, classes: [2, 2])
        #expect(remembered(&memory) == [0, 3, 3])
        // The new class is what it is now.
        memory.hear(tokens: tokens, classes: [2, 2])
        memory.hear(tokens: tokens, classes: [1, 2])
        memory.hear(tokens: tokens, classes: [2, 2])
        memory.hear(tokens: tokens, classes: [1, 2])
        #expect(remembered(&memory) == [1, 4, 4])
    }

    @Test("a slot in which nothing is active forgets after one bank length; the scene's never")
    func inactive() {
        var memory = StreamMemory(CountingBanks(), MemorySettings())
        // Slot 0 has no class, slot 1 no mask.
        memory.hear(tokens: Tensor([1, 0, 0, 1], shape: [2, 2]), classes: [0, 2])
        for count in 0..<7 { #expect(remembered(&memory, masks: [1, -1, -1]) == [count, count, count]) }
        #expect(remembered(&memory, masks: [1, -1, -1]) == [0, 0, 7])
        #expect(remembered(&memory, masks: [1, 1, -1]) == [0, 0, 8])
        #expect(remembered(&memory, masks: [1, 1, -1]) == [0, 1, 9])
    }

    @Test("memories go where their sounds go")
    func follows() {
        var memory = StreamMemory(CountingBanks(), MemorySettings())
        memory.hear(tokens: Tensor([1, 0, 0, 1], shape: [2, 2]), classes: [0, 2])
        for _ in 0..<8 { _ = remembered(&memory) }
        #expect(remembered(&memory) == [0, 8, 8])
        memory.hear(tokens: Tensor([0, 1, 1, 0], shape: [2, 2]), classes: [2, 0])
        #expect(remembered(&memory) == [9, 0, 9])
    }

    @Test("shots: motion and light do not end one, another picture does")
    func shots() {
        var detector = ShotDetector(leastShared: MemorySettings().leastSharedColors)
        // Values outside of 0…1 are no trap.
        let levels: [(Float, Float) -> Float] = [
            { x, _ in x }, { x, _ in x + 0.02 }, { x, y in (x + y / 8).truncatingRemainder(dividingBy: 1) },
            { _, _ in 0.1 }, { _, _ in 0.1 }, { x, _ in 3 * x - 1 },
        ]
        let begins = levels.map { level in detector.begins(with: picture(level)) }
        #expect(begins == [false, false, false, true, false, true])
    }

    @Test(
        "of two real clips one after the other, only the join is a cut",
        .enabled(if: ProcessInfo.processInfo.environment["TAVIS_SHARED"] != nil, "TAVIS_SHARED is not set"))
    func realShots() throws {
        let media = (ProcessInfo.processInfo.environment["TAVIS_SHARED"] ?? "") + "/media/"
        let preparation = FramePreparation(.direct, side: 224, imageBindSide: 112)
        var detector = ShotDetector(leastShared: MemorySettings().leastSharedColors)
        var (cuts, joins, number): ([Int], [Int], Int) = ([], [], 0)
        for clip in ["dog.mp4", "driving.mp4", "dog.mp4"] {
            let reader = try MediaReader(
                media + clip, options: .init(duration: .seconds(3), readsAudio: false))
            if number > 0 { joins.append(number) }
            while let frame = try reader.nextVideoFrame() {
                if detector.begins(with: preparation(frame).imageBind) { cuts.append(number) }
                number += 1
            }
        }
        #expect(joins.count == 2 && cuts == joins)
    }

    // MARK: Helpers

    /// Counts the frames that each of two object slots and the scene remember.
    private struct CountingBanks: SlotBanks {
        var frames = [0, 0, 0]
        mutating func reset() { frames = [0, 0, 0] }
        mutating func reset(slot: Int) { frames[slot] = 0 }
        mutating func permute(_ order: [Int]) { frames = order.map { frames[$0] } }
    }

    /// Gives the memory a frame; tells how many frames each slot remembered before it.
    ///
    /// - Parameter masks: logit of each slot, all over the frame.
    private func remembered(_ memory: inout StreamMemory<CountingBanks>, masks: [Float] = [1, 1, 1]) -> [Int]
    {
        var counts: [Int] = []
        _ = memory.look { slots in
            counts = slots.frames
            slots.frames = counts.map { $0 + 1 }
            return Tensor(masks.flatMap { [Float](repeating: $0, count: 64) }, shape: [3, 8, 8])
        }
        return counts
    }

    private func picture(_ level: (Float, Float) -> Float) -> Tensor {
        Tensor(shape: [1, 16, 16, 3]) { out in
            for index in 0..<16 * 16 {
                let value = level(Float(index % 16) / 16, Float(index / 16) / 16)
                for channel in 0..<3 { out[3 * index + channel] = value }
            }
        }
    }

    private func segmenter() throws -> TAViSSegmenter {
        let bundle = try Self.model.get()
        return TAViSSegmenter(
            bundle.model, bank: try #require(bundle.labelBank), side: Self.side, memory: MemorySettings())
    }

    private func tone(_ step: Int) -> [Float] {
        (0..<32_000).map { 0.5 * sin(Float($0) * (0.1 + 0.05 * Float(step))) }
    }

    /// A pattern that moves; at night it is dark.
    private func frame(_ number: Int, isNight: Bool = false) -> VideoFrame {
        let pixels = (0..<48 * 36 * 3).map { index in
            let value = (index / 3 % 48 + index / 144 + number) % 48 * 5
            return UInt8(isNight ? value / 16 : value)
        }
        return VideoFrame(width: 48, height: 36, pts: .zero, duration: nil, pixels: pixels)
    }
}
