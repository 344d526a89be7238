// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine
import Training

extension StageGroups {
    /// Whole training steps: forward, losses, backward, optimizer. 1000 / ms is steps per second.
    static var training: [StageGroup] {
        [
            StageGroup(
                { try StepWork(.mini, side: 128, clips: 24, isFrozen: { _ in false }) },
                [stage("train-mini-24")]),
            StageGroup(
                { try StepWork(.large, side: 224, clips: 1, isFrozen: TAViS.isFrozenAsPublished) },
                [stage("train-tavis-l-224")]),
        ]
    }

    private static func stage(_ name: String) -> Stage<StepWork> {
        Stage(name, gmac: 0) { work in { work.step() } }
    }
}

/// A trainer and one batch of synthetic frames, used again at each step.
private final class StepWork {
    private var trainer: Trainer
    private let batch: ClipBatch

    init(
        _ config: TAViSConfig, side: Int, clips: Int, isFrozen: @escaping @Sendable (String) -> Bool
    ) throws {
        var options = SyntheticClips.Options(seed: 1, count: clips)
        (options.frames, options.width, options.height) = (1, side, side)
        let source = SyntheticClips(options)
        let store = ParameterStore(InitialWeights(seed: 1), isFrozen: isFrozen)
        let model = try Weights.load(store) { try TAViS($0, config) }
        var settings = Trainer.Settings()
        settings.losses.imageText = config == .mini ? 0 : settings.losses.imageText
        let texts = TrainingTexts(
            names: source.classes, tokenizer: .bytes, model: model,
            isFrozen: isFrozen("imagebind.modality_trunks.text.blocks.0.norm_1.weight"))
        trainer = Trainer(settings, store: store, model: model, texts: texts)
        batch = try ClipBatch(
            (0..<clips).map { source.clip($0) }, side: side, smallestArea: 0, logMel: LogMel())
    }

    func step() {
        do { _ = try trainer.train([batch]) } catch { preconditionFailure("training step: \(error)") }
    }
}
