// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TestSupport
import Testing

@testable import TensorEngine

private func noise(_ shape: [Int], _ name: String = "x") -> Tensor {
    Tensor(SeededWeights.input("input.ops.\(name)", shape: shape, scale: 1), shape: shape)
}

private func expectEqual(
    _ found: Tensor, _ shape: [Int], _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ element: ([Int]) -> Double
) {
    #expect(found.shape == shape, "\(what)", sourceLocation: sourceLocation)
    var expected: [Float] = []
    for flat in 0..<shape.reduce(1, *) {
        var rest = flat
        var index = shape
        for axis in shape.indices.reversed() {
            index[axis] = rest % shape[axis]
            rest /= shape[axis]
        }
        expected.append(Float(element(index)))
    }
    expectClose(found.values, expected, what, sourceLocation: sourceLocation)
}

@Suite("each operation equals its formula on odd sizes")
struct OpsTests {
    @Test(
        "linear with bias, activation and residual",
        arguments: [(1, 1, 1), (5, 7, 3), (33, 17, 65), (400, 9, 20)])
    func linearLayer(m: Int, n: Int, k: Int) {
        let x = noise([m, k]), w = noise([n, k], "w"), b = noise([n], "b"), r = noise([m, n], "r")
        expectEqual(linear(x, w, b, activation: .gelu, residual: r), [m, n], "linear") { i in
            let sum = (0..<k).reduce(Double(b[i[1]])) { $0 + Double(x[i[0], $1]) * Double(w[i[1], $1]) }
            return 0.5 * sum * (1 + erf(sum / 2.0.squareRoot())) + Double(r[i[0], i[1]])
        }
        expectEqual(linear(x, w), [m, n], "linear without bias") { i in
            (0..<k).reduce(0) { $0 + Double(x[i[0], $1]) * Double(w[i[1], $1]) }
        }
    }

    @Test(
        "batched products, transposed either way, one operand shared", arguments: [false, true],
        [false, true])
    func products(ta: Bool, tb: Bool) {
        let (m, n, k) = (5, 9, 6)
        let a = noise(ta ? [3, k, m] : [3, m, k]), b = noise(tb ? [n, k] : [k, n], "b")
        expectEqual(matmul(a, b, transposeA: ta, transposeB: tb), [3, m, n], "matmul") { i in
            (0..<k).reduce(0) { sum, p in
                sum + Double(ta ? a[i[0], p, i[1]] : a[i[0], i[1], p]) * Double(tb ? b[i[2], p] : b[p, i[2]])
            }
        }
    }

    @Test(
        "attention over several blocks of queries and keys, causal or with shared keys",
        arguments: [
            (1, 1, 1, false, 1), (2, 70, 70, true, 2), (2, 150, 150, true, 2), (3, 65, 1030, false, 1),
            (2, 7, 33, false, 2),
        ])
    func attentionHeads(batch: Int, queries: Int, keys: Int, causal: Bool, keyBatch: Int) {
        let heads = 2, d = 5, e = 3
        let q = noise([batch, queries, heads * d], "q"), k = noise([keyBatch, keys, heads * d], "k")
        let v = noise([keyBatch, keys, heads * e], "v")
        let found = attention(q, k, v, heads: heads, causal: causal)
        expectEqual(found, [batch, queries, heads * e], "attention") { i in
            let head = i[2] / e, kb = keyBatch == 1 ? 0 : i[0]
            let seen = causal ? i[1] + 1 : keys
            let weights = (0..<seen).map { key in
                exp(
                    (0..<d).reduce(0) {
                        $0 + Double(q[i[0], i[1], head * d + $1]) * Double(k[kb, key, head * d + $1])
                    }
                        / Double(d).squareRoot())
            }
            let sum = weights.reduce(0, +)
            return weights.indices.reduce(0) { $0 + weights[$1] / sum * Double(v[kb, $1, i[2]]) }
        }
    }

