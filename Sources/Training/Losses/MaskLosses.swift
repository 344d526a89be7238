// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Mean binary cross-entropy of logits against a truth in 0…1. `[…]` each → scalar
func binaryCrossEntropy(_ logits: Tensor, _ truth: Tensor) -> Tensor {
    (logits.softplus() - logits * truth).mean()
}

/// Mean over masks of 1 − Σσy / (Σσ + Σy − Σσy + 1e-6). `[M, pixels]` each → scalar
///
/// For an empty truth this is the constant 1 without a gradient.
func overlapLoss(_ logits: Tensor, _ truth: Tensor) -> Tensor {
    let probability = logits.sigmoid()
    let overlap = (probability * truth).sum(axis: 1)
    let union = probability.sum(axis: 1) + truth.sum(axis: 1) - overlap + 1e-6
    return (overlap / union).mean() * -1 + 1
}

/// Σ w_y · nll / Σ w_y with weight `backgroundWeight` for class 0 and 1 for the others. `logits [R, K]` → scalar
func weightedCrossEntropy(_ logits: Tensor, labels: [Int], backgroundWeight: Float) -> Tensor {
    let classes = logits.shape[1]
    let weights = labels.map { $0 == 0 ? backgroundWeight : 1 }
    let total = weights.reduce(0, +)
    let chosen = Tensor(shape: logits.shape) { out in
        out.update(repeating: 0)
        for (row, label) in labels.enumerated() { out[row * classes + label] = -weights[row] / total }
    }
    return (logSoftmax(logits) * chosen).sum()
}
