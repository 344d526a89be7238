// SPDX-License-Identifier: Apache-2.0
package import TensorEngine

/// How gradients become steps.
package struct OptimizerSettings: Codable, Sendable, Equatable {
    package var rate = LearningRate()
    /// Largest norm of all gradients together; 0 does not limit it.
    package var clip: Float = 0
    package var adamW = AdamW.Settings()

    package init() {}

    /// What to multiply gradients of this norm with.
    package func clipping(_ norm: Float) -> Float { clip > 0 && norm > clip ? clip / norm : 1 }
}
