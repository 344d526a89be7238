// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine

/// Stages that share weights: these are made for the first stage that is wanted, and freed after the last.
struct StageGroup {
    let names: [String]
    private let body: (inout Bench) throws -> Void

    init<Model>(_ make: @escaping () throws -> Model, _ stages: [Stage<Model>]) {
        names = stages.map(\.name)
        body = { bench in
            guard stages.contains(where: { bench.wants($0.name) }) else { return }
            let model = try make()
            for stage in stages where bench.wants(stage.name) {
                let run = stage.prepare(model)
                bench.time(stage.name, gmac: stage.gmac, partOf: stage.whole, run)
            }
        }
    }

    func run(_ bench: inout Bench) throws { try body(&bench) }
}

struct Stage<Model> {
    let name: String
    let gmac: Double
    var whole: String?
    /// Makes the inputs; what it returns is timed.
    let prepare: (Model) -> () -> Void

    init(
        _ name: String, gmac: Double, partOf whole: String? = nil, _ prepare: @escaping (Model) -> () -> Void
    ) {
        self.name = name
        self.gmac = gmac
        self.whole = whole
        self.prepare = prepare
    }
}

enum StageGroups {
    static func all(variants: [String]) -> [StageGroup] {
        [products] + variants.map(encoder) + [imageBind, heads, frame] + training
    }

    private static func noise(_ name: String, _ shape: [Int]) -> Tensor {
        Tensor(SeededWeights.input(name, shape: shape, scale: 1), shape: shape)
    }

    // MARK: Matrix products

    /// M×N×K of x · Wᵀ as they occur in the models, on all threads.
    private static let productShapes = [
        (6, 4096, 1024), (65, 5120, 1280), (229, 3072, 768), (257, 5120, 1280), (196, 2304, 576),
        (784, 256, 256),
        (1176, 2048, 256), (3136, 432, 144), (4096, 2304, 576),
    ]

    private static var products: StageGroup {
        StageGroup(
            {},
            productShapes.map { m, n, k in
                return Stage("linear-\(m)x\(n)x\(k)", gmac: Double(m * n * k) / 1e9) {
                    let x = noise("x", [m, k]), weight = noise("weight", [n, k])
                    return { _ = linear(x, weight) }
                }
            })
    }

    // MARK: SAM 2

    private static func encoder(_ letter: String) -> StageGroup {
        let names = ["t": "tiny", "s": "small", "b": "base_plus", "l": "large"]
        let work = EncoderWork.variants[letter] ?? []
        return StageGroup(
            {
                guard let config = SAM2Config.named(names[letter] ?? letter, version: .v2_1) else {
                    throw SAM2Error.unknownVariant(embedDim: 0, blocks: 0)
                }
                return try Weights.load(SeededSource()) { try ImageEncoder($0, config) }
            },
            zip(EncoderWork.sizes, work).map { size, gmac in
                Stage("sam2-\(letter)-encoder-\(size)", gmac: gmac) { (encoder: ImageEncoder) in
                    let image = noise("image", [1, size, size, 3])
                    return { _ = encoder(image) }
                }
            })
    }

    /// Parts that all variants share.
    private struct Heads {
        let attention: MemoryAttention
        let encoder: MemoryEncoder

        init(_ weights: Weights) throws {
            let config = SAM2Config.tiny()
            attention = try MemoryAttention(weights["memory_attention"], config)
            encoder = try MemoryEncoder(weights["memory_encoder"], config)
        }
    }

    private static let rememberedFrames = 7, rememberedPointers = 16

    private static var heads: StageGroup {
        StageGroup(
            { try Weights.load(SeededSource()) { try Heads($0) } },
            EncoderWork.sizes.flatMap { size in [memoryAttention(size), memoryEncoder(size)] })
    }

    private static func memoryAttention(_ size: Int) -> Stage<Heads> {
        let side = size / 16, keys = rememberedFrames * side * side + 4 * rememberedPointers
        let gmac = ObjectWork.memoryAttention(
            size: size, frames: Double(rememberedFrames), pointers: Double(rememberedPointers))
        return Stage("sam2-memory-attention-\(size)", gmac: gmac) { heads in
            let image = noise("image", [1, side, side, 256]),
                positions = noise("positions", [1, side, side, 256])
            let memory = MemoryTokens(
                values: noise("values", [1, keys, 64]), positions: noise("places", [1, keys, 64]),
                pointerTokens: 4 * rememberedPointers)
            return { _ = heads.attention(image, positions: positions, memory: memory) }
        }
    }

    private static func memoryEncoder(_ size: Int) -> Stage<Heads> {
        Stage("sam2-memory-encoder-\(size)", gmac: ObjectWork.memoryEncoder(size: size)) { heads in
            let image = noise("image", [1, size / 16, size / 16, 256]),
                mask = noise("mask", [1, 1, size, size])
            return { _ = heads.encoder(image, mask: mask) }
        }
    }

