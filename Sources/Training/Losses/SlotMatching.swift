// SPDX-License-Identifier: Apache-2.0
// Which object slot stands for which sounding class of a frame. Source: `sam2_train/sam2_video_predictor.py`,
// `HungarianMatcher`.
import Models
import TensorEngine

/// One slot and the class it is matched with.
package struct SlotMatch: Sendable, Equatable {
    package var slot: Int
    package var label: UInt8
}

/// A class's place in a frame: 1 where it sounds.
struct TargetMask {
    let label: UInt8
    let values: [Float]
}

/// Points at which masks are compared, in units of the side, x before y.
package struct MatchPoints: Sendable {
    package static let officialCount = 12_544
    let x, y: [Float]

    /// - Parameter coordinates: pairs in 0…1.
    package init(_ coordinates: [Float]) {
        x = stride(from: 0, to: coordinates.count - 1, by: 2).map { coordinates[$0] }
        y = stride(from: 1, to: coordinates.count, by: 2).map { coordinates[$0] }
    }

    /// Uniform points, the same for the same seed.
    package init(count: Int, seed: UInt64) {
        var random = SplitMix(seed: seed)
        self.init((0..<2 * count).map { _ in random.unit() })
    }

    /// Bilinear values of a square map at the points, zero outside. `[S · S] → [points]`
    func sample(_ map: UnsafeBufferPointer<Float>, side: Int) -> [Float] {
        func at(_ row: Int, _ column: Int) -> Float {
            (0..<side).contains(row) && (0..<side).contains(column) ? map[row * side + column] : 0
        }
        return x.indices.map { i in
            let column = x[i] * Float(side) - 0.5, row = y[i] * Float(side) - 0.5
            let (left, top) = (column.rounded(.down), row.rounded(.down))
            let (dx, dy) = (column - left, row - top)
            let (c, r) = (Int(left), Int(top))
            let upper = at(r, c) * (1 - dx) + at(r, c + 1) * dx
            let lower = at(r + 1, c) * (1 - dx) + at(r + 1, c + 1) * dx
            return upper * (1 - dy) + lower * dy
        }
    }
}

/// Minimum-cost pairs of slots and classes of one frame, by slot.
///
/// cost = −5·p_a2t(class) − 5·p_i2t(class) + 5·mean BCE + 5·dice, on sampled points.
/// - Parameters:
///   - logits: object slots' masks `[N, S, S]`.
///   - scores: class probabilities of each slot, audio–text and where used image–text; `[N, K]` each.
func matchSlots(
    logits: Tensor, scores: [Tensor], targets: [TargetMask], points: MatchPoints
) -> [SlotMatch] {
    let slots = logits.shape[0], side = logits.shape[1]
    guard !targets.isEmpty else { return [] }
    let predictions = (0..<slots).map { slot in
        SampledMask(logits: logits[row: slot].withValues { points.sample($0, side: side) })
    }
    let truths = targets.map { $0.values.withUnsafeBufferPointer { points.sample($0, side: side) } }
    let cost = predictions.enumerated().map { slot, prediction in
        zip(targets, truths).map { target, truth -> Float in
            let classes = scores.reduce(Float(0)) { $0 + $1[slot, Int(target.label)] }
            return 5 * (prediction.difference(from: truth) - classes)
        }
    }
    return assign(cost).map { SlotMatch(slot: $0.row, label: targets[$0.column].label) }
}

/// Cheapest pairs of a matrix of any shape, by row: the shorter side is matched whole.
private func assign(_ cost: [[Float]]) -> [(row: Int, column: Int)] {
    let rows = cost.count, columns = cost[0].count, size = max(rows, columns)
    // Rows and columns that only fill the square cost the same everywhere, so they take what is left.
    let square = (0..<size).map { r in (0..<size).map { c in r < rows && c < columns ? cost[r][c] : 0 } }
    return minimumCostAssignment(square).enumerated().filter { $0.offset < rows && $0.element < columns }
        .map { ($0.offset, $0.element) }
}

/// A predicted mask at the points.
private struct SampledMask {
    let logits, probabilities: [Float]
    let softplus, area: Float

    init(logits: [Float]) {
        self.logits = logits
        let tensor = Tensor(logits, shape: [logits.count])
        let probabilities = tensor.sigmoid()
        self.probabilities = probabilities.values
        softplus = tensor.softplus().sum().scalar
        area = probabilities.sum().scalar
    }

    /// Mean binary cross-entropy plus dice loss against a truth at the same points.
    func difference(from truth: [Float]) -> Float {
        var along: Float = 0, overlap: Float = 0, truthArea: Float = 0
        for i in truth.indices {
            along += logits[i] * truth[i]
            overlap += probabilities[i] * truth[i]
            truthArea += truth[i]
        }
        let entropy = (softplus - along) / Float(max(1, truth.count))
        return entropy + 1 - (2 * overlap + 1) / (area + truthArea + 1)
    }
}
