// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine
import Training

extension StageGroups {
    /// Whole training steps: forward, losses, backward, optimizer. 1000 / ms is steps per second. The embedded model's are
    /// those of its recipe, with as many batches side by side.
    static var training: [StageGroup] {
        [
            StageGroup(
                { try StepWork(embedded, side: 224, clips: 12, batches: 2) }, [stage("train-mini-24")]),
            StageGroup(
                { try StepWork(embedded, side: 224, clips: 3, frames: 5, batches: 2) },
                [stage("train-mini-6x5")]
            ),
            StageGroup({ try StepWork(.large, side: 224) }, [stage("train-tavis-l-224")]),
            StageGroup({ try StepWork(.large, side: 224, frames: 3) }, [stage("train-tavis-l-224-t3")]),
            StageGroup(
                { try StepWork(.large, side: 224, frames: 5, checkpoints: true) },
                [stage("train-tavis-l-224-t5-checkpoints")]),
        ]
    }

    private static var embedded: TAViSConfig {
        get throws { try ModelBundle.embedded().info.architecture }
    }

    private static func stage(_ name: String) -> Stage<StepWork> {
        Stage(name, gmac: 0) { work in { work.step() } }
    }
}

/// A trainer and some batches of synthetic clips, used again at each step. The small model is trained whole, the large
/// one as published.
private final class StepWork {
    private var trainer: Trainer
    private let batches: [ClipBatch]

    /// - Parameters:
    ///   - clips: of each batch.
    ///   - frames: of each clip; several are seen with memory.
    ///   - checkpoints: computes blocks twice to hold less.
    init(
        _ config: TAViSConfig, side: Int, clips: Int = 1, frames: Int = 1, batches: Int = 1,
        checkpoints: Bool = false
    ) throws {
        let isSmall = config != .large
        var options = SyntheticClips.Options(seed: 1, count: clips * batches)
        (options.frames, options.width, options.height) = (frames, side, side)
        let source = SyntheticClips(options)
        let isFrozen = { @Sendable key in !isSmall && TAViS.isFrozenAsPublished(key) }
        let store = ParameterStore(InitialWeights(seed: 1), isFrozen: isFrozen)
        let model = try Weights.load(store) { try TAViS($0, config) }
        var settings = Trainer.Settings()
        settings.usesMemory = frames > 1
        settings.checkpointsActivations = checkpoints
        if isSmall { settings.losses.imageText = 0 }
        let texts = TrainingTexts(
            names: source.classes, tokenizer: .bytes, model: model,
            isFrozen: isFrozen("imagebind.modality_trunks.text.blocks.0.norm_1.weight"))
        trainer = Trainer(settings, store: store, model: model, texts: texts)
        self.batches = try (0..<batches).map { batch in
            try ClipBatch(
                (0..<clips).map { source.clip(batch * clips + $0) }, side: side, smallestArea: 0,
                logMel: LogMel())
        }
    }

    func step() {
        do { _ = try trainer.train(batches) } catch { preconditionFailure("training step: \(error)") }
    }
}
