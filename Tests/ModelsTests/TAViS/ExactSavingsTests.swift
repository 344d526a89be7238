// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import TestSupport
import Testing

@testable import Models

/// Less work, the same numbers: what is left out or done together changes nothing.
@Suite("exact savings of TAViS")
struct ExactSavingsTests {
    private static let side = 64
    private static let model = Result {
        var config = TAViSConfig.mini
        config.sam2.trunk.stages = [1, 1, 1, 1]
        config.sam2.trunk.globalAttentionBlocks = [2]
        config.sam2.trunk.embedDim = 8
        config.sam2.trunk.windows = [8, 4, 4, 2]
        config.imageBind.audio.blocks = 1
        config.imageBind.vision.blocks = 1
        config.imageBind.text.blocks = 3
        return try Weights.load(SeededSource()) { try TAViS($0, config) }
    }

    private func noise(_ name: String, _ shape: [Int]) -> Tensor {
        Tensor(SeededWeights.input("input.savings.\(name)", shape: shape, scale: 1), shape: shape)
    }

    private struct Inputs {
        var prompts, scene: TAViS.AudioPrompts
        var dense, image: Tensor
    }

    private func inputs(_ model: TAViS, _ number: Int, samples: Int = 1) -> Inputs {
        let mel = noise("mel\(number)", [samples, 128, 204])
        let small = model.config.imageBindSide
        return Inputs(
            prompts: model.audioPrompts(mel: mel), scene: model.audioPrompts(mel: mel, sceneOnly: true),
            dense: model.densePrompt(image: noise("small\(number)", [samples, small, small, 3])),
            image: noise("image\(number)", [samples, Self.side, Self.side, 3]))
    }

    @Test("rows of several lengths go through the text tower as each does alone, up to its own position")
    func textRows() throws {
        let tower = try Self.model.get().imageBind.text
        let config = try Self.model.get().config
        let x = noise("text", [6, config.pseudoTextTokens, config.imageBind.text.dim])
        let select = [2, 0, 5, 2, 4, 0]
        let found = tower.trunk(x, select: select)
        for (row, position) in select.enumerated() {
            // All positions of all blocks.
            let states = tower.states(x[rows: row..<row + 1])
            let expected = states.sliced(axis: 1, position..<position + 1).values
            expectClose(found[row: row].values, expected, "row \(row)")
        }
        #expect(TokenRows(lengths: [3, 1, 6, 3, 5, 1]).tokens.count == 19)
    }

    @Test("the scene's prompt and mask alone are those that it has among all")
    func scene() throws {
        let model = try Self.model.get(), last = model.config.queries
        let found = inputs(model, 0, samples: 2)
        #expect(found.scene.slots == 1 && found.scene.objects.shape[1] == 0)
        expectClose(
            found.scene.sparse.values,
            found.prompts.sparse.sliced(axis: 1, last..<last + 1).values, "prompt")
        let all = model.segment(image: found.image, prompts: found.prompts, dense: found.dense)
        let alone = model.segment(image: found.image, prompts: found.scene, dense: found.dense)
        let side = Self.side / 4
        let expected = all.logits.reshaped(2, last + 1, side, side).sliced(axis: 1, last..<last + 1)
        expectClose(alone.logits.values, expected.values, "logits")
    }

    @Test("slots decoded apart, also with memory, are those that they are among all")
    func someSlots() throws {
        let model = try Self.model.get(), slots = model.config.slots
        var whole = SlotMemory(slots: slots), part = SlotMemory(slots: slots)
        var scene = SlotMemory(slots: 1)
        for number in 0..<4 {
            let found = inputs(model, number)
            let all = model.segment(
                image: found.image, prompts: found.prompts, dense: found.dense, memory: &whole)
            let some = model.segment(
                image: found.image, prompts: found.prompts, dense: found.dense, memory: &part, slots: [3, 1])
            let alone = model.segment(
                image: found.image, prompts: found.scene, dense: found.dense, memory: &scene)
            expectClose(some.logits.values, all.logits.gathered([3, 1]).values, "frame \(number)")
            expectClose(alone.logits.values, all.logits[row: slots - 1].values, "scene, frame \(number)")
        }
        #expect(scene.bytes * slots == whole.bytes && part.bytes * slots == whole.bytes * 2)
    }

    @Test("slots that remember the same moments go through memory attention together, others apart")
    func together() throws {
        let model = try Self.model.get(), slots = model.config.slots
        var memory = SlotMemory(slots: slots)
        var single = (0..<slots).map { _ in SlotMemory(slots: slots) }
        for number in 0..<5 {
            // Slot 1 begins afresh at frame 2, slot 4 misses frame 3.
            if number == 2 {
                memory.reset(slot: 1)
                single[1].reset(slot: 1)
            }
            let chosen = (0..<slots).filter { number != 3 || $0 != 4 }
            let found = inputs(model, number, samples: 1)
            let features = model.features(image: found.image, prompts: found.prompts)
            var attended: Tensor?
            let all = model.segment(
                features, prompts: found.prompts, dense: found.dense, memory: &memory, slots: chosen
            ) { name, value in if name == "memory_attention" { attended = value } }
            for slot in 0..<slots {
                let own = chosen.contains(slot) ? [slot] : []
                guard !own.isEmpty else {
                    // Time passes for it all the same.
                    _ = model.segment(
                        features, prompts: found.prompts, dense: found.dense, memory: &single[slot],
                        slots: [(slot + 1) % slots])
                    continue
                }
                let alone = model.segment(
                    features, prompts: found.prompts, dense: found.dense, memory: &single[slot], slots: own)
                let row = chosen.firstIndex(of: slot) ?? 0
                expectClose(
                    alone.logits.values, all.logits[row: row].values, "frame \(number), slot \(slot)")
            }
            #expect((attended == nil) == (number == 0))
        }
    }

    @Test("a look back that is not kept leaves the memory as it is")
    func looksOnly() throws {
        let model = try Self.model.get()
        var memory = SlotMemory(slots: model.config.slots)
        let (first, second) = (inputs(model, 0), inputs(model, 1))
        _ = model.segment(image: first.image, prompts: first.prompts, dense: first.dense, memory: &memory)
        let bytes = memory.bytes
        func look() -> [Float] {
            model.segment(
                image: second.image, prompts: second.prompts, dense: second.dense, memory: &memory,
                remembers: false
            ).logits.values
        }
        let once = look()
        #expect(look() == once && memory.bytes == bytes)
        let bare = model.segment(image: second.image, prompts: second.prompts, dense: second.dense)
        #expect(bare.logits.values != once)
    }
}
