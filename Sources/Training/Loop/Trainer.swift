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

    /// - Parameters:
    ///   - model: built from `store`.
    ///   - texts: of the classes.
    ///   - visibleClasses: where the losses ask for it, from `store`, too.
    ///   - step: steps done before, with the optimizer's moments of then.
    package init(
        _ settings: Settings, store: ParameterStore, model: TAViS, texts: TrainingTexts,
        visibleClasses: VisibleClassesHead? = nil, step: Int = 0,
        moments: [String: AdamW.Moments] = [:]
    ) {
        (self.settings, self.store, self.model, self.texts, self.step) = (settings, store, model, texts, step)
        self.visibleClasses = visibleClasses
        optimizer = AdamW(settings.optimizer.adamW)
        optimizer.restore(moments)
    }

    /// One step on the mean loss of some batches.
    ///
    /// - Throws: `TrainingError` naming the term that is not a number, before anything has changed.
    package mutating func train(_ batches: [ClipBatch]) throws -> StepReport {
        var sum: Gradients?
        var terms: [(name: String, value: Float)] = []
        var loss: Float = 0
        for (i, batch) in batches.enumerated() {
            let result = self.loss(batch, part: i)
            try requireFinite(result)
            loss += result.total.scalar / Float(batches.count)
            Self.add(result.terms, to: &terms, share: 1 / Float(batches.count))
            let found =
                settings.checkpointsActivations
                ? withCheckpoints { gradients(of: result.total) } : gradients(of: result.total)
            if sum == nil { sum = found } else { sum?.add(found) }
        }
        guard let sum else { preconditionFailure("train: no batches") }
        let norm = sum.norm / Float(batches.count)
        guard norm.isFinite else {
            throw TrainingError(step: step, detail: "the gradient is not a finite number")
        }
        let rate = settings.optimizer.rate(step, of: settings.steps, stepsPerEpoch: settings.stepsPerEpoch)
        optimizer.step(
            store, sum, rate: rate, scale: settings.optimizer.clipping(norm) / Float(batches.count))
        step += 1
        return StepReport(
            step: step, rate: rate, loss: loss, terms: terms, gradientNorm: norm,
            frames: batches.reduce(0) { $0 + $1.clips * $1.framesPerClip })
    }

    /// The loss of one batch, on the gradient tape.
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

    private static func add(
        _ terms: [(name: String, value: Float)], to sums: inout [(name: String, value: Float)], share: Float
    ) {
        for (name, value) in terms {
            if let i = sums.firstIndex(where: { $0.name == name }) {
                sums[i].value += share * value
            } else {
                sums.append((name, share * value))
            }
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
