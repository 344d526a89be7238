// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TensorEngine

/// Which clips a step trains on. It follows from the seed and the step alone, so a resumed run sees the same ones.
package final class ClipMix: Sendable {
    package struct Part: Sendable {
        package var source: any ClipSource
        /// Share of the clips, relative to the other parts'.
        package var weight: Float

        package init(_ source: any ClipSource, weight: Float = 1) {
            (self.source, self.weight) = (source, weight)
        }
    }

    package let parts: [Part]
    private let seed: UInt64
    /// Clips of a step.
    package let batch: Int
    private let shuffled = Mutex<(epoch: Int, order: [Int])>((-1, []))

    /// - Parameters:
    ///   - parts: at least one, none empty, with the same classes.
    ///   - batch: clips of a step.
    package init(_ parts: [Part], batch: Int, seed: UInt64) {
        precondition(!parts.isEmpty && parts.allSatisfy { $0.source.count > 0 }, "ClipMix: an empty part")
        (self.parts, self.batch, self.seed) = (parts, batch, seed)
    }

    /// Steps in which a single source is seen once.
    package var stepsPerEpoch: Int { max(1, parts.reduce(0) { $0 + $1.source.count } / batch) }

    /// The clips of a step. A single source is gone through in a new order each time; of several, clips are drawn.
    ///
    /// - Parameter items: those wanted; nil for all.
    package func clips(step: Int, items: Range<Int>? = nil) throws -> [AnnotatedClip] {
        try (items ?? 0..<batch).map { item in
            let (part, index) = parts.count == 1 ? (0, inTurn(step * batch + item)) : drawn(step, item)
            return try parts[part].source.clip(index)
        }
    }

    private func inTurn(_ position: Int) -> Int {
        let count = parts[0].source.count, epoch = position / count
        return shuffled.withLock { state in
            if state.epoch != epoch {
                var random = SplitMix(seed: seed, UInt64(epoch))
                state = (epoch, Array(0..<count).shuffled(using: &random))
            }
            return state.order[position % count]
        }
    }

    private func drawn(_ step: Int, _ item: Int) -> (part: Int, index: Int) {
        var random = SplitMix(seed: seed, UInt64(step), UInt64(item))
        var rest = random.unit() * parts.reduce(0) { $0 + $1.weight }
        let part =
            parts.firstIndex { part in
                rest -= part.weight
                return rest < 0
            } ?? parts.count - 1
        return (part, Int.random(in: 0..<parts[part].source.count, using: &random))
    }
}
