// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine

/// Embeddings drawn on a plane so that near ones stay near: t-SNE.
///
/// Source: van der Maaten and Hinton 2008, with their early exaggeration, momentum and gains. Exact, so its cost grows
/// with the square of the number of points. The same points give the same map.
package struct EmbeddingMap {
    package struct Item: Sendable {
        package enum Kind: Sendable { case audio, image }
        package var kind: Kind
        /// Class index.
        package var label: Int
        package var values: [Float]

        package init(kind: Kind, label: Int, values: [Float]) {
            (self.kind, self.label, self.values) = (kind, label, values)
        }
    }

    /// About how many neighbours a point has.
    private static let perplexity = 30.0
    private static let steps = 500
    private static let exaggeratedSteps = 100
    private static let exaggeration = 4.0
    private static let rate = 100.0
    /// Steps after which the momentum grows.
    private static let slowSteps = 20

    /// One for each item, centred.
    package let positions: [SIMD2<Double>]

    /// - Parameter vectors: of equal length; only their directions count, as in the model's similarities.
    package init(_ vectors: [[Float]]) {
        guard vectors.count > 3 else {
            positions = vectors.indices.map { SIMD2(Double($0), 0) }
            return
        }
        let neighbours = Self.neighbours(Self.distances(vectors))
        var random = SplitMix(seed: 1)
        var points = vectors.map { _ in
            SIMD2(Double(random.unit()) - 0.5, Double(random.unit()) - 0.5) * 1e-2
        }
        var speed = points.map { _ in SIMD2(0.0, 0.0) }, gains = points.map { _ in SIMD2(1.0, 1.0) }
        for step in 0..<Self.steps {
            let factor = step < Self.exaggeratedSteps ? Self.exaggeration : 1
            let slopes = Self.slopes(points, neighbours, exaggeration: factor)
            let momentum = step < Self.slowSteps ? 0.5 : 0.8
            for i in points.indices {
                for axis in 0..<2 {
                    let turns = (slopes[i][axis] > 0) != (speed[i][axis] > 0)
                    gains[i][axis] = max(0.01, turns ? gains[i][axis] + 0.2 : gains[i][axis] * 0.8)
                }
                speed[i] = momentum * speed[i] - Self.rate * gains[i] * slopes[i]
                points[i] += speed[i]
            }
            let centre = points.reduce(SIMD2(0, 0), +) / Double(points.count)
            for i in points.indices { points[i] -= centre }
        }
        positions = points
    }

    /// Squared distances of directions, row by row.
    private static func distances(_ vectors: [[Float]]) -> [Double] {
        let units = vectors.map { vector -> [Float] in
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return vector.map { $0 / max(norm, 1e-12) }
        }
        let matrix = Tensor(units.flatMap(\.self), shape: [units.count, units[0].count])
        return matmul(matrix, matrix, transposeB: true).values.map { max(0, 2 - 2 * Double($0)) }
    }

    /// Joint probabilities p_ij, row by row, their sum 1.
    private static func neighbours(_ distances: [Double]) -> [Double] {
        let count = Int(Double(distances.count).squareRoot().rounded())
        let target = log(min(perplexity, Double(count - 1) / 3))
        var joint = [Double](repeating: 0, count: distances.count)
        for i in 0..<count {
            let row = conditional(Array(distances[i * count..<(i + 1) * count]), own: i, entropy: target)
            for j in 0..<count {
                joint[i * count + j] += row[j] / Double(2 * count)
                joint[j * count + i] += row[j] / Double(2 * count)
            }
        }
        return joint
    }

    /// p_j|i with the width that gives the entropy.
    private static func conditional(_ distances: [Double], own: Int, entropy target: Double) -> [Double] {
        var (low, high, precision) = (0.0, Double.infinity, 1.0)
        var weights = distances
        let nearest = distances.indices.filter { $0 != own }.map { distances[$0] }.min() ?? 0
        for _ in 0..<60 {
            // Relative to the nearest, so that the largest weight is 1 whatever the precision.
            for j in distances.indices {
                weights[j] = j == own ? 0 : exp(-(distances[j] - nearest) * precision)
            }
            let sum = weights.reduce(0, +)
            let entropy = weights.reduce(0) { $0 - ($1 > 0 ? $1 / sum * log($1 / sum) : 0) }
            if abs(entropy - target) < 1e-5 { break }
            if entropy > target { low = precision } else { high = precision }
            precision = high.isFinite ? (low + high) / 2 : precision * 2
        }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    /// ∂KL/∂y of each point.
    private static func slopes(
        _ points: [SIMD2<Double>], _ neighbours: [Double], exaggeration: Double
    ) -> [SIMD2<Double>] {
        let count = points.count
        var closeness = [Double](repeating: 0, count: count * count)
        for i in 0..<count {
            for j in 0..<i {
                let gap = points[i] - points[j]
                let value = 1 / (1 + (gap * gap).sum())
                closeness[i * count + j] = value
                closeness[j * count + i] = value
            }
        }
        let sum = closeness.reduce(0, +)
        return (0..<count).map { i in
            var slope = SIMD2(0.0, 0.0)
            for j in 0..<count where j != i {
                let near = closeness[i * count + j]
                let pull = exaggeration * neighbours[i * count + j] - near / sum
                slope += 4 * pull * near * (points[i] - points[j])
            }
            return slope
        }
    }
}
