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
        }.recorded(isTracked) { .unary(op, x: self, y: $0) }
    }

    func activated(_ activation: Activation) -> Tensor {
        activation == .none ? self : mapped(activation.kernel)
    }

    public func relu() -> Tensor { mapped(TAVIS_RELU) }
    /// x/2 · (1 + erf(x/√2)), the exact form.
    public func gelu() -> Tensor { mapped(TAVIS_GELU) }
    public func sigmoid() -> Tensor { mapped(TAVIS_SIGMOID) }
    public func exp() -> Tensor { mapped(TAVIS_EXP) }
    public func log() -> Tensor { mapped(TAVIS_LOG) }
    public func squareRoot() -> Tensor { mapped(TAVIS_SQRT) }
    /// log(1 + eˣ), without overflow.
    public func softplus() -> Tensor { mapped(TAVIS_SOFTPLUS) }

    /// Broadcasts as NumPy does: extents are aligned at the end, and 1 stretches.
    private static func binary(_ op: tavis_binary_op, _ name: String, _ a: Tensor, _ b: Tensor) -> Tensor {
        values(op, name, a, b).recorded(a.isTracked || b.isTracked) { _ in .binary(op, a, b) }
    }

    private static func values(_ op: tavis_binary_op, _ name: String, _ a: Tensor, _ b: Tensor) -> Tensor {
        if b.count == 1, b.rank <= a.rank { return scalarValues(op, a, b.withValues { $0[0] }) }
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
        scalarValues(op, a, b).recorded(a.isTracked) { _ in .binaryScalar(op, a, b) }
    }

    private static func scalarValues(_ op: tavis_binary_op, _ a: Tensor, _ b: Float) -> Tensor {
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

// MARK: Gradients

/// dx = dy · f′(x).
func unaryGradient(_ op: tavis_unary_op, _ dy: Tensor, x: Tensor, y: Tensor) -> Tensor {
    .make(dy.shape) { out in
        reading(dy, x, y) { gradient, x, y in
            ThreadPool.shared.runRanges(dy.count, grain: elementGrain) {
                let start = $0.lowerBound
                tavis_unary_gradient(op, out + start, gradient + start, x + start, y + start, $0.count)
            }
        }
    }
}

/// Of a ± b, a · b, a / b and the larger or smaller, summed over the axes along which an operand was stretched.
func binaryGradients(_ op: tavis_binary_op, _ dy: Tensor, _ a: Tensor, _ b: Tensor) -> [Tensor?] {
    let (x, y) = (a.detached(), b.detached())
    func gradientOfA() -> Tensor {
        switch op {
        case TAVIS_MUL: dy * y
        case TAVIS_DIV: dy / y
        case TAVIS_MAX: dy * isGreater(x, y)
        case TAVIS_MIN: dy * isGreater(y, x)
        default: dy
        }
    }
    func gradientOfB() -> Tensor {
        switch op {
        case TAVIS_SUB: dy * -1
        case TAVIS_MUL: dy * x
        case TAVIS_DIV: dy * x / (y * y) * -1
        case TAVIS_MAX: dy * isGreater(y, x)
        case TAVIS_MIN: dy * isGreater(x, y)
        default: dy
        }
    }
    return [
        a.isTracked ? gradientOfA().reduced(to: a.shape) : nil,
        b.isTracked ? gradientOfB().reduced(to: b.shape) : nil,
    ]
}

/// Of an operation with a constant. A clamped element passes nothing on.
func scalarGradient(_ op: tavis_binary_op, _ dy: Tensor, _ a: Tensor, _ b: Float) -> Tensor {
    switch op {
    case TAVIS_MUL: dy * b
    case TAVIS_DIV: dy / b
    case TAVIS_MAX: dy * isGreater(a.detached(), Tensor(b))
    case TAVIS_MIN: dy * isGreater(Tensor(a.shape, filled: b), a.detached())
    default: dy
    }
}

/// 1 where a > b, else 0.
private func isGreater(_ a: Tensor, _ b: Tensor) -> Tensor {
    let difference = a - b
    return Tensor(shape: difference.shape) { out in
        difference.withValues { for i in $0.indices { out[i] = $0[i] > 0 ? 1 : 0 } }
    }
}

extension Tensor {
    /// Undoes broadcasting: sums over the axes that `shape` lacks or has with extent 1.
    func reduced(to target: [Int]) -> Tensor {
        guard shape != target else { return self }
        let extra = rank - target.count
        var sum = extra > 0 ? reshaped([-1] + shape[extra...]).sum(axis: 0) : self
        for axis in target.indices where target[axis] == 1 && sum.shape[axis] != 1 {
            sum = sum.sum(axis: axis, keeping: true)
        }
        return sum.reshaped(target)
    }
}
