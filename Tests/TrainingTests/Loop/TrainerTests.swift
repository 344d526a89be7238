// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

@testable import Training

@Suite("training", .serialized)
struct TrainerTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "train-\(UUID().uuidString)")
    private let info = BundleInfo(
        name: "small", architecture: SmallRun.config, classes: SquareClips().classes, licences: [],
        provenance: [])

    @Test("the loss falls on clips seen again and again, and the masks get better")
    func learns() throws {
        var run = try SmallRun()
        let before = try scores(run)
        let losses = try (0..<60).map { _ in try run.step().loss }
        let first = losses.prefix(5).reduce(0, +) / 5, last = losses.suffix(5).reduce(0, +) / 5
        #expect(last < 0.6 * first, "\(first) → \(last)")
        let after = try scores(run)
        #expect(after.overlap > before.overlap + 10, "\(before.overlap) → \(after.overlap)")
        #expect(after.soundingClips == 4 && after.emptyFrames == 0)
    }

    @Test("a teacher of what is seen is trained along, and the image encoder by it")
    func teacher() throws {
        var settings = SmallRun.settings
        settings.losses.visibleClasses = 1
        var run = try SmallRun(settings)
        let key = VisibleClassesHead.prefix + ".embedding.weight"
        let before = try #require(run.store.weights[key]).values
        let seen = try (0..<20).map { _ in try run.step().terms.first { $0.name == "seen" }?.value ?? -1 }
        #expect(seen[0] > 0.5 && seen[0] < 2.5, "about the logarithm of three classes")
        #expect(seen.suffix(3).allSatisfy { $0 > 0 && $0 < 0.6 * seen[0] }, "\(seen)")
        #expect(run.store.weights[key]?.values != before)
        defer { try? FileManager.default.removeItem(at: folder) }
        let checkpoint = try RunCheckpoint.write(run.trainer, info: info, in: folder, keep: 1)
        #expect(try checkpoint.weights().shape(of: key, expected: []) != nil)
        _ = try ModelBundle.load(directory: checkpoint.folder)
    }

    private func scores(_ run: SmallRun) throws -> ClipScores {
        let model = try Weights.load(TensorTable(run.store.weights)) { try TAViS($0, SmallRun.config) }
        let predictor = ModelPredictor(model, bank: run.trainer.texts(model).bank, side: 64, usesMemory: true)
        var settings = Evaluation.Settings()
        settings.clips = 4
        var evaluation = Evaluation(predictor, SquareClips(), settings)
        try evaluation.run()
        return evaluation.scores
    }

    @Test("a run taken up from a checkpoint goes on bit by bit as if never interrupted")
    func resumed() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var run = try SmallRun()
        for _ in 0..<3 { try run.step() }
        let checkpoint = try RunCheckpoint.write(run.trainer, info: info, in: folder, keep: 1)
        for _ in 0..<3 { try run.step() }
        var again = try SmallRun(
            from: checkpoint.weights(), step: checkpoint.step, moments: checkpoint.moments())
        for _ in 0..<3 { try again.step() }
        #expect(again.trainer.step == 6)
        #expect(again.bits == run.bits)
    }

    @Test("a checkpoint is a bundle that loads")
    func bundle() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let run = try SmallRun()
        let checkpoint = try RunCheckpoint.write(run.trainer, info: info, in: folder, keep: 1)
        let bundle = try ModelBundle.load(directory: checkpoint.folder)
        #expect(bundle.info.classes == SquareClips().classes)
    }

    @Test("damaged checkpoints are passed over and named; old ones are removed")
    func damaged() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var run = try SmallRun()
        for _ in 0..<3 {
            try run.step()
            _ = try RunCheckpoint.write(run.trainer, info: info, in: folder, keep: 2)
        }
        #expect(RunCheckpoint.list(folder).map(\.step) == [2, 3])
        let weights = folder.appending(path: "step-3/model.safetensors")
        var bytes = try Data(contentsOf: weights)
        bytes[bytes.count - 5] ^= 1
        try bytes.write(to: weights)
        let (newest, problems) = RunCheckpoint.newest(in: folder)
        #expect(newest?.step == 2)
        #expect(problems.count == 1 && problems[0].contains("model.safetensors: checksum"))
    }

    @Test("a loss that is not a number stops the run with step and term, and changes nothing")
    func exploded() throws {
        var run = try SmallRun()
        try run.step()
        run.store.set("down.bias", to: Tensor([64], filled: .nan))
        let before = run.bits
        #expect {
            try run.step()
        } throws: { error in
            guard let error = error as? TrainingError else { return false }
            return error.step == 1 && error.detail.contains("loss term")
        }
        #expect(run.bits == before)
    }

    @Test(
        "a loss that explodes is told with step and term; spikes, and losses that fall or creep up, are not")
    func watch() {
        func stops(_ losses: [Float]) -> (at: Int, error: TrainingError)? {
            var watch = LossWatch()
            for (index, loss) in losses.enumerated() {
                let report = StepReport(
                    step: index + 1, rate: 1, loss: loss, terms: [("calm", 0.1), ("wild", loss - 0.1)],
                    gradientNorm: 1, frames: 1)
                if let error = watch.add(report) { return (index, error) }
            }
            return nil
        }
        let calm = (0..<200).map { 1 + 0.5 * Float($0 % 5) }
        #expect(stops(calm) == nil)
        #expect(stops((0..<300).map { 100 / Float(1 + $0) }) == nil)
        #expect(stops((0..<300).map { 1 + 0.1 * Float($0) }) == nil)
        var spike = calm
        spike[150] = 100
        #expect(stops(spike) == nil)
        let found = stops(calm + [Float](repeating: 50, count: 20))
        #expect(found.map { 200..<210 ~= $0.at } == true)
        #expect(found?.error.step == (found?.at ?? 0) + 1)
        #expect(found?.error.detail.contains("loss term wild went from") == true)
    }

    @Test("two halves accumulated give the gradient of the whole where no term counts pairs")
    func accumulated() throws {
        var settings = SmallRun.settings
        settings.losses = LossSettings()
        (settings.losses.audioText, settings.losses.imageText, settings.losses.pseudoText) = (0, 0, 0)
        (settings.losses.objectEntropy, settings.losses.objectOverlap) = (0, 0)
        settings.optimizer.clip = 0
        let clips = try SmallRun(settings).mix.clips(step: 0)
        func batch(_ clips: [AnnotatedClip]) throws -> ClipBatch {
            try ClipBatch(clips, side: 64, smallestArea: 20, logMel: LogMel())
        }
        var whole = try SmallRun(settings), parts = try SmallRun(settings)
        let a = try whole.trainer.train([batch(clips)])
        let b = try parts.trainer.train(clips.map { try batch([$0]) })
        #expect(abs(a.loss - b.loss) < 1e-5)
        #expect(abs(a.gradientNorm - b.gradientNorm) < 1e-3 * a.gradientNorm)
    }

    @Test("frozen weights stay, bit by bit")
    func frozen() throws {
        let store = ParameterStore(InitialWeights(seed: 5), isFrozen: TAViS.isFrozenAsPublished)
        let model = try Weights.load(store) { try TAViS($0, SmallRun.config) }
        let texts = TrainingTexts(
            names: SquareClips().classes, tokenizer: .bytes, model: model, isFrozen: true)
        let before = store.weights.mapValues(\.values)
        var trainer = Trainer(SmallRun.settings, store: store, model: model, texts: texts)
        let clips = [SquareClips().clip(0), SquareClips().clip(1)]
        _ = try trainer.train([ClipBatch(clips, side: 64, smallestArea: 20, logMel: LogMel())])
        let changed = store.weights.filter { $0.value.values != before[$0.key] }.keys
        #expect(changed.allSatisfy { !TAViS.isFrozenAsPublished($0) })
        #expect(changed.contains("mlp.weight"))
    }
}

