// SPDX-License-Identifier: Apache-2.0
package import Models

/// Parts of TAViS that a run leaves out or changes, as in tables 1, 2 and 4 of the paper.
package enum Ablation: String, Codable, CaseIterable, Sendable {
    /// Table 1: object queries are the undivided sound plus what was learnt for their slots.
    case noQueryDecomposition = "no_ibqd"
    /// Table 1: no losses that align sound and pictures with text.
    case noAlignment = "no_tbas"
    /// Table 1: prompts of sound alone, neither pseudo-text nor dense ones.
    case noHybridPrompts = "no_tbhp"
    /// Table 2: no audio–text loss.
    case noAudioText = "no_a2t"
    /// Table 2: no image–text loss.
    case noImageText = "no_i2t"
    /// Table 2: with the audio–image loss; with `no_a2t` and `no_i2t` it is the only one.
    case withAudioImage = "plus_a2i"
    /// Table 4: no pseudo-text in the prompts.
    case noPseudoText = "no_pseudo_text"
    /// Table 4: pseudo-text by a perceptron instead of the text tower.
    case perceptronPseudoText = "mlp_pseudo_text"
    /// Table 4: no dense prompt.
    case noDensePrompt = "no_dense"
    /// Not in the paper: nothing is heard, neither in training nor when a run judges itself. What looking alone is worth.
    case noSound = "no_sound"
}

extension LossSettings {
    /// The weights a run with these ablations uses.
    package func applying(_ ablations: Set<Ablation>) -> LossSettings {
        var losses = self
        if !ablations.isDisjoint(with: [.noAlignment, .noAudioText]) { losses.audioText = 0 }
        if !ablations.isDisjoint(with: [.noAlignment, .noImageText]) { losses.imageText = 0 }
        if ablations.contains(.withAudioImage), losses.audioImage == 0 { losses.audioImage = 1 }
        // Without pseudo-text there is nothing to compare with the text of the class.
        if !ablations.isDisjoint(with: [.noAlignment, .noHybridPrompts, .noPseudoText]) {
            losses.pseudoText = 0
        }
        // It compares sound with text, too.
        if ablations.contains(.noAlignment) { losses.sceneClasses = 0 }
        return losses
    }
}

extension TAViSConfig {
    /// The architecture that a run with these ablations trains.
    package func applying(_ ablations: Set<Ablation>) -> TAViSConfig {
        var config = self
        if ablations.contains(.noQueryDecomposition) { config.decomposesQueries = false }
        if ablations.contains(.perceptronPseudoText) { config.pseudoText = .perceptron }
        if !ablations.isDisjoint(with: [.noHybridPrompts, .noPseudoText]) { config.pseudoText = .none }
        if !ablations.isDisjoint(with: [.noHybridPrompts, .noDensePrompt]) { config.usesDensePrompt = false }
        return config
    }
}
