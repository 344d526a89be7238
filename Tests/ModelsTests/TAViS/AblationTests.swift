// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine
import Testing

@testable import Models

/// The small model at its smallest.
private let full: TAViSConfig = {
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
}()

private func changed(_ change: (inout TAViSConfig) -> Void) -> TAViSConfig {
    var config = full
    change(&config)
    return config
}

private func noise(_ name: String, _ shape: [Int]) -> Tensor {
    Tensor(SeededWeights.input("input.ablation.\(name)", shape: shape, scale: 1), shape: shape)
}

private let decompositionParts = [
    "query_embed_W", "transformer_cross_attention_layers_W", "transformer_cross_attention_audio",
    "seperate_audio",
]
private let towerParts = ["audio_to_text1", "audio_to_texte"]
/// In every variant.
private let commonParts = ["query_fea_W", "mlp", "token_all", "audio_MLP", "aggregate", "mlp_audio"]

/// What a configuration is built with and without.
struct AblatedModel: CustomTestStringConvertible {
    let testDescription: String
    let config: TAViSConfig
    /// Parts that are trained and parts that must not exist, by the starts of their keys.
    let parts, absent: [String]

    static let all = [
        AblatedModel(
            testDescription: "full", config: full,
            parts: decompositionParts + ["audio_to_texte", "text_a", "down"], absent: ["pseudo_text_mlp"]),
        AblatedModel(
            testDescription: "no decomposition", config: changed { $0.decomposesQueries = false },
            parts: ["audio_to_texte", "text_a", "down"], absent: decompositionParts + ["pseudo_text_mlp"]),
        AblatedModel(
            testDescription: "perceptron for text", config: changed { $0.pseudoText = .perceptron },
            parts: decompositionParts + ["pseudo_text_mlp", "text_a", "down"], absent: towerParts),
        AblatedModel(
            testDescription: "perceptron where the tower would be cut off",
            config: changed {
                $0.pseudoText = .perceptron
                $0.trainsPseudoText = false
            }, parts: ["pseudo_text_mlp"], absent: towerParts),
        AblatedModel(
            testDescription: "no pseudo-text", config: changed { $0.pseudoText = .none },
            parts: decompositionParts + ["down"], absent: towerParts + ["text_a", "pseudo_text_mlp"]),
        AblatedModel(
            testDescription: "no dense prompt", config: changed { $0.usesDensePrompt = false },
            parts: decompositionParts + ["audio_to_texte", "text_a"], absent: ["down"]),
        AblatedModel(
            testDescription: "all at once",
            config: changed {
                $0.decomposesQueries = false
                $0.pseudoText = .none
                $0.usesDensePrompt = false
            }, parts: [], absent: decompositionParts + towerParts + ["text_a", "pseudo_text_mlp", "down"]),
    ]
}

private func belongs(_ key: String, to part: String) -> Bool { key.hasPrefix(part + ".") }

@Suite("ablations of TAViS")
struct AblationTests {
    private let side = 64

    private struct Run {
        let store: ParameterStore
        let model: TAViS
        let prompts: TAViS.AudioPrompts
        let dense: Tensor
        let frame: TAViS.FramePrediction

        init(_ config: TAViSConfig, side: Int) throws {
            let store = ParameterStore(SeededSource())
            let model = try Weights.load(store) { try TAViS($0, config) }
            prompts = model.audioPrompts(mel: noise("mel", [2, 128, 204]))
            dense = model.densePrompt(image: noise("small", [2, 112, 112, 3]))
            frame = model.segment(image: noise("image", [2, side, side, 3]), prompts: prompts, dense: dense)
            (self.store, self.model) = (store, model)
        }
    }