    @Test(
        "convolution with stride and padding",
        arguments: [(7, 6, 3, 3, 2, 1), (9, 9, 1, 7, 4, 3), (4, 5, 2, 1, 1, 0)])
    func convolution(h: Int, w: Int, c: Int, kernel: Int, stride: Int, padding: Int) {
        let x = noise([2, h, w, c]), weight = noise([4, c, kernel, kernel], "w"), bias = noise([4], "b")
        let oh = (h + 2 * padding - kernel) / stride + 1, ow = (w + 2 * padding - kernel) / stride + 1
        let found = conv2d(x, weight, bias, stride: stride, padding: padding)
        expectEqual(found, [2, oh, ow, 4], "conv2d") { i in
            var sum = Double(bias[i[3]])
            for ky in 0..<kernel {
                for kx in 0..<kernel {
                    let y = i[1] * stride + ky - padding, at = i[2] * stride + kx - padding
                    guard y >= 0, y < h, at >= 0, at < w else { continue }
                    for channel in 0..<c {
                        sum += Double(x[i[0], y, at, channel]) * Double(weight[i[3], channel, ky, kx])
                    }
                }
            }
            return sum
        }
    }

    @Test("depthwise and transposed convolution, pooling")
    func otherConvolutions() {
        let x = noise([2, 6, 4, 5]), w = noise([5, 1, 3, 3], "w"), b = noise([5], "b")
        expectEqual(depthwiseConv2d(x, w, b), [2, 6, 4, 5], "depthwiseConv2d") { i in
            var sum = Double(b[i[3]])
            for ky in 0..<3 {
                for kx in 0..<3 where (0..<6).contains(i[1] + ky - 1) && (0..<4).contains(i[2] + kx - 1) {
                    sum += Double(x[i[0], i[1] + ky - 1, i[2] + kx - 1, i[3]]) * Double(w[i[3], 0, ky, kx])
                }
            }
            return sum
        }
        let t = noise([5, 3, 2, 2], "t"), tb = noise([3], "tb")
        expectEqual(convTranspose2d(x, t, tb), [2, 12, 8, 3], "convTranspose2d") { i in
            (0..<5).reduce(Double(tb[i[3]])) {
                $0 + Double(x[i[0], i[1] / 2, i[2] / 2, $1]) * Double(t[$1, i[3], i[1] % 2, i[2] % 2])
            }
        }
        expectEqual(maxPool2x2(x), [2, 3, 2, 5], "maxPool2x2") { i in
            [(0, 0), (0, 1), (1, 0), (1, 1)].map { Double(x[i[0], 2 * i[1] + $0, 2 * i[2] + $1, i[3]]) }.max()
                ?? 0
        }
        expectEqual(upsampledNearest2x(x), [2, 12, 8, 5], "upsampledNearest2x") {
            Double(x[$0[0], $0[1] / 2, $0[2] / 2, $0[3]])
        }
    }

    @Test("windows cut a map with zeros at its end and put it together again", arguments: [1, 3, 4, 8])
    func windows(size: Int) {
        let x = noise([2, 7, 5, 3])
        let (windows, height, width) = windowPartition(x, size: size)
        let columns = width / size, perImage = height / size * columns
        expectEqual(windows, [2 * perImage, size, size, 3], "windowPartition") { i in
            let y = i[0] % perImage / columns * size + i[1], at = i[0] % columns * size + i[2]
            return y < 7 && at < 5 ? Double(x[i[0] / perImage, y, at, i[3]]) : 0
        }
        let back = windowUnpartition(
            windows, size: size, height: height, width: width, cropHeight: 7, cropWidth: 5)
        #expect(back.values == x.values && back.shape == x.shape)
    }

    @Test(
        "bilinear resizing takes the two nearest of half-pixel centres",
        arguments: [(4, 7), (7, 4), (5, 5), (3, 12)])
    func bilinear(from: Int, to: Int) {
        let x = noise([1, from, from, 2])
        func taps(_ i: Int) -> [(Int, Double)] {
            let position = max(0, (Double(i) + 0.5) * Double(from) / Double(to) - 0.5)
            let first = Int(position), fraction = position - Double(Int(position))
            return [(first, 1 - fraction), (min(first + 1, from - 1), fraction)]
        }
        expectEqual(resizeBilinear(x, height: to, width: to), [1, to, to, 2], "resizeBilinear") { i in
            taps(i[1]).reduce(0) { sum, y in
                sum + taps(i[2]).reduce(0) { $0 + y.1 * $1.1 * Double(x[0, y.0, $1.0, i[3]]) }
            }
        }
    }

