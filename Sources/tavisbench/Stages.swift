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
                bench.time(
                    stage.name, kind: stage.kind, gmac: stage.gmac, partOf: stage.whole,
                    peerName: stage.peerName,
                    run)
            }
        }
    }

    func run(_ bench: inout Bench) throws {
        try body(&bench)
        // The next group's peak is not to hold this one's buffers.
        BufferPool.shared.drain()
    }
}

struct Stage<Model> {
    let name: String
    let kind: StageKind
    let gmac: Double
    let whole, peerName: String?
    /// Makes the inputs; what it returns is timed.
    let prepare: (Model) -> () -> Void

    init(
        _ name: String, kind: StageKind = .single, gmac: Double, partOf whole: String? = nil,
        peerName: String? = nil, _ prepare: @escaping (Model) -> () -> Void
    ) {
        self.name = name
        self.kind = kind
        self.gmac = gmac
        self.whole = whole
        self.peerName = peerName
        self.prepare = prepare
    }
}

struct StageGroups {
    let precision: Precision

    func all(variants: [String]) -> [StageGroup] {
        [Self.products] + variants.map(encoder) + [imageBind, heads] + frames(variants: variants)
            + Self.training
    }

    static func noise(_ name: String, _ shape: [Int]) -> Tensor {
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

    static func config(_ letter: String, _ version: SAM2Config.Version, imageSize: Int = 1024) throws
        -> SAM2Config
    {
        let names = ["t": "tiny", "s": "small", "b": "base_plus", "l": "large"]
        let found = SAM2Config.named(names[letter] ?? letter, version: version, imageSize: imageSize)
        guard let found else { throw SAM2Error.unknownVariant(embedDim: 0, blocks: 0) }
        return found
    }

    private func encoder(_ letter: String) -> StageGroup {
        let work = EncoderWork.variants[letter] ?? []
        return StageGroup(
            {
                let config = try Self.config(letter, .v2_1)
                return try precision.load { try ImageEncoder($0, config) }
            },
            zip(EncoderWork.sizes, work).map { size, gmac in
                Stage("sam2-\(letter)-encoder-\(size)", gmac: gmac) { (encoder: ImageEncoder) in
                    let image = Self.noise("image", [1, size, size, 3])
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

    private var heads: StageGroup {
        StageGroup(
            { try precision.load { try Heads($0) } },
            EncoderWork.sizes.flatMap { size in [Self.memoryAttention(size), Self.memoryEncoder(size)] })
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

    private var imageBind: StageGroup {
        StageGroup(
            { try precision.load { try ImageBind($0, .huge) } },
            [Self.image(224), Self.image(112), Self.audio, Self.text(1), Self.text(6), Self.pseudoText])
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
}
