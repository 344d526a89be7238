// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The learning rate of each step.
package struct LearningRate: Codable, Sendable, Equatable {
    package enum Shape: String, Codable, Sendable, CaseIterable {
        case constant
        /// Falls along half a cosine from `start` to `end` over all steps.
        case cosine
        /// The same, but changed once per epoch only, as the released code does.
        case cosinePerEpoch = "cosine-per-epoch"
    }
    package var shape = Shape.cosine
    package var start: Float = 3e-5
    package var end: Float = 1e-7
    /// Steps over which the rate grows from 0 first.
    package var warmup = 0

    package init() {}

    /// - Parameters:
    ///   - step: from 0.
    ///   - steps: of the whole run.
    ///   - stepsPerEpoch: for `cosinePerEpoch`.
    package func callAsFunction(_ step: Int, of steps: Int, stepsPerEpoch: Int) -> Float {
        if step < warmup { return start * Float(step + 1) / Float(warmup) }
        let progress: Double
        switch shape {
        case .constant: return start
        case .cosine: progress = Double(step - warmup) / Double(max(1, steps - warmup))
        case .cosinePerEpoch:
            let epoch = step / max(1, stepsPerEpoch), epochs = max(1, steps / max(1, stepsPerEpoch))
            progress = Double(epoch) / Double(epochs)
        }
        return end + (start - end) * Float(0.5 * (1 + cos(.pi * min(1, progress))))
    }
}