    @Test("each builds only its own parts, and gradients reach all of them", arguments: AblatedModel.all)
    func trains(_ variant: AblatedModel) throws {
        let run = try Run(variant.config, side: side)
        #expect(run.frame.logits.shape == [12, side / 4, side / 4])
        #expect(run.frame.logits.values.allSatisfy { $0.isFinite })
        let keys = run.store.parameters.map(\.key)
        for part in variant.absent { #expect(!keys.contains { belongs($0, to: part) }, "\(part)") }

        let loss =
            (run.frame.logits * noise("logits", run.frame.logits.shape)).sum()
            + (run.prompts.objects * noise("objects", run.prompts.objects.shape)).sum()
        let found = gradients(of: loss)
        for part in commonParts + variant.parts {
            let own = run.store.parameters.filter { belongs($0.key, to: part) }
            #expect(!own.isEmpty, "\(part) is missing")
            for (key, parameter) in own {
                let gradient = try #require(found[parameter], "\(key)")
                #expect(gradient.values.contains { $0 != 0 }, "\(key)")
                #expect(gradient.values.allSatisfy { $0.isFinite }, "\(key)")
            }
        }
    }

    @Test("without decomposition an object is the undivided sound plus its learnt query")
    func undivided() throws {
        let run = try Run(changed { $0.decomposesQueries = false }, side: side)
        let learnt = try #require(run.store.weights["query_fea_W.weight"])
        let (objects, scene) = (run.prompts.objects, run.prompts.scene)
        for sample in 0..<2 {
            for slot in 0..<full.queries {
                for i in 0..<full.imageBind.audio.dim {
                    #expect(objects[sample, slot, i] == scene[sample, i] + learnt[slot, i])
                }
            }
        }
        #expect(run.prompts.queries.values == objects.values)
    }

    @Test("without pseudo-text its rows are 0, and what joins the halves is half as wide")
    func soundAlone() throws {
        let run = try Run(changed { $0.pseudoText = .none }, side: side)
        #expect(run.prompts.pseudoText.shape == [2, full.queries, full.imageBind.text.dim])
        #expect(run.prompts.pseudoText.values.allSatisfy { $0 == 0 })
        let width = full.sam2.hiddenDim
        #expect(run.store.weights["aggregate.layers.0.weight"]?.shape == [width, width])
    }

    @Test("without a dense prompt the picture's token changes nothing")
    func noDense() throws {
        let run = try Run(changed { $0.usesDensePrompt = false }, side: side)
        #expect(run.dense.shape == [2, full.sam2.hiddenDim] && run.dense.values.allSatisfy { $0 == 0 })
        let other = run.model.densePrompt(image: Tensor([2, 112, 112, 3], filled: 0.7))
        #expect(other.values == run.dense.values)
    }

    @Test("the switches default to the full model")
    func defaults() {
        for config in [TAViSConfig.large, .mini] {
            #expect(config.decomposesQueries && config.pseudoText == .tower && config.usesDensePrompt)
        }
    }
}

@Suite("the dimensions of TAViS in files")
struct TAViSConfigFileTests {
    private func dictionary(_ config: TAViSConfig) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(config))
        return try #require(object as? [String: Any])
    }

    private func decoded(_ dictionary: [String: Any]) throws -> TAViSConfig {
        try JSONDecoder().decode(TAViSConfig.self, from: JSONSerialization.data(withJSONObject: dictionary))
    }

    @Test("come back as written, every one of them")
    func roundTrip() throws {
        var config = TAViSConfig.mini
        (config.queries, config.pseudoTextTokens, config.imageBindSide) = (3, 4, 56)
        (config.adapterDim, config.adapterHidden) = (8, 9)
        (config.audioPairing, config.classScore) = (.tiled, .cosine)
        (config.decomposesQueries, config.pseudoText, config.usesDensePrompt) = (false, .perceptron, false)
        config.sam2.binarizesMaskFromPointsForMemory = false
        #expect(try decoded(dictionary(config)) == config)
        #expect(try decoded(dictionary(.large)) == .large)
    }

    @Test("a file from before the switches holds the full model, and unknown keys do no harm")
    func olderFile() throws {
        var file = try dictionary(.mini)
        for key in ["decomposesQueries", "pseudoText", "usesDensePrompt"] {
            #expect(file.removeValue(forKey: key) != nil, "\(key)")
        }
        file["later"] = 1
        #expect(try decoded(file) == .mini)
        let plain = TAViSConfig(sam2: TAViSConfig.mini.sam2, imageBind: TAViSConfig.mini.imageBind)
        let shortest = file.filter { ["sam2", "imageBind"].contains($0.key) }
        #expect(try decoded(shortest) == plain)
    }

    @Test("without the towers' dimensions, or with a value that is none, it is no such file")
    func wrong() throws {
        var file = try dictionary(.mini)
        file["pseudoText"] = "telepathy"
        #expect(throws: DecodingError.self) { try decoded(file) }
        file = try dictionary(.mini)
        file["sam2"] = nil
        #expect(throws: DecodingError.self) { try decoded(file) }
    }
}
