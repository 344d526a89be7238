// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Function applied to each element, alone or fused into `linear` and the convolutions.
public enum Activation: Sendable {
    case none, relu, gelu, sigmoid

    var kernel: tavis_unary_op {
        switch self {
        case .none: TAVIS_COPY
        case .relu: TAVIS_RELU
        case .gelu: TAVIS_GELU
        case .sigmoid: TAVIS_SIGMOID
        }
    }
}

/// Elements per piece of work below which another thread does not pay.
let elementGrain = 1 << 15

extension Tensor {
    private func mapped(_ op: tavis_unary_op) -> Tensor {
        .make(shape) { out in
            reading(self) { x in
                ThreadPool.shared.runRanges(count, grain: elementGrain) {
                    tavis_unary(op, out + $0.lowerBound, x + $0.lowerBound, $0.count)
                }
            }
        }
    }

    public func relu() -> Tensor { mapped(TAVIS_RELU) }
    /// x/2 · (1 + erf(x/√2)), the exact form.
    public func gelu() -> Tensor { mapped(TAVIS_GELU) }
    public func sigmoid() -> Tensor { mapped(TAVIS_SIGMOID) }
    public func exp() -> Tensor { mapped(TAVIS_EXP) }
    public func log() -> Tensor { mapped(TAVIS_LOG) }
    public func squareRoot() -> Tensor { mapped(TAVIS_SQRT) }

    /// Broadcasts as NumPy does: extents are aligned at the end, and 1 stretches.
    private static func binary(_ op: tavis_binary_op, _ name: String, _ a: Tensor, _ b: Tensor) -> Tensor {
        if b.count == 1, b.rank <= a.rank { return scalar(op, a, b.withValues { $0[0] }) }
        guard a.shape != b.shape else {
            return .make(a.shape) { out in
                reading(a, b) { x, y in
                    ThreadPool.shared.runRanges(a.count, grain: elementGrain) {
                        tavis_binary(op, out + $0.lowerBound, x + $0.lowerBound, y + $0.lowerBound, $0.count)
                    }
                }
            }
        }
        return broadcast(op, name, a, b)
    }

    private static func scalar(_ op: tavis_binary_op, _ a: Tensor, _ b: Float) -> Tensor {
        .make(a.shape) { out in
            reading(a) { x in
                ThreadPool.shared.runRanges(a.count, grain: elementGrain) {
                    tavis_binary_scalar(op, out + $0.lowerBound, x + $0.lowerBound, b, $0.count)
                }
            }
        }
    }

    private static func broadcast(_ op: tavis_binary_op, _ name: String, _ a: Tensor, _ b: Tensor) -> Tensor {
        let rank = max(a.rank, b.rank)
        let x = Array(repeating: 1, count: rank - a.rank) + a.shape
        let y = Array(repeating: 1, count: rank - b.rank) + b.shape
        let shape = zip(x, y).map { x, y in
            precondition(x == y || x == 1 || y == 1, "\(name): \(a.shape) with \(b.shape)")
            return max(x, y) * min(1, min(x, y))
        }
        // The longest tail without stretching on either side, or stretched as a whole on one, is one run.
        var split = rank
        var run = 1
        while split > 0, x[split - 1] == y[split - 1] {
            split -= 1
            run *= shape[split]
        }
        let aStretched = split == rank && rank > 0 && x[rank - 1] == 1
        let bStretched = split == rank && rank > 0 && !aStretched
        if aStretched || bStretched {
            let stretched = aStretched ? x : y
            while split > 0, stretched[split - 1] == 1 {
                split -= 1
                run *= shape[split]
            }
        }
        func strides(_ extents: [Int], _ stretched: Bool) -> [Int] {
            var stride = extents[split...].reduce(1, *)
            return extents[..<split].reversed().map { extent in
                defer { stride *= extent }
                return extent == 1 ? 0 : stride
            }.reversed()
        }
        let aStrides = strides(x, aStretched), bStrides = strides(y, bStretched)
        let outer = Array(shape[..<split])
        let rows = outer.reduce(1, *)
        return .make(shape) { out in
            reading(a, b) { a, b in
                ThreadPool.shared.runRanges(rows, grain: max(1, elementGrain / max(1, run))) { range in
                    for row in range {
                        var rest = row
                        var aOffset = 0, bOffset = 0
                        for axis in outer.indices.reversed() {
                            let index = rest % outer[axis]
                            rest /= outer[axis]
                            aOffset += index * aStrides[axis]
                            bOffset += index * bStrides[axis]
                        }
                        let to = out + row * run
                        if bStretched {
                            tavis_binary_scalar(op, to, a + aOffset, b[bOffset], run)
                        } else if aStretched {
                            for i in 0..<run { to[i] = a[aOffset] }
                            tavis_binary(op, to, to, b + bOffset, run)
                        } else {
                            tavis_binary(op, to, a + aOffset, b + bOffset, run)
                        }
                    }
                }
            }
        }
    }

    public static func + (a: Tensor, b: Tensor) -> Tensor { binary(TAVIS_ADD, "+", a, b) }
    public static func - (a: Tensor, b: Tensor) -> Tensor { binary(TAVIS_SUB, "-", a, b) }
    public static func * (a: Tensor, b: Tensor) -> Tensor { binary(TAVIS_MUL, "*", a, b) }
    public static func / (a: Tensor, b: Tensor) -> Tensor { binary(TAVIS_DIV, "/", a, b) }
    public static func + (a: Tensor, b: Float) -> Tensor { scalar(TAVIS_ADD, a, b) }
    public static func - (a: Tensor, b: Float) -> Tensor { scalar(TAVIS_SUB, a, b) }
    public static func * (a: Tensor, b: Float) -> Tensor { scalar(TAVIS_MUL, a, b) }
    public static func / (a: Tensor, b: Float) -> Tensor { scalar(TAVIS_DIV, a, b) }

    /// Each element limited to `range`.
    public func clamped(to range: ClosedRange<Float>) -> Tensor {
        Self.scalar(TAVIS_MIN, Self.scalar(TAVIS_MAX, self, range.lowerBound), range.upperBound)
    }
}
