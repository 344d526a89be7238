// SPDX-License-Identifier: Apache-2.0
package import Models
package import TensorEngine

/// What one step did, for the log.
package struct StepReport: Sendable {
    package var step: Int
    package var rate: Float
    package var loss: Float
    /// Each loss term before its weight.
    package var terms: [(name: String, value: Float)]
    /// Of all gradients, before clipping.
    package var gradientNorm: Float
    package var frames: Int
}

/// A run that cannot go on.
package struct TrainingError: Error, CustomStringConvertible, Sendable {
    package var step: Int
    package var detail: String
    package var description: String { "step \(step): \(detail)" }
}

/// The model in training with its optimizer: turns batches into steps.
package struct Trainer {
    package struct Settings: Codable, Sendable, Equatable {
        package var steps = 1
        package var stepsPerEpoch = 1
        package var optimizer = OptimizerSettings()
        package var losses = LossSettings()
        package var usesMemory = false
        /// Computes blocks twice to hold less.
        package var checkpointsActivations = false
        package var seed: UInt64 = 1

        package init() {}
    }

    package let settings: Settings
    package let store: ParameterStore
    package let model: TAViS
    package private(set) var optimizer: AdamW
    /// Steps done.
    package private(set) var step: Int
    package let texts: TrainingTexts
    private let visibleClasses: VisibleClassesHead?
    private let communicator: any Communicator

    /// - Parameters:
    ///   - model: built from `store`.
    ///   - texts: of the classes.
    ///   - visibleClasses: where the losses ask for it, from `store`, too.
    ///   - step: steps done before, with the optimizer's moments of then.
    ///   - communicator: processes that train along.
    package init(
        _ settings: Settings, store: ParameterStore, model: TAViS, texts: TrainingTexts,
        visibleClasses: VisibleClassesHead? = nil, step: Int = 0,
        moments: [String: AdamW.Moments] = [:], communicator: any Communicator = SingleProcess()
    ) {
        (self.settings, self.store, self.model, self.texts, self.step) = (settings, store, model, texts, step)
        (self.visibleClasses, self.communicator) = (visibleClasses, communicator)
        optimizer = AdamW(settings.optimizer.adamW)
        optimizer.restore(moments)
    }

    /// One step on the mean loss of some batches and of those that the other processes have, each equally many.
    ///
    /// - Throws: `TrainingError` naming the term that is not a number, before anything has changed.
    package mutating func train(_ batches: [ClipBatch]) throws -> StepReport {
        precondition(!batches.isEmpty, "train: no batches")
        var sum: Gradients?
        let losses = try communicator.together { try backward(batches, adding: &sum) }
        guard let own = sum else { preconditionFailure("train: no gradients") }
        let gradients = try communicator.sum(own, of: store.parameters.map(\.tensor))
        let count = Float(batches.count * communicator.size)
        let norm = gradients.norm / count
        guard norm.isFinite else {
            throw TrainingError(step: step, detail: "the gradient is not a finite number")
        }
        let rate = settings.optimizer.rate(step, of: settings.steps, stepsPerEpoch: settings.stepsPerEpoch)
        optimizer.step(store, gradients, rate: rate, scale: settings.optimizer.clipping(norm) / count)
        step += 1
        let loss = losses.dropFirst().reduce(into: losses[0]) { $0.add($1) }
        return StepReport(
            step: step, rate: rate, loss: loss.total, terms: loss.terms.map { ($0.name, $0.value) },
            gradientNorm: norm, frames: loss.frames)
    }

    /// As many batches at a time as there are threads, each on one of them: that keeps the cores busier than sharing
    /// out every operation of one. Where memory is to be saved, one after another. The sums are the same either way.
    ///
    /// - Parameter sum: of all batches' gradients.
    /// - Returns: what this process's batches add to the mean loss.
    private func backward(_ batches: [ClipBatch], adding sum: inout Gradients?) throws -> MeanLoss {
        var mean = MeanLoss()
        let count = batches.count * communicator.size
        let parts = Array(zip(communicator.share(of: count), batches))
        let width = settings.checkpointsActivations ? 1 : ThreadPool.shared.threads
        for first in stride(from: 0, to: parts.count, by: width) {
            let group = parts[first..<min(parts.count, first + width)]
            for (found, (_, batch)) in zip(differentiated(Array(group)), group) {
                let found = try found.get()
                mean.add(found.loss, share: 1 / Float(count))
                mean.frames += batch.clips * batch.framesPerClip
                if sum == nil { sum = found.gradients } else { sum?.add(found.gradients) }
            }
        }
        return mean
    }

    private typealias Differentiated = Result<(loss: LossResult, gradients: Gradients), any Error>

    /// Losses and gradients of some of the step's batches, at the same time.
    private func differentiated(_ parts: [(part: Int, batch: ClipBatch)]) -> [Differentiated] {
        var results = [Differentiated?](repeating: nil, count: parts.count)
        results.withUnsafeMutableBufferPointer { results in
            ThreadPool.shared.run(parts.count) { i in
                results[i] = Differentiated { try differentiated(parts[i].batch, part: parts[i].part) }
            }
        }
        return results.compactMap(\.self)
    }

    private func differentiated(
        _ batch: ClipBatch, part: Int
    ) throws -> (loss: LossResult, gradients: Gradients) {
        let result = loss(batch, part: part)
        try requireFinite(result)
        let found =
            settings.checkpointsActivations
            ? withCheckpoints { gradients(of: result.total) } : gradients(of: result.total)
        return (result, found)
    }

    /// The loss of one batch, on the gradient tape.
    ///
    /// - Parameter part: which of the step's batches it is, over all processes.
    package func loss(_ batch: ClipBatch, part: Int = 0) -> LossResult {
        func run() -> LossResult {
            var random = SplitMix(seed: settings.seed, UInt64(step), UInt64(part))
            let found = model.predict(batch, usesMemory: settings.usesMemory)
            var result = TAViSLoss(settings.losses)(
                found, truth: batch.truth, plain: batch.plain,
                heard: batch.heard, namesClasses: batch.namesClasses, model: model, texts: texts(model),
                points: MatchPoints(count: settings.losses.matchPoints, seed: random.next()))
            if let visibleClasses, let features = found.features, let visible = batch.visible {
                let seen = visibleClasses.loss(features, visible: visible)
                result.total = result.total + seen * settings.losses.visibleClasses
                result.terms.append(("seen", seen.scalar))
            }
            return result
        }
        return settings.checkpointsActivations ? withCheckpoints(run) : run()
    }

    private func requireFinite(_ result: LossResult) throws {
        for (name, value) in result.terms where !value.isFinite {
            throw TrainingError(step: step, detail: "loss term \(name) is \(value)")
        }
    }
}

