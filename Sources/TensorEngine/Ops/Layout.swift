// SPDX-License-Identifier: Apache-2.0
import CKernels

extension Tensor {
    /// Axes in another order: axis i of the result is axis `order[i]` of this.
    public func permuted(_ order: [Int]) -> Tensor {
        precondition(order.sorted() == Array(0..<rank), "permuted: \(shape) by \(order)")
        var strides = [Int](repeating: 1, count: rank)
        for axis in (0..<max(0, rank - 1)).reversed() { strides[axis] = strides[axis + 1] * shape[axis + 1] }
        // Trailing axes that keep their place are copied in one piece.
        var split = rank
        while split > 0, order[split - 1] == split - 1 { split -= 1 }
        let run = shape[split...].reduce(1, *)
        let result = order.map { shape[$0] }
        guard split > 0, count > 0 else { return split == 0 ? self : Tensor(uninitialized: result) }
        let outer = Array(result[..<split]), steps = order[..<split].map { strides[$0] }
        let innerExtent = outer[split - 1], innerStep = steps[split - 1]
        return .make(result) { out in
            reading(self) { x in
                let rows = outer.dropLast().reduce(1, *)
                ThreadPool.shared.runRanges(rows, grain: max(1, elementGrain / (innerExtent * run))) {
                    range in
                    for row in range {
                        var rest = row
                        var from = x
                        for axis in (0..<split - 1).reversed() {
                            from += rest % outer[axis] * steps[axis]
                            rest /= outer[axis]
                        }
                        let to = out + row * innerExtent * run
                        if run == 1 {
                            for i in 0..<innerExtent { to[i] = from[i * innerStep] }
                        } else {
                            for i in 0..<innerExtent {
                                (to + i * run).update(from: from + i * innerStep, count: run)
                            }
                        }
                    }
                }
            }
        }.recorded(isTracked) { _ in .permute(self, order) }
    }

    public func permuted(_ order: Int...) -> Tensor { permuted(order) }

    /// Part of one axis. `[.., n, ..] → [.., range.count, ..]`
    public func sliced(axis: Int, _ range: Range<Int>) -> Tensor {
        let axis = self.axis(axis, "sliced")
        precondition(
            range.lowerBound >= 0 && range.upperBound <= shape[axis],
            "sliced: \(range) of axis \(axis) of \(shape)")
        guard axis > 0 else { return self[rows: range] }
        let outer = shape[..<axis].reduce(1, *), inner = shape[(axis + 1)...].reduce(1, *)
        let from = shape[axis] * inner, piece = range.count * inner
        return .make(shape[..<axis] + [range.count] + shape[(axis + 1)...]) { out in
            reading(self) { x in
                for o in 0..<outer {
                    (out + o * piece).update(from: x + o * from + range.lowerBound * inner, count: piece)
                }
            }
        }.recorded(isTracked) { _ in .slice(self, axis: axis, range) }
    }

    /// Repeats the whole tensor along a new leading axis. `[..] → [count, ..]`
    public func tiled(_ times: Int) -> Tensor {
        concat(Array(repeating: reshaped([1] + shape), count: times))
    }

    /// Each entry of the first axis `times` times in a row. `[N, ..] → [N·times, ..]`
    public func repeated(_ times: Int) -> Tensor {
        let rest = Array(shape.dropFirst()), inner = rest.reduce(1, *)
        return .make([shape[0] * times] + rest) { out in
            reading(self) { x in
                for i in 0..<shape[0] * times {
                    (out + i * inner).update(from: x + i / times * inner, count: inner)
                }
            }
        }.recorded(isTracked) { _ in .repeat(self, times) }
    }

    /// Entries of the first axis by index. `[N, ..] → [indices.count, ..]`
    public func gathered(_ indices: [Int]) -> Tensor {
        let rest = Array(shape.dropFirst()), inner = rest.reduce(1, *)
        return .make([indices.count] + rest) { out in
            reading(self) { x in
                for (i, index) in indices.enumerated() {
                    precondition(index >= 0 && index < shape[0], "gathered: index \(index) of shape \(shape)")
                    (out + i * inner).update(from: x + index * inner, count: inner)
                }
            }
        }.recorded(isTracked) { _ in .gather(self, indices) }
    }

    /// Zeros added at the end of two axes. `[B, H, W, C] → [B, H + bottom, W + right, C]`
    public func padded(bottom: Int, right: Int) -> Tensor {
        guard bottom > 0 || right > 0 else { return self }
        precondition(rank == 4, "padded: shape \(shape) is not [B, H, W, C]")
        let (b, h, w, c) = (shape[0], shape[1], shape[2], shape[3])
        var out = Tensor([b, h + bottom, w + right, c])
        out.withMutableValues { to in
            withValues { from in
                for row in 0..<b * h {
                    let y = row / h * (h + bottom) + row % h
                    (to.baseAddress! + y * (w + right) * c).update(
                        from: from.baseAddress! + row * w * c, count: w * c)
                }
            }
        }
        return out.recorded(isTracked) { _ in .pad(self) }
    }

    /// Upper left part of a map. `[B, H, W, C] → [B, height, width, C]`
    public func cropped(height: Int, width: Int) -> Tensor {
        guard shape[1] != height || shape[2] != width else { return self }
        return sliced(axis: 1, 0..<height).sliced(axis: 2, 0..<width)
    }
}

