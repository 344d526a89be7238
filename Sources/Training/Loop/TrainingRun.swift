// SPDX-License-Identifier: Apache-2.0
// One run of `tavisd train`: config in, run folder out. The folder holds the log, the TensorBoard events, checkpoints
// (each a usable bundle; `best` is the one that scored best) and a report; a run that was interrupted anywhere goes on from its newest whole checkpoint.
// Of several processes, the first one alone writes; the others need to see the folder.
package import Foundation
import Models
import TensorEngine

package final class TrainingRun {
    package enum Outcome: Sendable, Equatable {
        case finished
        /// Asked to stop; the state was saved.
        case stopped
    }

    /// What a run reports while it goes on.
    package struct Hooks {
        package var step: (StepReport) -> Void = { _ in }
        package var evaluated: (_ step: Int, _ data: String, _ scores: ClipScores) -> Void = { _, _, _ in }
        package var saved: (RunCheckpoint) -> Void = { _ in }
        package var shouldStop: () -> Bool = { false }

        package init() {}
    }

    package let config: TrainingConfig
    package let folder: URL
    /// Steps of the whole run.
    package let steps: Int
    /// Damaged checkpoints that were passed over, each with what is wrong.
    package let damaged: [String]
    package var step: Int { trainer.step }

    private let communicator: any Communicator
    private var trainer: Trainer
    private let info: BundleInfo
    private let mix: ClipMix
    private let heldOut: HeldOut
    /// Nil in all processes but the first.
    private let log: TrainingLog?
    private let events: EventFileWriter?
    private let logMel = LogMel()
    /// Of the newest evaluation.
    private var panels: [ReportPanel] = []
    /// Best M_J so far, on the first of the held-out sets.
    private var best: Double?
    private var saved: RunCheckpoint?
    private var watch = LossWatch()
    private static let logName = "log.jsonl"
    private static let bestName = "best"
    private static let reportName = "report.html"

    /// - Parameters:
    ///   - resume: goes on where the run folder's newest checkpoint is; else the folder must be new or empty.
    ///   - communicator: processes that train along.
    package init(
        _ config: TrainingConfig, resume: Bool, communicator: any Communicator = SingleProcess()
    ) throws {
        (self.config, self.communicator) = (config, communicator)
        folder = URL(fileURLWithPath: config.output)
        let found = try Self.prepare(folder, resume: resume, communicator)
        damaged = found.damaged
        let sources = DataSources(config)
        let (mix, judged) = (try sources.mix(processes: communicator.size), try sources.heldOut())
        try DataSources.requireSameClasses(mix.parts.map(\.source) + judged.map(\.source))
        (self.mix, heldOut) = (mix, HeldOut(config, judged))
        var start = try StartWeights(config, classes: mix.parts[0].source.classes)
        if let checkpoint = found.checkpoint { start.weights = try checkpoint.weights() }
        info = start.info
        let settings = config.trainerSettings(stepsPerEpoch: mix.stepsPerEpoch)
        steps = settings.steps
        trainer = try Self.trainer(config, settings, start, found.checkpoint, communicator)
        guard communicator.rank == 0 else {
            (log, events) = (nil, nil)
            return
        }
        let log = try TrainingLog(
            path: folder.appending(path: Self.logName).path, resumingAfter: trainer.step)
        best = Self.best(try TrainingLog.read(path: folder.appending(path: Self.logName).path))
        events = try EventFileWriter(folder: folder.path, step: trainer.step)
        try log.append(.start(.init(step: trainer.step, time: Date().timeIntervalSince1970, config: config)))
        self.log = log
    }

    private typealias Found = (checkpoint: RunCheckpoint?, damaged: [String])

    /// The checkpoint to go on from: what the first process finds, in all of them.
    private static func prepare(
        _ folder: URL, resume: Bool, _ communicator: any Communicator
    ) throws -> Found {
        var found: Found = (nil, [])
        let name = try communicator.together { () throws -> String? in
            guard communicator.rank == 0 else { return nil }
            try prepare(folder, resume: resume)
            if resume { found = RunCheckpoint.newest(in: folder) }
            return found.checkpoint?.folder.lastPathComponent
        }[0]
        guard communicator.rank > 0, let name else { return found }
        found.checkpoint = RunCheckpoint.list(folder).first { $0.folder.lastPathComponent == name }
        guard found.checkpoint != nil else {
            throw CommunicatorError(
                rank: communicator.rank,
                detail: "\(folder.path): no \(name), which process 0 goes on from; all need to see the folder"
            )
        }
        return found
    }

    private static func prepare(_ folder: URL, resume: Bool) throws {
        let files = FileManager.default
        let content = (try? files.contentsOfDirectory(atPath: folder.path)) ?? []
        guard resume || content.isEmpty else {
            throw BundleError(path: folder.path, detail: "is not empty; --resume goes on with the run in it")
        }
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private static func trainer(
        _ config: TrainingConfig, _ settings: Trainer.Settings, _ start: StartWeights,
        _ checkpoint: RunCheckpoint?, _ communicator: any Communicator
    ) throws -> Trainer {
        let freezing = config.freezing
        let store = ParameterStore(start.weights) { freezing.isFrozen($0) }
        let (model, head) = try Weights.load(store, ignoring: TAViS.isUnused) { weights in
            let head =
                config.losses.visibleClasses > 0
                ? try VisibleClassesHead(
                    weights[VisibleClassesHead.prefix], start.info.architecture,
                    classes: start.info.classes.count) : nil
            return (try TAViS(weights, start.info.architecture), head)
        }
        let textKey = "imagebind.modality_trunks.text.blocks.0.norm_1.weight"
        let texts = TrainingTexts(
            names: start.info.classes, tokenizer: start.tokenizer, model: model,
            isFrozen: freezing.isFrozen(textKey))
        return Trainer(
            settings, store: store, model: model, texts: texts, visibleClasses: head,
            step: checkpoint?.step ?? 0,
            moments: try checkpoint?.moments() ?? [:], communicator: communicator)
    }

    // MARK: The loop

    /// Trains to the end, or until asked to stop.
    ///
    /// - Throws: `TrainingError` where a loss is not a number or explodes, naming the last good checkpoint.
    package func run(_ hooks: Hooks) throws -> Outcome {
        let items = communicator.share(of: mix.batch)
        let loader = BatchLoader(from: trainer.step) { [mix, config, logMel] step in
            try Self.batches(mix.clips(step: step, items: items), config, logMel)
        }
        defer { loader.stop() }
        while trainer.step < steps {
            if try communicator.together(hooks.shouldStop).contains(true) {
                try communicator.first { try save(hooks) }
                return .stopped
            }
            try oneStep(loader, hooks)
            try communicator.first {
                if isDue(config.evaluation?.every) { try evaluate(hooks) }
                if isDue(config.checkpoint.every) { try save(hooks) }
            }
        }
        try communicator.first {
            try save(hooks)
            let entries = try TrainingLog.read(path: folder.appending(path: Self.logName).path)
            try TrainingReport(entries, panels: panels)
                .write(to: folder.appending(path: Self.reportName).path)
        }
        return .finished
    }

    private func isDue(_ every: Int?) -> Bool { every.map { trainer.step % $0 == 0 } ?? false }

    private static func batches(
        _ clips: [AnnotatedClip], _ config: TrainingConfig, _ logMel: LogMel
    ) throws -> [ClipBatch] {
        let clips = config.ablations.contains(.noSound) ? clips.map(\.withoutSound) : clips
        return try stride(from: 0, to: clips.count, by: config.batch).map { first in
            try ClipBatch(
                Array(clips[first..<min(clips.count, first + config.batch)]), side: config.side,
                smallestArea: config.losses.smallestArea, logMel: logMel)
        }
    }

    private func oneStep(_ loader: BatchLoader, _ hooks: Hooks) throws {
        let clock = ContinuousClock(), start = clock.now
        let report: StepReport
        do {
            var batches: [ClipBatch] = []
            try communicator.together { batches = try loader.next() }
            report = try trainer.train(batches)
        } catch var error as TrainingError {
            error.detail += lastGood()
            throw error
        } catch var error as CommunicatorError {
            error.detail += lastGood()
            throw error
        }
        let seconds = (clock.now - start) / .seconds(1)
        try communicator.first { try record(report, seconds: seconds, hooks) }
        if var error = watch.add(report) {
            error.detail += lastGood(before: report.step - LossWatch.newest)
            throw error
        }
    }

    private func record(_ report: StepReport, seconds: Double, _ hooks: Hooks) throws {
        try log?.append(.step(.init(report, time: Date().timeIntervalSince1970, seconds: seconds)))
        let scalars = report.terms.map { ("loss/" + $0.name, $0.value) }
        try events?.add(
            scalars + [
                ("loss/total", report.loss), ("rate", report.rate), ("gradient_norm", report.gradientNorm),
            ],
            step: report.step)
        hooks.step(report)
    }

    /// What a message about the end of a run says at its own end.
    ///
    /// - Parameter step: a later checkpoint does not count as good.
    private func lastGood(before step: Int = .max) -> String {
        RunCheckpoint.newest(in: folder, before: step).checkpoint
            .map { "; the last good checkpoint is \($0.folder.path)" } ?? "; there is no checkpoint yet"
    }

    @discardableResult
    private func save(_ hooks: Hooks) throws -> RunCheckpoint {
        if let saved, saved.step == trainer.step { return saved }
        let bank = withoutGradients { trainer.texts(trainer.model).bank.embeddings.detached() }
        let checkpoint = try RunCheckpoint.write(
            trainer, info: info, extra: [ModelBundle.labelBankKey: bank], in: folder,
            keep: config.checkpoint.keep)
        saved = checkpoint
        hooks.saved(checkpoint)
        return checkpoint
    }

    private func evaluate(_ hooks: Hooks) throws {
        let model = try Weights.load(TensorTable(trainer.store.weights), ignoring: TAViS.isUnused) {
            try TAViS($0, info.architecture)
        }
        let judged = try heldOut.judge(model, bank: trainer.texts(model).bank)
        panels = judged.flatMap(\.panels)
        for one in judged { try record(one, hooks) }
        guard let score = judged.first?.scores.overlap, best.map({ score > $0 }) ?? true else { return }
        best = score
        try save(hooks).link(as: Self.bestName)
    }

    private func record(_ judged: HeldOut.Judged, _ hooks: Hooks) throws {
        let (name, metrics) = (judged.data, judged.scores.metrics)
        try log?.append(
            .evaluation(
                .init(
                    step: trainer.step, time: Date().timeIntervalSince1970, data: name, metrics: metrics)))
        try events?.add(
            metrics.sorted { $0.key < $1.key }.map { ("\(name)/\($0.key)", Float($0.value)) },
            step: trainer.step)
        for (index, panel) in judged.panels.enumerated() {
            try events?.add(panel.strip, name: "\(name)/\(index)", step: trainer.step)
        }
        hooks.evaluated(trainer.step, name, judged.scores)
    }

    /// The best score that the log knows of, on the first of the held-out sets.
    private static func best(_ entries: [LogEntry]) -> Double? {
        let scores = entries.compactMap { entry -> (data: String, overlap: Double)? in
            guard case .evaluation(let found) = entry, let overlap = found.metrics["M_J"] else { return nil }
            return (found.data, overlap)
        }
        return scores.filter { $0.data == scores.first?.data }.map(\.overlap).max()
    }
}