    // MARK: ImageBind

    private static var imageBind: StageGroup {
        StageGroup(
            { try Weights.load(SeededSource()) { try ImageBind($0, .huge) } },
            [image(224), image(112), audio, text(1), text(6), pseudoText])
    }

    private static func image(_ side: Int) -> Stage<ImageBind> {
        Stage("imagebind-image-\(side)", gmac: TowerWork.image(side: side)) { model in
            let image = noise("image", [1, side, side, 3])
            return {
                let token = model.vision.trunk(image, firstTokenOnly: true)
                _ = model.vision.head(token.reshaped(1, -1))
            }
        }
    }

    private static var audio: Stage<ImageBind> {
        Stage("imagebind-audio", gmac: TowerWork.audio) { model in
            let mel = noise("mel", [1, 128, 204])
            return {
                let tokens = model.audio.trunk(mel)
                _ = model.audio.head(tokens.sliced(axis: 1, 0..<1).reshaped(1, -1))
            }
        }
    }

    /// All 77 positions, as the reference computes them for any text.
    private static func text(_ rows: Int) -> Stage<ImageBind> {
        Stage("imagebind-text-\(rows)", gmac: Double(rows) * TowerWork.text(tokens: 77)) { model in
            let ids = (0..<rows).map { row in (0..<77).map { 1 + (row * 77 + $0) * 631 % 49000 } }
            return {
                let states = model.text.trunk(
                    model.text.embed(ids), select: Array(repeating: 76, count: rows))
                _ = model.text.head(states)
            }
        }
    }

    private static var pseudoText: Stage<ImageBind> {
        Stage("imagebind-pseudo-text", gmac: 6 * TowerWork.text(tokens: 6)) { model in
            let embeddings = noise("embeddings", [6, 6, 1024])
            return { _ = model.text.trunk(embeddings, select: Array(repeating: 5, count: 6)) }
        }
    }

    // MARK: TAViS

    private static let wholeFrame = "tavis-l-frame-224"

    /// One frame and its sound, as in the official test: audio, prompts, image token, encoder, six masks.
    private static var frame: StageGroup {
        let encoder = EncoderWork.variants["l"]?[0] ?? 0,
            decoder = 6 * ObjectWork.maskDecoder(size: 224, tokens: 7)
        let all = TowerWork.audio + TowerWork.prompts + TowerWork.image(side: 112) + encoder + decoder
        return StageGroup(
            { try Weights.load(SeededSource()) { try TAViS($0, .large) } },
            [
                Stage(wholeFrame, gmac: all) { model in
                    let input = FrameInput()
                    return {
                        let prompts = model.audioPrompts(mel: input.mel)
                        _ = model.segment(
                            image: input.image, prompts: prompts, dense: model.densePrompt(image: input.small)
                        )
                    }
                },
                Stage("tavis-audio", gmac: TowerWork.audio, partOf: wholeFrame) { model in
                    let input = FrameInput()
                    return { _ = model.imageBind.audio.trunk(input.mel) }
                },
                Stage("tavis-ibqd-prompts", gmac: TowerWork.prompts, partOf: wholeFrame) { model in
                    let tokens = model.imageBind.audio.trunk(FrameInput().mel)
                    return { _ = model.audioPrompts(tokens: tokens) }
                },
                Stage("tavis-image-token", gmac: TowerWork.image(side: 112), partOf: wholeFrame) { model in
                    let input = FrameInput()
                    return { _ = model.densePrompt(image: input.small) }
                },
                Stage("tavis-l-encoder-224", gmac: encoder, partOf: wholeFrame) { model in
                    let input = FrameInput(), prompts = model.audioPrompts(mel: input.mel)
                    return { _ = model.features(image: input.image, prompts: prompts) }
                },
                Stage("tavis-decoder-6-slots", gmac: decoder, partOf: wholeFrame) { model in
                    let input = FrameInput(), prompts = model.audioPrompts(mel: input.mel)
                    let features = model.features(image: input.image, prompts: prompts)
                    let sparse = prompts.sparse.reshaped(6, 1, -1)
                    let dense = model.densePrompt(image: input.small).reshaped(1, 1, 1, -1)
                    return {
                        let conditioned = model.sam2.withoutMemory(features.embedding)
                        let masks = model.sam2.decode(
                            features, image: conditioned, sparse: sparse, dense: dense)
                        _ = model.sam2.maskDecoder.select(masks, multimask: true)
                    }
                },
            ])
    }

    private struct FrameInput {
        let mel = noise("mel", [1, 128, 204])
        let image = noise("image", [1, 224, 224, 3])
        let small = noise("small", [1, 112, 112, 3])
    }
}