/// Tensors joined along an axis on which alone they may differ.
public func concat(_ parts: [Tensor], axis: Int = 0) -> Tensor {
    precondition(!parts.isEmpty, "concat: nothing to join")
    let first = parts[0]
    let axis = first.axis(axis, "concat")
    for part in parts {
        precondition(
            part.rank == first.rank
                && part.shape.indices.allSatisfy { $0 == axis || part.shape[$0] == first.shape[$0] },
            "concat on axis \(axis): \(first.shape) with \(part.shape)")
    }
    let outer = first.shape[..<axis].reduce(1, *), inner = first.shape[(axis + 1)...].reduce(1, *)
    let length = parts.reduce(0) { $0 + $1.shape[axis] }
    var shape = first.shape
    shape[axis] = length
    return .make(shape) { out in
        var start = 0
        for part in parts {
            let piece = part.shape[axis] * inner
            reading(part) { x in
                for o in 0..<outer {
                    (out + o * length * inner + start).update(from: x + o * piece, count: piece)
                }
            }
            start += piece
        }
    }.recorded(parts.contains(where: \.isTracked)) { _ in .concat(parts, axis: axis) }
}

/// Square windows of a map, zeros added at the right and bottom to fill the last ones.
/// `x [B, H, W, C]` → windows `[B·rows·columns, size, size, C]` and the padded height and width.
/// Source: `sam2/modeling/backbones/utils.py`, `window_partition`.
public func windowPartition(_ x: Tensor, size: Int) -> (windows: Tensor, height: Int, width: Int) {
    let (b, h, w, c) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    let height = (h + size - 1) / size * size, width = (w + size - 1) / size * size
    let rows = height / size, columns = width / size
    let windows = Tensor.make([b * rows * columns, size, size, c]) { out in
        reading(x) { x in
            ThreadPool.shared.runRanges(b * rows * columns * size, grain: max(1, elementGrain / (size * c))) {
                lines in
                for line in lines {
                    let (window, y) = (line / size, line % size)
                    let (image, row, column) = (
                        window / (rows * columns), window / columns % rows, window % columns
                    )
                    let to = out + line * size * c
                    let sourceY = row * size + y
                    let inside = sourceY < h ? max(0, min(size, w - column * size)) : 0
                    to.update(
                        from: x + ((image * h + min(sourceY, h - 1)) * w + column * size) * c,
                        count: inside * c)
                    (to + inside * c).update(repeating: 0, count: (size - inside) * c)
                }
            }
        }
    }.recorded(x.isTracked) { _ in .windowPartition(x, size: size) }
    return (windows, height, width)
}

/// Undoes `windowPartition`. `windows [B·rows·columns, size, size, C]` → `[B, cropHeight, cropWidth, C]`
public func windowUnpartition(
    _ windows: Tensor, size: Int, height: Int, width: Int, cropHeight: Int, cropWidth: Int
) -> Tensor {
    let c = windows.shape[3], rows = height / size, columns = width / size
    let b = windows.shape[0] / (rows * columns)
    return .make([b, cropHeight, cropWidth, c]) { out in
        reading(windows) { x in
            ThreadPool.shared.runRanges(b * cropHeight, grain: max(1, elementGrain / (cropWidth * c))) {
                lines in
                for line in lines {
                    let (image, y) = (line / cropHeight, line % cropHeight)
                    for column in 0..<(cropWidth + size - 1) / size {
                        let window = (image * rows + y / size) * columns + column
                        let count = min(size, cropWidth - column * size)
                        (out + (line * cropWidth + column * size) * c).update(
                            from: x + (window * size + y % size) * size * c, count: count * c)
                    }
                }
            }
        }
    }.recorded(windows.isTracked) { _ in
        .windowUnpartition(windows, size: size, height: height, width: width)
    }
}

// MARK: Gradients

func inverse(of order: [Int]) -> [Int] {
    var inverse = order
    for (i, axis) in order.enumerated() { inverse[axis] = i }
    return inverse
}

/// Zeros but for the part that was taken.
func sliceGradient(_ dy: Tensor, of shape: [Int], axis: Int, _ range: Range<Int>) -> Tensor {
    let outer = shape[..<axis].reduce(1, *), inner = shape[(axis + 1)...].reduce(1, *)
    let whole = shape[axis] * inner, start = range.lowerBound * inner, end = range.upperBound * inner
    return .make(shape) { out in
        reading(dy) { dy in
            for o in 0..<outer {
                let to = out + o * whole
                to.update(repeating: 0, count: start)
                (to + start).update(from: dy + o * (end - start), count: end - start)
                (to + end).update(repeating: 0, count: whole - end)
            }
        }
    }
}

/// Every row collects the gradients of its copies.
func gatherGradient(_ dy: Tensor, of shape: [Int], _ indices: [Int]) -> Tensor {
    let inner = shape.dropFirst().reduce(1, *)
    var sum = Tensor(shape)
    sum.withMutableValues { sum in
        guard let sum = sum.baseAddress else { return }
        reading(dy) { dy in
            for (i, index) in indices.enumerated() {
                tavis_accumulate(sum + index * inner, dy + i * inner, inner)
            }
        }
    }
    return sum
}

func concatGradients(_ dy: Tensor, _ parts: [Tensor], axis: Int) -> [Tensor?] {
    var start = 0
    return parts.map { part in
        defer { start += part.shape[axis] }
        return part.isTracked ? dy.sliced(axis: axis, start..<start + part.shape[axis]) : nil
    }
}

func windowPartitionGradient(_ dy: Tensor, of shape: [Int], size: Int) -> Tensor {
    let (h, w) = (shape[1], shape[2])
    return windowUnpartition(
        dy, size: size, height: (h + size - 1) / size * size, width: (w + size - 1) / size * size,
        cropHeight: h,
        cropWidth: w)
}

func windowUnpartitionGradient(_ dy: Tensor, size: Int, height: Int, width: Int) -> Tensor {
    windowPartition(
        dy.padded(bottom: height - dy.shape[1], right: width - dy.shape[2]), size: size
    ).windows
}