    @Test("box blur counts the zeros outside")
    func blur() {
        let x = noise([1, 6, 5, 2])
        expectEqual(boxBlur(x, size: 3), [1, 6, 5, 2], "boxBlur") { i in
            var sum = 0.0
            for y in max(0, i[1] - 1)...min(5, i[1] + 1) {
                for at in max(0, i[2] - 1)...min(4, i[2] + 1) { sum += Double(x[0, y, at, i[3]]) }
            }
            return sum / 9
        }
    }

    @Test("sums, joins, parts and rotations")
    func layout() {
        let x = noise([3, 4, 5])
        expectEqual(x.sum(axis: 1), [3, 5], "sum") { i in (0..<4).reduce(0) { $0 + Double(x[i[0], $1, i[1]]) }
        }
        expectEqual(x.mean(axis: -1, keeping: true), [3, 4, 1], "mean") { i in
            (0..<5).reduce(0) { $0 + Double(x[i[0], i[1], $1]) } / 5
        }
        expectEqual(concat([x, x.sliced(axis: 1, 1..<3)], axis: 1), [3, 6, 5], "concat") { i in
            Double(x[i[0], i[1] < 4 ? i[1] : i[1] - 3, i[2]])
        }
        expectEqual(x.gathered([2, 0, 2]), [3, 4, 5], "gathered") {
            Double(x[[2, 0, 2][$0[0]], $0[1], $0[2]])
        }
        let angles = noise([4, 3], "a"), pairs = noise([2, 8, 6], "p")
        let (cosines, sines) = (
            Tensor(angles.values.map(cos), shape: [4, 3]), Tensor(angles.values.map(sin), shape: [4, 3])
        )
        expectEqual(rotated(pairs, cosines: cosines, sines: sines), [2, 8, 6], "rotated") { i in
            let angle = Double(angles[i[1] % 4, i[2] / 2])
            let a = Double(pairs[i[0], i[1], i[2] / 2 * 2]), b = Double(pairs[i[0], i[1], i[2] / 2 * 2 + 1])
            return i[2] % 2 == 0 ? a * cos(angle) - b * sin(angle) : a * sin(angle) + b * cos(angle)
        }
    }
}

@Suite("memory and threads")
struct EngineTests {
    @Test("freed buffers are used again")
    func pool() {
        let pool = BufferPool(limitBytes: 1 << 20)
        let (first, capacity) = pool.take(1000)
        pool.give(first, capacity: capacity)
        #expect(pool.cachedBytes == capacity && pool.systemAllocations == 1)
        #expect(pool.take(capacity - 8).0 == first && pool.cachedBytes == 0)
        #expect(pool.systemAllocations == 1)
        pool.give(first, capacity: capacity)
        pool.drain()
        #expect(pool.cachedBytes == 0)
    }

    @Test("sizes are rounded up by at most a quarter")
    func steps() {
        for size in [1, 256, 257, 1000, 4096, 4097, 1_000_000] {
            let step = BufferPool.step(size)
            #expect(step >= size && (step <= size + size / 4 || step == 256))
        }
    }

    @Test("every index runs once, also in nested and simultaneous loops")
    func threads() {
        let pool = ThreadPool(threads: 3)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            var counts = [Int32](repeating: 0, count: 500)
            counts.withUnsafeMutableBufferPointer { counts in
                nonisolated(unsafe) let counts = counts
                pool.run(50) { outer in pool.run(10) { counts[outer * 10 + $0] += 1 } }
            }
            #expect(counts.allSatisfy { $0 == 1 })
        }
    }

    @Test("a pool may be dropped before its threads have begun")
    func droppedPools() {
        for _ in 0..<20 { ThreadPool(threads: 2).run(1) { _ in } }
        Thread.sleep(forTimeInterval: 0.1)
    }

    @Test("writing to a copy leaves the original and the other views alone")
    func values() {
        let a = Tensor([1, 2, 3, 4], shape: [2, 2])
        var b = a[rows: 1..<2]
        b.withMutableValues { $0[0] = 9 }
        #expect(a.values == [1, 2, 3, 4] && b.values == [9, 4])
    }
}
