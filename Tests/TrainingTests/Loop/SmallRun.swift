// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine

@testable import Media
@testable import Training

/// Clips of coloured squares that each sound with a pitch of their own: small enough to learn by heart.
struct SquareClips: ClipSource {
    let classes = ["background", "low", "high"]
    var count = 8
    var frames = 2
    var side = 64

    func clip(_ index: Int) -> AnnotatedClip {
        let label = UInt8(1 + index % 2)
        return AnnotatedClip(
            name: "squares \(index)", frames: (0..<frames).map { frame($0, index: index, label: label) })
    }

    private func frame(_ time: Int, index: Int, label: UInt8) -> AnnotatedFrame {
        var random = SplitMix(seed: UInt64(index), 7)
        let size = side / 3, x = Int.random(in: 0..<side - size - frames, using: &random) + time
        let y = Int.random(in: 0..<side - size, using: &random)
        var pixels = (0..<3 * side * side).map { _ in UInt8.random(in: 90...120, using: &random) }
        var truth = [UInt8](repeating: 0, count: side * side)
        for row in y..<y + size {
            for column in x..<x + size {
                truth[row * side + column] = label
                pixels[3 * (row * side + column) + (label == 1 ? 0 : 2)] = 240
            }
        }
        let period = label == 1 ? 160 : 20
        let sound = (0..<32_000).map { Float($0 % period < period / 2 ? 0.3 : -0.3) }
        return AnnotatedFrame(
            image: RGBImage(width: side, height: side, pixels: pixels), truth: truth, sound: sound,
            heard: [label], visible: truth)
    }
}

/// A trainer of the smallest TAViS on squares.
struct SmallRun {
    let store: ParameterStore
    var trainer: Trainer
    let mix = ClipMix([.init(SquareClips())], batch: 2, seed: 3)

    static var config: TAViSConfig {
        var config = TAViSConfig.mini
        config.sam2.imageSize = 64
        config.sam2.trunk.stages = [1, 1, 1, 1]
        config.sam2.trunk.globalAttentionBlocks = [2]
        config.sam2.trunk.embedDim = 8
        config.sam2.trunk.windows = [8, 4, 4, 2]
        config.imageBind.audio.blocks = 1
        config.imageBind.vision.blocks = 1
        config.imageBind.text.blocks = 1
        return config
    }

    static var settings: Trainer.Settings {
        var settings = Trainer.Settings()
        settings.steps = 60
        settings.optimizer.rate.start = 2e-3
        settings.optimizer.clip = 5
        settings.usesMemory = true
        settings.losses.matchPoints = 256
        settings.losses.sceneClasses = 1
        return settings
    }

    init(
        _ settings: Trainer.Settings = settings, architecture: TAViSConfig = config,
        from weights: any WeightSource = InitialWeights(seed: 5),
        isFrozen: @escaping @Sendable (String) -> Bool = { _ in false }, step: Int = 0,
        moments: [String: AdamW.Moments] = [:], communicator: any Communicator = SingleProcess()
    ) throws {
        store = ParameterStore(weights, isFrozen: isFrozen)
        let model = try Weights.load(store) { try TAViS($0, architecture) }
        let texts = TrainingTexts(
            names: SquareClips().classes, tokenizer: .bytes, model: model,
            isFrozen: isFrozen("imagebind.modality_trunks.text.blocks.0.norm_1.weight"))
        let head =
            try settings.losses.visibleClasses > 0
            ? Weights.load(store, ignoring: { _ in true }) {
                try VisibleClassesHead($0[VisibleClassesHead.prefix], architecture, classes: 3)
            } : nil
        trainer = Trainer(
            settings, store: store, model: model, texts: texts, visibleClasses: head, step: step,
            moments: moments, communicator: communicator)
    }

    @discardableResult
    mutating func step() throws -> StepReport {
        let clips = try mix.clips(step: trainer.step)
        let side = Self.config.sam2.imageSize
        return try trainer.train([ClipBatch(clips, side: side, smallestArea: 20, logMel: LogMel())])
    }

    /// Every weight, bit by bit.
    var bits: [String: [UInt32]] { store.weights.mapValues { $0.values.map(\.bitPattern) } }
}
