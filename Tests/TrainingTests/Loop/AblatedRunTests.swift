// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

@testable import Training

@Suite("training with ablations")
struct AblatedRunTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "ablate-\(UUID().uuidString)")

    private func info(_ architecture: TAViSConfig) -> BundleInfo {
        BundleInfo(
            name: "small", architecture: architecture, classes: SquareClips().classes, licences: [],
            provenance: [])
    }

    /// Those that change the architecture, and what each must train.
    private static let changes: [Ablation: String] = [
        .noQueryDecomposition: "query_fea_W.weight", .noHybridPrompts: "aggregate.layers.0.weight",
        .noPseudoText: "aggregate.layers.0.weight",
        .perceptronPseudoText: "pseudo_text_mlp.layers.0.weight", .noDensePrompt: "text_a.weight",
    ]

    @Test(
        "steps change the parts that are left; a checkpoint holds those alone, loads and goes on",
        arguments: changes.keys.sorted { $0.rawValue < $1.rawValue })
    func trains(ablation: Ablation) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let architecture = SmallRun.config.applying([ablation])
        var settings = SmallRun.settings
        settings.losses = settings.losses.applying([ablation])
        var run = try SmallRun(settings, architecture: architecture)
        let start = run.bits
        for _ in 0..<2 { try run.step() }
        let key = try #require(Self.changes[ablation])
        #expect(start[key] != nil && start[key] != run.bits[key], "\(key)")

        let checkpoint = try RunCheckpoint.write(
            run.trainer, info: info(architecture), in: folder, keep: 1)
        let written = try Checkpoint.open(checkpoint.folder.path).tensors
        #expect(try Set(written.map(\.key)) == Set(TAViS.parameterShapes(architecture).keys))
        #expect(Set(written.map(\.key)) != Set(try TAViS.parameterShapes(SmallRun.config).keys))
        let bundle = try ModelBundle.load(directory: checkpoint.folder)
        #expect(bundle.info.architecture == architecture)

        try run.step()
        var again = try SmallRun(
            settings, architecture: architecture, from: checkpoint.weights(), step: 2,
            moments: checkpoint.moments())
        try again.step()
        #expect(again.bits == run.bits)
    }

    @Test("from a whole bundle, what fits is taken over and the rest is drawn", arguments: [false, true])
    func fromBundle(isAblated: Bool) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let run = try SmallRun(), written = run.bits
        let bundle = try RunCheckpoint.write(run.trainer, info: info(SmallRun.config), in: folder, keep: 1)
        var config = TrainingConfig()
        (config.start, config.side) = (.bundle(bundle.folder.path), 64)
        config.ablations = isAblated ? [.noPseudoText, .noDensePrompt] : []
        let start = try StartWeights(config, classes: SquareClips().classes)
        #expect(start.info.architecture == SmallRun.config.applying(config.ablations))
        #expect(start.info.provenance.contains("ablation: no_dense, no_pseudo_text") == isAblated)

        let store = ParameterStore(start.weights)
        _ = try Weights.load(store) { try TAViS($0, start.info.architecture) }
        let taken = store.weights.mapValues { $0.values.map(\.bitPattern) }
        let changed = Set(taken.filter { $0.value != written[$0.key] }.keys)
        #expect(changed == (isAblated ? ["aggregate.layers.0.weight"] : []))
        #expect(taken.keys.contains("down.weight") != isAblated)
    }

    @Test("from scratch, the configuration's ablations shape the model")
    func fromScratch() throws {
        var config = TrainingConfig()
        config.ablations = [.noQueryDecomposition]
        let start = try StartWeights(config, classes: SquareClips().classes)
        #expect(!start.info.architecture.decomposesQueries)
    }
}
