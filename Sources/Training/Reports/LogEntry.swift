// SPDX-License-Identifier: Apache-2.0
package import ConfigurationFiles

/// A line of a run's log.
package enum LogEntry: Codable, Sendable, Equatable {
    case start(Start)
    case step(Step)
    case evaluation(Evaluation)

    /// A run was begun or taken up.
    package struct Start: Codable, Sendable, Equatable {
        /// Steps done before.
        package var step: Int
        /// Seconds since 1970.
        package var time: Double
        package var name: String
        package var seed: UInt64
        package var settings: [YAMLSetting]

        package init(step: Int, time: Double, name: String, seed: UInt64, settings: [YAMLSetting]) {
            (self.step, self.time, self.name) = (step, time, name)
            (self.seed, self.settings) = (seed, settings)
        }

        package init(step: Int, time: Double, config: TrainingConfig) {
            self.init(
                step: step, time: time, name: config.name, seed: config.seed, settings: config.settings)
        }
    }

    package struct Step: Codable, Sendable, Equatable {
        /// Steps done with this one.
        package var step: Int
        package var time: Double
        package var rate: Float
        package var loss: Float
        /// Each loss term before its weight.
        package var terms: [String: Float]
        /// Of all gradients, before clipping.
        package var gradientNorm: Float
        package var framesPerSecond: Double

        package init(
            step: Int, time: Double, rate: Float, loss: Float, terms: [String: Float], gradientNorm: Float,
            framesPerSecond: Double
        ) {
            (self.step, self.time, self.rate, self.loss) = (step, time, rate, loss)
            (self.terms, self.gradientNorm, self.framesPerSecond) = (terms, gradientNorm, framesPerSecond)
        }

        /// - Parameter seconds: that the step took.
        package init(_ report: StepReport, time: Double, seconds: Double) {
            self.init(
                step: report.step, time: time, rate: report.rate, loss: report.loss,
                terms: Dictionary(report.terms.map { ($0.name, $0.value) }) { $1 },
                gradientNorm: report.gradientNorm,
                framesPerSecond: seconds > 0 ? Double(report.frames) / seconds : 0)
        }
    }

    package struct Evaluation: Codable, Sendable, Equatable {
        package var step: Int
        package var time: Double
        /// Name of what was measured on.
        package var data: String
        package var metrics: [String: Double]

        package init(step: Int, time: Double, data: String, metrics: [String: Double]) {
            (self.step, self.time, self.data, self.metrics) = (step, time, data, metrics)
        }
    }

    /// Steps done when it was written.
    package var step: Int {
        switch self {
        case .start(let entry): entry.step
        case .step(let entry): entry.step
        case .evaluation(let entry): entry.step
        }
    }

    // MARK: Coding: the fields of the entry, and beside them its kind

    private enum Kind: String, Codable { case start, step, evaluation }
    private enum CodingKeys: String, CodingKey { case kind }

    package init(from decoder: any Decoder) throws {
        switch try decoder.container(keyedBy: CodingKeys.self).decode(Kind.self, forKey: .kind) {
        case .start: self = .start(try Start(from: decoder))
        case .step: self = .step(try Step(from: decoder))
        case .evaluation: self = .evaluation(try Evaluation(from: decoder))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .start(let entry):
            try container.encode(Kind.start, forKey: .kind)
            try entry.encode(to: encoder)
        case .step(let entry):
            try container.encode(Kind.step, forKey: .kind)
            try entry.encode(to: encoder)
        case .evaluation(let entry):
            try container.encode(Kind.evaluation, forKey: .kind)
            try entry.encode(to: encoder)
        }
    }
}
