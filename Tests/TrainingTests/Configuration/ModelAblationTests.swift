// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Models
import Testing

@testable import Training

@Suite("ablations change the architecture")
struct ModelAblationTests {
    @Test("each takes out its own part", arguments: Ablation.allCases)
    func one(ablation: Ablation) {
        var expected = TAViSConfig.mini
        switch ablation {
        case .noQueryDecomposition: expected.decomposesQueries = false
        case .noHybridPrompts:
            expected.pseudoText = .none
            expected.usesDensePrompt = false
        case .noPseudoText: expected.pseudoText = .none
        case .perceptronPseudoText: expected.pseudoText = .perceptron
        case .noDensePrompt: expected.usesDensePrompt = false
        case .noAlignment, .noAudioText, .noImageText, .withAudioImage, .noSound: break
        }
        #expect(TAViSConfig.mini.applying([ablation]) == expected)
    }

    @Test("several add up, and none changes nothing")
    func several() {
        #expect(TAViSConfig.mini.applying([]) == .mini)
        let config = TAViSConfig.mini.applying([.noQueryDecomposition, .noDensePrompt])
        #expect(!config.decomposesQueries && !config.usesDensePrompt && config.pseudoText == .tower)
    }

    @Test("pseudo-text by a perceptron and none at all cannot be")
    func contradiction() throws {
        let file = """
            name: short
            output: out
            start: {kind: scratch, architecture: {preset: mini}}
            data: [{kind: synthetic, seed: 1}]
            batch: 1
            steps: 1
            ablation: [no_tbhp, mlp_pseudo_text]
            """
        let error = #expect(throws: ConfigurationError.self) { try TrainingConfig(file, file: "c") }
        let text = "\(try #require(error))"
        #expect(text.contains("c:7: ablation: expected no_tbhp or mlp_pseudo_text, found both"), "\(text)")
    }
}