/// The mean loss of a step's batches, and their frames.
private struct MeanLoss: Codable {
    struct Term: Codable {
        var name: String
        var value: Float
    }

    var total: Float = 0
    var terms: [Term] = []
    var frames = 0

    mutating func add(_ result: LossResult, share: Float) {
        total += share * result.total.scalar
        for (name, value) in result.terms { add(Term(name: name, value: share * value)) }
    }

    mutating func add(_ other: MeanLoss) {
        total += other.total
        frames += other.frames
        other.terms.forEach { add($0) }
    }

    private mutating func add(_ term: Term) {
        if let i = terms.firstIndex(where: { $0.name == term.name }) {
            terms[i].value += term.value
        } else {
            terms.append(term)
        }
    }
}

/// Texts of the classes: fixed where the text tower is frozen, else computed for every step.
package struct TrainingTexts: Sendable {
    private let names: [String]
    private let ids: [[Int]]
    private let fixed: ClassTexts?

    /// - Parameter isFrozen: whether the text tower stays as it is.
    package init(names: [String], tokenizer: BPETokenizer, model: TAViS, isFrozen: Bool) {
        self.names = names
        ids = names.map { tokenizer.encode("A \($0)") }
        let (names, ids) = (names, ids)
        fixed = isFrozen ? withoutGradients { Self.encode(model, names, ids) } : nil
    }

    package func callAsFunction(_ model: TAViS) -> ClassTexts { fixed ?? Self.encode(model, names, ids) }

    private static func encode(_ model: TAViS, _ names: [String], _ ids: [[Int]]) -> ClassTexts {
        let encoded = model.imageBind.text.encode(ids)
        return ClassTexts(bank: LabelBank(names: names, embeddings: encoded.embedding), rows: encoded.rows)
    }
}
