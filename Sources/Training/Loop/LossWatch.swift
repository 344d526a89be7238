// SPDX-License-Identifier: Apache-2.0

/// Tells when a loss explodes: when its mean over the newest steps is many times that over the steps before them.
package struct LossWatch {
    /// Steps whose losses are compared with those of the `before` ones that preceded them.
    package static let newest = 10
    static let before = 100
    /// Losses of single steps lie within a few times their mean.
    static let factor: Float = 10

    /// Losses and their terms, the oldest first.
    private var reports: [StepReport] = []

    package init() {}

    /// Takes in a step.
    ///
    /// - Returns: what explodes, with the term that grew most.
    package mutating func add(_ report: StepReport) -> TrainingError? {
        reports.append(report)
        guard reports.count >= Self.newest + Self.before else { return nil }
        defer { reports.removeFirst() }
        let now = Self.mean(reports.suffix(Self.newest).map(\.loss))
        let usual = Self.mean(reports.prefix(Self.before).map(\.loss))
        guard now > Self.factor * usual, usual > 0 else { return nil }
        var detail =
            "the loss explodes: \(now) over the last \(Self.newest) steps, "
            + "\(usual) over the \(Self.before) before"
        let grown = report.terms.indices.map { term in
            (
                name: report.terms[term].name, from: mean(of: term, reports.prefix(Self.before)),
                to: mean(of: term, reports.suffix(Self.newest))
            )
        }
        if let most = grown.max(by: { $0.to - $0.from < $1.to - $1.from }) {
            detail += "; loss term \(most.name) went from \(most.from) to \(most.to)"
        }
        return TrainingError(step: report.step, detail: detail)
    }

    private func mean(of term: Int, _ some: ArraySlice<StepReport>) -> Float {
        Self.mean(some.compactMap { term < $0.terms.count ? $0.terms[term].value : nil })
    }

    private static func mean(_ values: [Float]) -> Float {
        values.isEmpty ? 0 : values.reduce(0, +) / Float(values.count)
    }
}