@Suite("order of clips")
struct ClipMixTests {
    @Test("a single source is gone through whole, in another order each time")
    func epochs() throws {
        let mix = ClipMix([.init(SquareClips(count: 6))], batch: 2, seed: 1)
        let epochs = try (0..<2).map { epoch in
            try (0..<3).flatMap { try mix.clips(step: 3 * epoch + $0).map(\.name) }
        }
        #expect(Set(epochs[0]).count == 6 && Set(epochs[1]).count == 6)
        #expect(epochs[0] != epochs[1])
        #expect(try mix.clips(step: 1).map(\.name) == Array(epochs[0][2..<4]))
    }

    @Test("several sources are drawn by weight, the same for the same step")
    func drawn() throws {
        let parts = [
            ClipMix.Part(SquareClips(count: 2), weight: 3), ClipMix.Part(SquareClips(count: 50, side: 96)),
        ]
        let mix = ClipMix(parts, batch: 4, seed: 1)
        let sides = try (0..<50).flatMap { try mix.clips(step: $0).map { $0.frames[0].image.width } }
        #expect((120...180).contains(sides.count { $0 == 64 }))
        #expect(try mix.clips(step: 7).map(\.name) == mix.clips(step: 7).map(\.name))
    }

    @Test("the loader prepares a few steps ahead, in order, and hands on an error at its step")
    func loader() throws {
        struct Broken: Error {}
        let loader = BatchLoader(from: 4, ahead: 2) { step in
            if step == 6 { throw Broken() }
            return [ClipBatch(clips: step, framesPerClip: 1, plain: Tensor([0]), mel: Tensor([0]), truth: [])]
        }
        defer { loader.stop() }
        #expect(try loader.next()[0].clips == 4)
        #expect(try loader.next()[0].clips == 5)
        #expect(throws: Broken.self) { try loader.next() }
    }
}
