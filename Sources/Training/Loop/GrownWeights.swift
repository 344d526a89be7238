// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine

/// The weights of a smaller model of the same kind in a larger one, which begins by doing nearly the same.
///
/// After Net2Net (Chen, Goodfellow, Shlens: ICLR 2016). New channels of a residual stream start at 0, as nothing writes
/// to them; new units within a layer compute something that nothing reads; new blocks of the trunk add nothing. So all
/// have gradients from the first step. Exact but for layer norms, whose mean over more channels is another, and for the
/// sine encoding of memories.
struct GrownWeights: WeightSource {
    private let small: any WeightSource
    private let initial: InitialWeights
    private let rules: GrowthRules

    init(_ small: any WeightSource, from old: TAViSConfig, to new: TAViSConfig, seed: UInt64) throws {
        self.small = small
        initial = InitialWeights(seed: seed)
        rules = try GrowthRules(from: old, to: new)
    }

    /// Any key: the larger model decides what it takes.
    var keys: Set<String>? { nil }

    func shape(of key: String, expected: [Int]) -> [Int]? {
        guard let oldKey = rules.oldKey(key) else { return expected }
        guard let old = small.shape(of: oldKey, expected: expected) else {
            return key.hasPrefix(TAViS.teacherPrefix) ? expected : nil
        }
        return old.count == expected.count && zip(old, expected).allSatisfy(<=) ? expected : old
    }

    func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        let axes = rules.axes(key, count: shape.count), fresh = try initial.tensor(key, shape: shape)
        guard let oldKey = rules.oldKey(key), let oldShape = small.shape(of: oldKey, expected: shape) else {
            return axes.contains { $0.startsQuiet } ? Tensor(shape) : fresh
        }
        let old = try small.tensor(oldKey, shape: oldShape)
        guard oldShape != shape else { return old }
        let places = shape.indices.map { axes[$0].oldIndices(oldShape[$0], in: shape[$0]) }
        let scale = rules.scale(key, rows: oldShape[0]), row = old.count / oldShape[0]
        return Tensor(shape: shape) { out in
            old.withValues { old in
                fresh.withValues { fresh in
                    for i in out.indices {
                        var rest = i, from = 0, stride = 1, isOld = true, isQuiet = false
                        for axis in shape.indices.reversed() {
                            let place = places[axis][rest % shape[axis]]
                            rest /= shape[axis]
                            from += (place ?? 0) * stride
                            stride *= oldShape[axis]
                            isOld = isOld && place != nil
                            isQuiet = isQuiet || place == nil && axes[axis].startsQuiet
                        }
                        out[i] = isOld ? old[from] * scale(from / row) : isQuiet ? 0 : fresh[i]
                    }
                }
            }
        }
    }
}

/// How one axis of a weight grows.
struct GrowingAxis: Equatable {
    /// Runs that each grow by themselves: heads, queries, keys and values in one matrix, sines and cosines.
    var parts = 1
    /// Weights at its new indices are 0: it writes to a residual stream, or reads what is new and not 0.
    var startsQuiet = false
    /// Pairs of channels whose frequencies grow finer: old ones have every other frequency.
    var interleavesPairs = false

    /// For each new index the old one that it continues.
    func oldIndices(_ old: Int, in new: Int) -> [Int?] {
        guard old < new else { return (0..<new).map { $0 } }
        let (short, long) = (old / parts, new / parts)
        return (0..<new).map { index in
            let (part, at) = (index / long, index % long)
            guard interleavesPairs else { return at < short ? part * short + at : nil }
            let pair = at / 2
            return pair % (long / short) == 0 ? part * short + pair / (long / short) * 2 + at % 2 : nil
        }
    }
}
