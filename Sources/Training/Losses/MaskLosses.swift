// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Mean binary cross-entropy of logits against a truth in 0…1. `[…]` each → scalar
func binaryCrossEntropy(_ logits: Tensor, _ truth: Tensor) -> Tensor {
    (logits.softplus() - logits * truth).mean()
}

/// Some masks against their truths.
struct MaskComparison {
    /// `[M, 3]` of `maskSums`.
    private let sums: Tensor
    /// Σ y of each mask, `[M]`.
    private let truthAreas: Tensor
    private let pixels: Int

    /// - Parameters:
    ///   - logits: `[L, pixels]`
    ///   - rows: of `logits`, each once.
    ///   - truth: `[rows.count, pixels]`, 0…1.
    init(_ logits: Tensor, rows: [Int], truth: Tensor) {
        sums = maskSums(logits, rows: rows, truth: truth)
        truthAreas = truth.sum(axis: 1)
        pixels = logits.shape[1]
    }

    private func column(_ index: Int, _ masks: Range<Int>) -> Tensor {
        sums[rows: masks].sliced(axis: 1, index..<index + 1).reshaped(masks.count)
    }

    /// Mean binary cross-entropy of some of the masks.
    func entropy(_ masks: Range<Int>) -> Tensor { column(0, masks).mean() / Float(pixels) }

    /// Mean over masks of 1 − Σσy / (Σσ + Σy − Σσy + 1e-6).
    ///
    /// For an empty truth this is the constant 1 without a gradient.
    func overlap(_ masks: Range<Int>) -> Tensor {
        let overlap = column(1, masks)
        let union = column(2, masks) + truthAreas[rows: masks] - overlap + 1e-6
        return (overlap / union).mean() * -1 + 1
    }
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
