// SPDX-License-Identifier: Apache-2.0
import Foundation
public import TensorEngine

/// The benchmark's scores of mask logits against a known truth. Source: `utility.py` and `utility_semantic.py`.
public enum Metrics {
    /// What the thresholds of the F-measure act on.
    public enum FConvention: Sendable {
        /// Raw logits, as the published TAViS scores: probabilities from 0.5 to 0.73.
        case logits
        /// Probabilities, as AVSBench itself.
        case probabilities
    }

    private static let epsilon: Float = 1e-7
    /// Weight of precision against recall, β².
    private static let betaSquared: Float = 0.3
    /// linspace(0, 1 − 1e-10, 255) in float32, where the last one rounds to 1.
    private static let thresholds = (0..<255).map { Float(Double($0) * ((1 - 1e-10) / 254)) }

    /// M_J of one frame: intersection over union of logits above 0; for an empty truth the share left empty.
    public static func overlap(_ logits: [Float], truth: [Bool]) -> Float {
        precondition(
            logits.count == truth.count, "overlap: \(logits.count) logits, \(truth.count) pixels of truth")
        let isEmpty = !truth.contains(true)
        var (intersection, union) = (0, 0)
        for (logit, isSet) in zip(logits, truth) {
            let isMarked = probability(logit) > 0.5
            if isEmpty {
                if !isMarked { intersection += 1 }
            } else if isMarked || isSet {
                union += 1
                if isMarked && isSet { intersection += 1 }
            }
        }
        return Float(intersection) / (Float(isEmpty ? truth.count : union) + epsilon)
    }

    /// M_J of one clip: the mean over its frames.
    ///
    /// - Parameters:
    ///   - logits: `[N, H, W]`.
    ///   - truth: as many pixels, row-major.
    public static func overlap(_ logits: Tensor, truth: [Bool]) -> Float {
        let frames = split(logits, truth)
        return frames.reduce(0) { $0 + overlap($1.logits, truth: $1.truth) } / Float(max(1, frames.count))
    }

    /// M_F of one clip: the best of the F-measure curve averaged over the frames whose truth is not empty; 0 where
    /// all are.
    public static func fMeasure(_ logits: Tensor, truth: [Bool], _ convention: FConvention = .logits) -> Float
    {
        let curves = split(logits, truth).filter { $0.truth.contains(true) }
            .map { fCurve($0.logits, truth: $0.truth, convention) }
        guard !curves.isEmpty else { return 0 }
        let mean = thresholds.indices.map { k in curves.reduce(0) { $0 + $1[k] } / Float(curves.count) }
        return mean.max() ?? 0
    }

    /// F-measure of one frame at each threshold.
    private static func fCurve(_ logits: [Float], truth: [Bool], _ convention: FConvention) -> [Float] {
        // Thresholds grow, so each pixel counts for all up to the last one that it reaches.
        var marked = [Int](repeating: 0, count: thresholds.count + 1)
        var hits = marked
        for (logit, isSet) in zip(logits, truth) {
            let reached = reachedThresholds(convention == .logits ? logit : probability(logit))
            marked[reached] += 1
            if isSet { hits[reached] += 1 }
        }
        let truthCount = Float(truth.count { $0 })
        var (markedCount, hitCount) = (0, 0)
        var curve = [Float](repeating: 0, count: thresholds.count)
        for k in thresholds.indices.reversed() {
            markedCount += marked[k + 1]
            hitCount += hits[k + 1]
            let precision = Float(hitCount) / (Float(markedCount) + 1e-20)
            let recall = Float(hitCount) / (truthCount + 1e-20)
            let f = (1 + betaSquared) * precision * recall / (betaSquared * precision + recall)
            curve[k] = f.isNaN ? 0 : f
        }
        return curve
    }

    /// How many thresholds are at most `value`.
    private static func reachedThresholds(_ value: Float) -> Int {
        var (low, high) = (0, thresholds.count)
        while low < high {
            let middle = (low + high) / 2
            if thresholds[middle] <= value { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Mean overlap per class: every class is judged by itself, by its own logits.
    ///
    /// - Parameters:
    ///   - logits: `[N, C, H, W]`.
    ///   - labels: class of each pixel, `N·H·W`.
    /// - Returns: the mean over the classes that are marked or true anywhere.
    public static func classOverlap(_ logits: Tensor, labels: [Int]) -> Float {
        let (frames, classes) = (logits.shape[0], logits.shape[1])
        var scores: [Float] = []
        for label in 0..<classes {
            var (sum, isSeen) = (Float(0), false)
            for frame in 0..<frames {
                let (values, truth) = slice(logits, labels, frame: frame, label: label)
                var (intersection, union) = (0, 0)
                for (logit, isSet) in zip(values, truth) {
                    let isMarked = probability(logit) > 0.5
                    if isMarked || isSet { union += 1 }
                    if isMarked && isSet { intersection += 1 }
                }
                guard union > 0 else { continue }
                isSeen = true
                sum += Float(intersection) / (Float(union) + epsilon)
            }
            if isSeen { scores.append(sum / Float(frames)) }
        }
        return scores.isEmpty ? 0 : scores.reduce(0, +) / Float(scores.count)
    }

    /// Mean F-measure per class, each frame at its best threshold; classes that score nowhere are left out.
    public static func classFMeasure(
        _ logits: Tensor, labels: [Int], _ convention: FConvention = .logits
    ) -> Float {
        let (frames, classes) = (logits.shape[0], logits.shape[1])
        let scores = (0..<classes).map { label in
            (0..<frames).reduce(Float(0)) { sum, frame in
                let (values, truth) = slice(logits, labels, frame: frame, label: label)
                guard truth.contains(true) else { return sum }
                return sum + (fCurve(values, truth: truth, convention).max() ?? 0)
            } / Float(frames)
        }.filter { $0 > 0 }
        return scores.isEmpty ? 0 : scores.reduce(0, +) / Float(scores.count)
    }

    private static func slice(
        _ logits: Tensor, _ labels: [Int], frame: Int, label: Int
    ) -> (logits: [Float], truth: [Bool]) {
        let pixels = logits.shape[2] * logits.shape[3]
        return (
            logits[row: frame][row: label].values, (0..<pixels).map { labels[frame * pixels + $0] == label }
        )
    }

    private static func split(_ logits: Tensor, _ truth: [Bool]) -> [(logits: [Float], truth: [Bool])] {
        precondition(
            logits.rank == 3 && logits.count == truth.count, "metrics: \(logits.shape), \(truth.count)")
        let pixels = logits.shape[1] * logits.shape[2]
        return (0..<logits.shape[0]).map {
            (logits[row: $0].values, Array(truth[$0 * pixels..<($0 + 1) * pixels]))
        }
    }

    private static func probability(_ logit: Float) -> Float { 1 / (1 + Foundation.exp(-logit)) }
}
