// SPDX-License-Identifier: Apache-2.0
import CKernels

extension Tensor {
    func axis(_ axis: Int, _ name: String) -> Int {
        let index = axis < 0 ? axis + rank : axis
        precondition(shape.indices.contains(index), "\(name): axis \(axis) of shape \(shape)")
        return index
    }

    /// Sum over one axis, which vanishes or is kept with extent 1.
    public func sum(axis: Int, keeping: Bool = false) -> Tensor {
        let axis = self.axis(axis, "sum")
        let outer = shape[..<axis].reduce(1, *), length = shape[axis],
            inner = shape[(axis + 1)...].reduce(1, *)
        let kept = shape[..<axis] + (keeping ? [1] : []) + shape[(axis + 1)...]
        if outer == 1, inner > 1 { return sumOfRows(axis, shape: Array(kept)) }
        return .make(Array(kept)) { out in
            reading(self) { x in
                ThreadPool.shared.runRanges(outer, grain: max(1, elementGrain / max(1, length * inner))) {
                    range in
                    for o in range {
                        let from = x + o * length * inner, to = out + o * inner
                        guard inner > 1 else {
                            to[0] = tavis_sum(from, length)
                            continue
                        }
                        to.update(repeating: 0, count: inner)
                        tavis_add_rows(to, from, length, inner)
                    }
                }
            }
        }.recorded(isTracked) { _ in .sum(self, axis: axis) }
    }

    /// Sum over an axis with nothing before it. Each thread sums some of its entries; the order of addition depends on
    /// the number of pieces alone.
    private func sumOfRows(_ axis: Int, shape kept: [Int]) -> Tensor {
        let rows = shape[axis], columns = shape[(axis + 1)...].reduce(1, *)
        let parts = max(1, min(ThreadPool.shared.pieces, count / elementGrain))
        return .make(kept) { out in
            let others = Tensor([parts - 1, columns])
            out.update(repeating: 0, count: columns)
            reading(self) { x in
                ThreadPool.shared.run(parts) { part in
                    let first = part * rows / parts, end = (part + 1) * rows / parts
                    let sum = part == 0 ? out : others.storage.base + (part - 1) * columns
                    tavis_add_rows(sum, x + first * columns, end - first, columns)
                }
            }
            tavis_add_rows(out, others.storage.base, parts - 1, columns)
            withExtendedLifetime(others) {}
        }.recorded(isTracked) { _ in .sum(self, axis: axis) }
    }

    public func mean(axis: Int, keeping: Bool = false) -> Tensor {
        let index = self.axis(axis, "mean")
        return sum(axis: index, keeping: keeping) / Float(shape[index])
    }

    /// Sum of all elements, a scalar.
    public func sum() -> Tensor {
        Tensor(reading(self) { tavis_sum($0, count) }).recorded(isTracked) { _ in .total(self) }
    }

    /// Mean of all elements, a scalar.
    public func mean() -> Tensor { sum() / Float(max(1, count)) }

    /// Largest element of each row of the last axis, which is kept with extent 1. No gradient flows through it.
    public func maximum() -> Tensor {
        precondition(width > 0, "maximum: shape \(shape)")
        return Tensor(shape: shape.dropLast() + [1]) { out in
            withValues { x in
                for row in out.indices { out[row] = x[row * width..<(row + 1) * width].max() ?? 0 }
            }
        }
    }

    /// Position of the first largest element of each row of the last axis. `[.., n] → count / n` indices
    public func argmax() -> [Int] {
        precondition(width > 0, "argmax: shape \(shape)")
        return withValues { x in
            (0..<count / width).map { row in
                var best = 0
                for i in 1..<max(1, width) where x[row * width + i] > x[row * width + best] { best = i }
                return best
            }
        }
    }
}

/// Every summand gets the sum's gradient.
func sumGradient(_ dy: Tensor, of shape: [Int], axis: Int) -> Tensor {
    let outer = shape[..<axis].reduce(1, *), length = shape[axis], inner = shape[(axis + 1)...].reduce(1, *)
    return .make(shape) { out in
        reading(dy) { dy in
            ThreadPool.shared.runRanges(outer, grain: max(1, elementGrain / max(1, length * inner))) {
                range in
                for o in range {
                    for i in 0..<length {
                        (out + (o * length + i) * inner).update(from: dy + o * inner, count: inner)
                    }
                }
            }
        }
    }
}
