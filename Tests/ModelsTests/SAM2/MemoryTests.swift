// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("SAM 2 memory", .serialized)
struct MemoryTests {
    @Test("encoder and attention equal the reference", arguments: SAM2Golden.all("04", kind: "memory"))
    func parity(_ golden: SAM2Golden) throws {
        let config = try golden.config(), e = config.embeddingSize, S = config.imageSize
        let C = config.hiddenDim, Cm = config.memoryDim
        let model = try Weights.load(golden.source()) { try SAM2($0, config) }
        let encoder = model.memoryEncoder
        let pixels = seededMap("input.pix_feat", [2, C, e, e], scale: 1)
        let logits = seeded("input.mask_logits", [2, 1, S, S], scale: 6)
        let probability = logits.sigmoid()

        try golden.expectMap(
            encoder.maskDownSampler(probability.reshaped(2, S, S, 1)), equals: "memenc.mask_downsampler")
        try golden.expectMap(encoder(pixels, mask: probability), equals: "memenc.features")
        try golden.expectMap(
            encoder(pixels, mask: probability * 20 - 10), equals: "memenc_scaled.features")
        try golden.expectMap(
            sinePositionEncoding(size: e, channels: Cm).repeated(2), equals: "memenc.pos")
        let scores = Tensor([1, -1], shape: [2, 1])
        let memory = model.encodeMemory(pixels, masks: logits, objectScores: scores, fromPrompts: true)
        try golden.expectMap(memory, equals: "encode_new_memory.features")

        for name in golden.golden.tensorNames where name.hasSuffix(".out") {
            try attention(golden, model, String(name.dropLast(4)))
        }
    }

    private func attention(_ golden: SAM2Golden, _ model: SAM2, _ name: String) throws {
        let e = model.config.embeddingSize, C = model.config.hiddenDim, Cm = model.config.memoryDim
        // `attn_3mem_64ptr`: whole memories, then single pointer tokens.
        let counts = name.split(separator: "_").compactMap { Int($0.prefix { $0.isNumber }) }
        let pointerTokens = counts.count > 1 ? counts[1] : 0, tokens = counts[0] * e * e + pointerTokens
        func input(_ part: String, _ count: Int, _ dim: Int) -> Tensor {
            seeded("input.\(part)", [count, 2, dim], scale: 1).permuted(1, 0, 2)
        }
        let result = model.memoryAttention(
            input("curr", e * e, C).reshaped(2, e, e, C),
            positions: input("curr_pos", e * e, C).reshaped(2, e, e, C),
            memory: MemoryTokens(
                values: input("\(name).memory", tokens, Cm),
                positions: input("\(name).memory_pos", tokens, Cm),
                pointerTokens: pointerTokens)
        ) { part, value in
            guard golden.golden.has("\(name).\(part)") else { return }
            #expect(throws: Never.self) { try golden.expect(value, equals: "\(name).\(part)") }
        }
        try golden.expect(result.reshaped(2, e * e, C).permuted(1, 0, 2), equals: name + ".out")
    }

    @Test("bfloat16 rounding goes to the nearest, ties to even")
    func rounding() {
        let values: [Float] = [1, 1 + 0x1p-8, 1 + 0x1.8p-7, 1 + 0x1p-7, -1 - 0x1.1p-8, 0, 3.1415927]
        let expected: [Float] = [1, 1, 1 + 0x1p-6, 1 + 0x1p-7, -1 - 0x1p-7, 0, 3.140625]
        #expect(Tensor(values, shape: [7]).roundedToBFloat16().values == expected)
    }

    private func output(_ value: Float) -> FrameOutput {
        FrameOutput(
            memory: Tensor([1, 1, 1, 1], filled: value), pointer: Tensor([1, 1], filled: value), masks: nil,
            objectScore: 1, iou: 1, candidateIoU: [1])
    }

    private func read(_ bank: MemoryBank, _ frame: Int, _ config: SAM2Config, limit: Int = 16) -> (
        [[Int]], [[Int]]
    ) {
        let (memories, pointers) = bank.read(at: frame, config, pointerLimit: limit)
        return (
            memories.map { [Int($0.output.pointer.scalar), $0.time] },
            pointers.map { [Int($0.pointer.scalar), $0.distance] }
        )
    }

    @Test("a frame looks at all conditioning frames and the last six others, oldest first")
    func reading() {
        var bank = MemoryBank(), config = SAM2Config.tinyGolden
        for frame in 1..<30 where frame != 10 { bank.tracked[frame] = output(Float(frame)) }
        bank.setConditioning(output(10), at: 10)
        bank.setConditioning(output(0), at: 0)
        var (memories, pointers) = read(bank, 14, config)
        #expect(memories == [[10, 6], [0, 6], [8, 5], [9, 4], [11, 2], [12, 1], [13, 0]])
        #expect(pointers.prefix(3) == [[10, 4], [0, 14], [13, 1]])
        #expect(pointers.count == 2 + 12)
        // A conditioning frame in the future is a memory, not a pointer.
        (memories, pointers) = read(bank, 5, config)
        #expect(memories.prefix(2) == [[10, 6], [0, 6]])
        #expect(pointers.map { $0[0] } == [0, 4, 3, 2, 1])
        // Pointers reach back as far as the clip is long.
        #expect(read(bank, 14, config, limit: 4).1.count == 2 + 3)

        config.memoryStride = 3
        (memories, _) = read(bank, 14, config)
        #expect(memories == [[10, 6], [0, 6], [3, 4], [6, 3], [9, 2], [12, 1], [13, 0]])

        config.memoryStride = 1
        bank.setConditioning(output(13), at: 13)
        config.maxConditioningFrames = 2
        (memories, _) = read(bank, 14, config)
        // The nearest before, then the nearest of the rest; an unselected one counts as an ordinary frame.
        #expect(memories.prefix(2) == [[13, 6], [10, 6]])
        config.maxConditioningFrames = 1
        (memories, pointers) = read(bank, 14, config)
        #expect(memories == [[13, 6], [8, 5], [9, 4], [10, 3], [11, 2], [12, 1]])
        #expect(pointers[0] == [13, 1] && pointers.contains([10, 4]))
    }

    @Test("forgetting changes nothing that later frames look at", arguments: [1, 3], [nil, 2, 3])
    func forgetting(stride: Int, limit: Int?) {
        var config = SAM2Config.tinyGolden
        config.memoryStride = stride
        config.maxConditioningFrames = limit
        var whole = MemoryBank()
        whole.setConditioning(output(0), at: 0)
        var bounded = whole
        for frame in 1..<80 {
            let (a, b) = (read(whole, frame, config), read(bounded, frame, config))
            #expect(a.0 == b.0 && a.1 == b.1, "frame \(frame)")
            for isBounded in [false, true] {
                var bank = isBounded ? bounded : whole
                if frame % 17 == 3 {
                    bank.setConditioning(output(Float(frame)), at: frame)
                } else {
                    bank.tracked[frame] = output(Float(frame))
                }
                if isBounded { bank.forget(before: frame, conditioningLimit: limit ?? 100, config) }
                if isBounded { bounded = bank } else { whole = bank }
            }
        }
        #expect(bounded.tracked.count <= 16 + 5 * stride)
    }
}
