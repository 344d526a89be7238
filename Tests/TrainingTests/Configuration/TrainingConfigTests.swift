// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Foundation
import Testing

@testable import Training

private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../config").standardizedFileURL

/// As short as a file can be.
private let shortest = """
    name: short
    output: out
    start: {kind: scratch, architecture: {preset: mini}}
    data:
      - {kind: synthetic, seed: 7}
    batch: 8
    steps: 100

    """

@Suite("Configuration of a training run")
struct TrainingConfigTests {
    private func config(_ text: String) throws -> TrainingConfig { try TrainingConfig(text, file: "c") }

    private static var files: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasPrefix("train-") && $0.hasSuffix(".yaml") }.sorted()
    }

    @Test("every file in config/ is right", arguments: files)
    func shipped(name: String) throws {
        let config = try TrainingConfig(file: folder.appending(path: name).path)
        #expect(!config.data.isEmpty && !config.settings.isEmpty)
    }

    @Test("the published recipes are those of the specification")
    func published() throws {
        #expect(Self.files.count >= 4)
        func read(_ name: String) throws -> TrainingConfig {
            try TrainingConfig(file: folder.appending(path: "train-published-\(name).yaml").path)
        }
        let single = try read("s4"), several = try read("ms3"), semantic = try read("avss")
        #expect([single, several, semantic].map(\.batch) == [10, 4, 4])
        #expect([single, several, semantic].map(\.frames) == [1, 5, 10])
        #expect([single.length, several.length, semantic.length] == [.epochs(80), .epochs(80), .epochs(40)])
        for config in [single, several, semantic] {
            #expect(config.side == 224 && config.freezing.isPublished && config.losses == LossSettings())
            #expect(config.optimizer.rate.shape == .cosinePerEpoch && config.optimizer.rate.start == 3e-5)
            #expect(config.optimizer.adamW.weightDecay == 0.01 && config.optimizer.adamW.decaysVectors)
        }
    }

    @Test("the reference file names every key, and its defaults are the defaults")
    func reference() throws {
        let path = folder.appending(path: "train-reference.yaml").path
        let reference = try TrainingConfig(file: path), short = try config(shortest)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        func last(_ key: String) -> Substring { key.split(separator: ".").last ?? "" }
        for setting in short.settings where !["steps", "preset"].contains(last(setting.key)) {
            #expect(text.contains("\(last(setting.key)):"), "\(setting.key) is not explained")
        }
        #expect(reference.optimizer == short.optimizer && reference.losses == short.losses)
        #expect(reference.checkpoint == short.checkpoint && reference.side == short.side)
    }

    @Test("folders of data: their parts, windows and lists")
    func folders() throws {
        func folder(_ text: String) throws -> DatasetFolder {
            let origin = try config(shortest.replacing("synthetic, seed: 7", with: text)).data[0].origin
            guard case .folder(let folder) = origin else { throw CocoaError(.coderReadCorrupt) }
            return folder
        }
        #expect(try folder("s4, folder: x") == DatasetFolder("x", .s4, .train))
        #expect(try folder("recordings, folder: x").windows == .causal)
        let full = try folder(
            "avss, folder: x, split: test, windows: official-pypi, labels: [v2], vocabulary: unseen, list: l.txt"
        )
        #expect(full.labels == [.v2] && full.vocabulary == .unseen && full.list == "l.txt")
        #expect(full.windows == .official(.beforeEnd) && full.title == "avss-test-v2-unseen")
    }

    @Test("what is left out has its default")
    func defaults() throws {
        let config = try config(shortest)
        #expect(config.start == .scratch(.mini) && config.length == .steps(100) && config.seed == 1)
        #expect(config.data == [.init(.synthetic(seed: 7, .mixed, count: 20_000))])
        #expect(config.evaluation == nil && config.accumulate == 1 && config.trainsPseudoText == nil)
        #expect(config.freezing == Freezing() && config.ablations.isEmpty)
        #expect(config.settings.contains(.init("optimizer.rate", "3e-05")))
        #expect(config.settings.contains(.init("data[0].level", "mixed")))
        #expect(config.settings.contains(.init("data[0].sounds", "mixed")))
    }

    @Test("synthetic scenes have the sounds that are asked for")
    func sounds() throws {
        func heldOut(_ sounds: String) throws -> (name: String, source: any ClipSource) {
            let part = "{kind: synthetic, seed: 7, sounds: \(sounds)}"
            return try DataSources(config(shortest + "evaluation: {every: 1, data: [\(part)]}\n")).heldOut()[
                0]
        }
        let (name, source) = try heldOut("off-screen")
        let clips = try #require(source as? SyntheticClips)
        #expect(
            name == "synthetic-mixed-off-screen-7" && (0..<50).allSatisfy { clips.kind($0) == .offScreen })
        let mixed = try #require(heldOut("mixed").source as? SyntheticClips)
        #expect(Set((0..<200).map(mixed.kind)) == Set(SyntheticSound.Kind.allCases))
        #expect { try heldOut("loud") } throws: {
            "\($0)".contains("sounds") && "\($0)".contains("off-screen")
        }
    }

    @Test("a run starts from a bundle, as it is or grown")
    func starts() throws {
        let scratch = "{kind: scratch, architecture: {preset: mini}}"
        func start(_ text: String) throws -> TrainingConfig.Start {
            #expect(shortest.contains(scratch))
            return try config(shortest.replacing(scratch, with: text)).start
        }
        #expect(try start("{kind: bundle, folder: x}") == .bundle("x"))
        let grown = "{kind: bundle, folder: x, architecture: {file: config/mini-grown.json}}"
        #expect(try start(grown) == .bundle("x", grownTo: .file("config/mini-grown.json")))
    }

    @Test("the paper's recipe changes optimizer and losses, single values override it")
    func paper() throws {
        let paper = try config(shortest + "recipe: paper\n")
        #expect(paper.optimizer.adamW.weightDecay == 0 && paper.optimizer.rate.start == 1e-4)
        #expect(paper.optimizer.rate.shape == .cosine && paper.losses == .paper)
        let mixed = try config(
            shortest
                + "recipe: paper\noptimizer: {kind: adamw, rate: 0.002}\nlosses: {preset: released, scene_classes: 2}\n"
        )
        #expect(mixed.optimizer.adamW.weightDecay == 0.01 && mixed.optimizer.rate.start == 0.002)
        #expect(mixed.losses.audioText == 0.5 && mixed.losses.sceneClasses == 2)
    }

    @Test("each loss weight reaches its setting")
    func losses() throws {
        let read = try config(
            shortest + """
                losses: {audio_text: 1.5, image_text: 2.5, audio_image: 3.5, pseudo_text: 4.5, object_entropy: 5.5,
                  object_overlap: 6.5, scene_entropy: 7.5, scene_overlap: 8.5, scene_classes: 9.5, visible_classes: 13.5,
                  background_weight: 10.5, match_points: 11, smallest_area: 12}
                """
        ).losses
        #expect(
            read.audioText == 1.5 && read.imageText == 2.5 && read.audioImage == 3.5 && read.pseudoText == 4.5
        )
        #expect(read.objectEntropy == 5.5 && read.objectOverlap == 6.5 && read.sceneEntropy == 7.5)
        #expect(read.sceneOverlap == 8.5 && read.sceneClasses == 9.5 && read.backgroundWeight == 10.5)
        #expect(read.visibleClasses == 13.5)
        #expect(read.matchPoints == 11 && read.smallestArea == 12)
    }

    @Test(
        "ablations change the losses",
        arguments: [
            ("no_a2t", [0, 0.5, 0, 0.3]), ("no_i2t", [0.5, 0, 0, 0.3]), ("no_tbas", [0, 0, 0, 0]),
            ("plus_a2i", [0.5, 0.5, 1, 0.3]), ("no_a2t, no_i2t, plus_a2i", [0, 0, 1, 0.3]),
            ("no_pseudo_text", [0.5, 0.5, 0, 0]), ("mlp_pseudo_text", [0.5, 0.5, 0, 0.3]),
            ("no_ibqd, no_dense", [0.5, 0.5, 0, 0.3]), ("no_tbhp", [0.5, 0.5, 0, 0]),
            ("no_sound", [0.5, 0.5, 0, 0.3]),
        ] as [(String, [Float])])
    func ablations(names: String, weights: [Float]) throws {
        let losses = try config(shortest + "ablation: [\(names)]\n").losses
        #expect([losses.audioText, losses.imageText, losses.audioImage, losses.pseudoText] == weights)
    }

    @Test("freezing goes by whole parts of keys, with exceptions")
    func freezing() throws {
        let rule = try config(shortest + "freeze: [a.b, c]\ntrain: [c.d.e]\n").freezing
        #expect(rule.isFrozen("a.b") && rule.isFrozen("a.b.weight") && rule.isFrozen("c.d.f"))
        #expect(!rule.isFrozen("a.bc.weight") && !rule.isFrozen("c.d.e.weight") && !rule.isFrozen("d.c"))
    }

    @Test("the published rule trains adapters, and neither trunk nor neck nor ImageBind")
    func publishedFreezing() throws {
        let rule = try config(shortest + "freeze: published\ntrain: [image_encoder.neck]\n").freezing
        #expect(rule.isFrozen("image_encoder.trunk.blocks.0.norm1.weight"))
        #expect(rule.isFrozen("imagebind.modality_trunks.audio.blocks.0.attn.in_proj_weight"))
        #expect(!rule.isFrozen("image_encoder.prompt_generator.lightweight_mlp_0.0.weight"))
        #expect(!rule.isFrozen("image_encoder.neck.convs.0.conv.weight"))
        #expect(!rule.isFrozen("sam_mask_decoder.conv_s0.weight") && !rule.isFrozen("query_fea_W.weight"))
    }

    @Test("the trainer gets what the file says")
    func trainer() throws {
        let text =
            shortest.replacing("steps: 100", with: "epochs: 3")
            + "memory: true\nframes: 2\nactivation_checkpoints: true\noptimizer: {clip: 2, warmup: 5, decay_vectors: false}\n"
        let settings = try config(text).trainerSettings(stepsPerEpoch: 7)
        #expect(settings.steps == 21 && settings.stepsPerEpoch == 7 && settings.seed == 1)
        #expect(settings.usesMemory && settings.checkpointsActivations)
        let optimizer = settings.optimizer
        #expect(optimizer.clip == 2 && optimizer.rate.warmup == 5 && !optimizer.adamW.decaysVectors)
    }

    @Test(
        "what is wrong is named with its line",
        arguments: [
            ("batch: 8", "batch: 0", "c:6: batch: expected a whole number from 1 to 4096, found \"0\""),
            (
                "batch: 8\n", "",
                "c:1: batch: expected a whole number from 1 to 4096, found nothing: the key is missing"
            ),
            ("steps: 100", "step: 100", "c:1: steps: expected either steps or epochs, found neither"),
            (
                "steps: 100", "steps: 100\nepochs: 3",
                "c:7: steps: expected either steps or epochs, found both"
            ),
            (
                "steps: 100", "steps: 100\nside: 225",
                "c:8: side: expected a multiple of 32 from 32 to 2048, found \"225\""
            ),
            (
                "steps: 100", "steps: 100\nmemory: true",
                "c:8: memory: expected false where clips have 1 frame, found true"
            ),
            (
                "preset: mini", "preset: huge",
                "c:3: start.architecture.preset: expected mini or large, found \"huge\""
            ),
            (
                "preset: mini", "preset: mini, file: a.json",
                "c:3: start.architecture.file: expected either a preset or a file, found both"
            ),
            (
                "scratch,", "scrach,",
                "c:3: start.kind: expected one of scratch, bundle, checkpoints, found \"scrach\"; did you mean scratch?"
            ),
            (
                "architecture: {preset: mini}", "folder: x",
                "c:3: start.architecture: expected a section of keys, found nothing: the key is missing"
            ),
            (
                "synthetic, seed: 7", "s4, split: train",
                "c:5: data[0].folder: expected text, found nothing: the key is missing"
            ),
            (
                "synthetic, seed: 7", "s4, folder: x, level: hard",
                "c:5: data[0].level: expected one of kind, folder, split, windows, list, weight, found an unknown key"
            ),
            (
                "synthetic, seed: 7", "s4, folder: x, vocabulary: seen",
                "c:5: data[0].vocabulary: expected one of kind, folder, split, windows, list, weight, found an unknown key"
            ),
            (
                "synthetic, seed: 7", "avss, folder: x, vocabulary: new",
                "c:5: data[0].vocabulary: expected seen or unseen, found \"new\""
            ),
            (
                "synthetic, seed: 7", "avss, folder: x, labels: [v1]",
                "c:5: data[0].labels[0]: expected one of v1s, v1m, v2, found \"v1\"; did you mean v1s?"
            ),
            (
                "seed: 7", "seed: 7, weight: 0",
                "c:5: data[0].weight: expected a number above 0 and at most 1000000, found \"0\""
            ),
            (
                "steps: 100", "steps: 100\noptimizer: {kind: adam, weight_decay: 1}",
                "c:8: optimizer.weight_decay: expected one of"
            ),
            (
                "steps: 100", "steps: 100\noptimizer: {betas: [0.9, 1]}",
                "c:8: optimizer.betas[1]: expected a number of at least 0 and below 1, found \"1\""
            ),
            (
                "steps: 100", "steps: 100\noptimizer: {betas: [0.9]}",
                "c:8: optimizer.betas: expected 2 values, found 1"
            ),
            ("steps: 100", "steps: 100\noptimizer: {rate: 1e-8}", nil),
            (
                "steps: 100", "steps: 100\noptimizer: {rate: 1e-3, final_rate: 1e-2}",
                "c:8: optimizer.final_rate: expected at most the rate, 0.001, found 0.01"
            ),
            (
                "steps: 100", "steps: 100\noptimizer: {warmup: 200}",
                "c:8: optimizer: expected a warmup of at most the run's 100 steps, found 200"
            ),
            (
                "steps: 100", "steps: 100\nfreeze: publishd",
                "c:8: freeze: expected published or nothing, found \"publishd\"; did you mean published?"
            ),
            (
                "steps: 100", "steps: 100\nablation: [no_pseudo_text, mlp_pseudo_text]",
                "c:8: ablation: expected no_pseudo_text or mlp_pseudo_text, found both, which cannot be"
            ),
            (
                "steps: 100", "steps: 100\nevaluation: {every: 5}",
                "c:8: evaluation.data: expected a list of sections, found nothing: the key is missing"
            ),
            ("steps: 100", "steps: 100\nlosses: {audiotext: 1}", "did you mean audio_text?"),
        ] as [(String, String, String?)])
    func wrong(good: String, bad: String, message: String?) {
        do {
            _ = try config(shortest.replacing(good, with: bad))
            #expect(message == nil)
        } catch {
            let lines = (error as? ConfigurationError)?.lines ?? []
            #expect(message != nil && lines.contains { $0.contains(message ?? "") }, "\(error)")
        }
    }
}
