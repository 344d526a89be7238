// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine

/// The clips that a run is judged on while it trains.
struct HeldOut {
    struct Judged {
        var data: String
        var scores: ClipScores
        var panels: [ReportPanel]
    }

    private let sets: [(name: String, source: any ClipSource)]
    private let config: TrainingConfig
    private let logMel = LogMel()
    /// Frames shown of each set.
    private static let panels = 6

    init(_ config: TrainingConfig, _ sets: [(name: String, source: any ClipSource)]) {
        (self.config, self.sets) = (config, sets)
    }

    func judge(_ model: TAViS, bank: LabelBank) throws -> [Judged] {
        let predictor = ModelPredictor(
            model, bank: bank, side: config.side, usesMemory: config.usesMemory, logMel: logMel)
        var settings = Evaluation.Settings()
        (settings.clips, settings.panels) = (config.evaluation?.clips, Self.panels)
        if config.ablations.contains(.noSound) { settings.audio = .off }
        return try sets.map { name, source in
            var evaluation = Evaluation(predictor, source, settings)
            try evaluation.run()
            return Judged(data: name, scores: evaluation.scores, panels: evaluation.panels)
        }
    }
}
