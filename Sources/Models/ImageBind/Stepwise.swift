// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Work in steps of about half a block of a tower each, so that a stream can spread it over its frames. However it is spread,
/// the result is the same.
public enum Stepwise<Result> {
    /// - left: the work from here to the end, by the scale of `TransformerBlock.work`.
    case next(left: Float, () -> Stepwise)
    case done(Result)

    /// Does all that is left.
    public func finished() -> Result {
        var step = self
        while true {
            switch step {
            case .next(_, let work): step = work()
            case .done(let result): return result
            }
        }
    }

    /// Works until no more than `left` is left. Nothing is done where that is so already.
    public mutating func advance(toLeave left: Float) {
        while case .next(let rest, let work) = self, rest > left { self = work() }
    }

    public func map<Other>(_ transform: @escaping (Result) -> Other) -> Stepwise<Other> {
        switch self {
        case .next(let left, let work): .next(left: left) { work().map(transform) }
        case .done(let result): .done(transform(result))
        }
    }

    /// By the scale of `TransformerBlock.work`.
    public var left: Float {
        if case .next(let left, _) = self { left } else { 0 }
    }

    public var result: Result? {
        if case .done(let result) = self { result } else { nil }
    }
}

extension [TransformerBlock] {
    /// Runs the blocks one after the other, a step each half.
    ///
    /// - Parameters:
    ///   - rows: how many the blocks work on.
    ///   - left: the work that follows.
    ///   - attended: runs a block's first half, given with its index.
    func steps<Result>(
        _ x: Tensor, rows: Int, left: Float,
        attended: @escaping (TransformerBlock, Int, Tensor) -> Tensor,
        then: @escaping (Tensor) -> Stepwise<Result>
    ) -> Stepwise<Result> { steps(x, from: 0, rows: rows, left: left, attended: attended, then: then) }

    private func steps<Result>(
        _ x: Tensor, from index: Int, rows: Int, left: Float,
        attended: @escaping (TransformerBlock, Int, Tensor) -> Tensor,
        then: @escaping (Tensor) -> Stepwise<Result>
    ) -> Stepwise<Result> {
        guard index < count else { return then(x) }
        let block = self[index], rest = left + self[(index + 1)...].work(rows: rows)
        return .next(left: rest + block.work(rows: rows)) {
            let y = checkpointed([x]) { attended(block, index, $0[0]) }
            return .next(left: rest + block.work(rows: rows) * 2 / 3) {
                let z = checkpointed([y]) { block.mlp($0[0]) }
                return steps(z, from: index + 1, rows: rows, left: left, attended: attended, then: then)
            }
        }
    }
}

extension Collection<TransformerBlock> {
    /// How much the blocks cost on some rows.
    func work(rows: Int) -> Float { reduce(0) { $0 + $1.work(rows: rows) } }
}
