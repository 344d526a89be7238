// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing

@testable import TensorEngine

private func noise(_ name: String, _ shape: Int...) -> Tensor {
    Tensor(SeededWeights.input("input.autograd.\(name)", shape: shape, scale: 1), shape: shape)
}

/// Compares every element of every gradient with central differences of Σ f(inputs) · r for a fixed r.
private func expectGradients(
    _ what: String, _ inputs: [Tensor], step: Float = 1e-2, tolerance: Double = 4e-3,
    sourceLocation: SourceLocation = #_sourceLocation, _ f: ([Tensor]) -> Tensor
) {
    let leaves = inputs.map { $0.tracked() }
    let y = f(leaves)
    #expect(y.isTracked, "\(what)", sourceLocation: sourceLocation)
    let r = Tensor(SeededWeights.input("input.autograd.r", shape: y.shape, scale: 1), shape: y.shape)
    func loss(_ inputs: [Tensor]) -> Double {
        let y = f(inputs)
        return zip(y.values, r.values).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let found = gradients(of: (y * r).sum())
    for (i, leaf) in leaves.enumerated() {
        guard let gradient = found[leaf] else {
            Issue.record("\(what): no gradient for input \(i)", sourceLocation: sourceLocation)
            continue
        }
        #expect(gradient.shape == leaf.shape, "\(what)", sourceLocation: sourceLocation)
        let scale = gradient.values.reduce(1e-2) { max($0, Double(abs($1))) }
        for at in 0..<leaf.count {
            func shifted(_ by: Float) -> [Tensor] {
                var all = inputs
                all[i].withMutableValues { $0[at] += by }
                return all
            }
            let expected = (loss(shifted(step)) - loss(shifted(-step))) / Double(2 * step)
            let difference = abs(Double(gradient.values[at]) - expected)
            #expect(
                difference <= tolerance * scale,
                "\(what), input \(i), element \(at): \(gradient.values[at]), differences give \(expected)",
                sourceLocation: sourceLocation)
        }
    }
}

@Suite("the gradient of each operation equals finite differences")
struct AutogradTests {
    @Test("element by element")
    func unary() {
        let x = noise("x", 3, 5)
        expectGradients("relu", [x + 0.013], step: 1e-3) { $0[0].relu() }
        expectGradients("gelu", [x * 2]) { $0[0].gelu() }
        expectGradients("sigmoid", [x]) { $0[0].sigmoid() }
        expectGradients("exp", [x]) { $0[0].exp() }
        expectGradients("log", [x * 0.5 + 1]) { $0[0].log() }
        expectGradients("square root", [x * 0.5 + 1]) { $0[0].squareRoot() }
        expectGradients("softplus", [x * 3]) { $0[0].softplus() }
        expectGradients("clamp", [x], step: 1e-3) { $0[0].clamped(to: -0.41...0.52) }
    }

    @Test("two operands, with all kinds of broadcasting")
    func binary() {
        let shapes: [([Int], [Int])] = [
            ([2, 3, 4], [2, 3, 4]), ([2, 3, 4], [4]), ([2, 3, 4], [3, 1]), ([2, 3, 4], [2, 1, 4]),
            ([3, 4], [1]),
            ([1, 4], [5, 1]), ([2, 1, 3], [4, 1]),
        ]
        for (a, b) in shapes {
            let x = Tensor(SeededWeights.input("input.autograd.a", shape: a, scale: 1), shape: a)
            let y = Tensor(SeededWeights.input("input.autograd.b", shape: b, scale: 0.3), shape: b) + 1.5
            expectGradients("\(a) + \(b)", [x, y]) { $0[0] + $0[1] }
            expectGradients("\(a) − \(b)", [x, y]) { $0[0] - $0[1] }
            expectGradients("\(a) · \(b)", [x, y]) { $0[0] * $0[1] }
            expectGradients("\(a) / \(b)", [x, y]) { $0[0] / $0[1] }
        }
        let x = noise("x", 7)
        expectGradients("constants", [x]) { (($0[0] + 2) * 3 - 1) / 4 }
    }

    @Test("linear layers and matrix products")
    func products() {
        let x = noise("x", 2, 3, 5), w = noise("w", 4, 5), b = noise("b", 4), r = noise("res", 2, 3, 4)
        expectGradients("linear", [x, w, b, r]) { linear($0[0], $0[1], $0[2], residual: $0[3]) }
        expectGradients("linear, gelu", [x, w, b, r]) {
            linear($0[0], $0[1], $0[2], activation: .gelu, residual: $0[3])
        }
        expectGradients("linear without bias", [x, w]) { linear($0[0], $0[1], activation: .sigmoid) }
        expectGradients("residual alone", [r]) { linear(x, w, b, residual: $0[0]) }
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = ta ? noise("a", 2, 4, 3) : noise("a", 2, 3, 4),
                c = tb ? noise("c", 2, 5, 4) : noise("c", 2, 4, 5)
            expectGradients("matmul \(ta) \(tb)", [a, c]) {
                matmul($0[0], $0[1], transposeA: ta, transposeB: tb)
            }
            let shared = c[row: 0].detached()
            expectGradients("matmul with one matrix \(ta) \(tb)", [a, shared]) {
                matmul($0[0], $0[1], transposeA: ta, transposeB: tb)
            }
        }
    }

    @Test("attention: packed, shared keys, causal, over several blocks")
    func attention() {
        expectGradients("packed", [noise("qkv", 2, 5, 12)]) {
            TensorEngine.attention(
                HeadColumns($0[0], start: 0, count: 4), HeadColumns($0[0], start: 4, count: 4),
                HeadColumns($0[0], start: 8, count: 4), heads: 2)
        }
        expectGradients("apart", [noise("q", 2, 3, 4), noise("k", 2, 5, 4), noise("v", 2, 5, 6)]) {
            TensorEngine.attention($0[0], $0[1], $0[2], heads: 2)
        }
        expectGradients(
            "two queries for each key", [noise("q", 4, 3, 4), noise("k", 2, 5, 4), noise("v", 2, 5, 6)]
        ) {
            TensorEngine.attention($0[0], $0[1], $0[2], heads: 2)
        }
        expectGradients("causal", [noise("q", 1, 5, 4), noise("k", 1, 5, 4), noise("v", 1, 5, 4)]) {
            TensorEngine.attention($0[0], $0[1], $0[2], heads: 1, scale: 0.7, causal: true)
        }
        expectGradients("fewer queries than rows", [noise("qkv", 1, 4, 6)]) {
            TensorEngine.attention(
                HeadColumns($0[0], start: 0, count: 2, tokens: 3), HeadColumns($0[0], start: 2, count: 2),
                HeadColumns($0[0], start: 4, count: 2), heads: 1)
        }
        expectGradients("blocks of queries", [noise("q", 1, 70, 2)]) {
            TensorEngine.attention($0[0], $0[0], $0[0], heads: 1)
        }
    }

    @Test("rotation, norms and softmax")
    func rows() {
        let table = noise("table", 3, 2)
        expectGradients("rotated", [noise("x", 2, 6, 4)]) {
            rotated($0[0], cosines: table, sines: table * 0.5 + 0.1)
        }
        expectGradients("layer norm", [noise("x", 5, 7), noise("w", 7), noise("b", 7)], step: 3e-3) {
            layerNorm($0[0], $0[1], $0[2], eps: 1e-5)
        }
        expectGradients("softmax", [noise("x", 3, 6) * 3]) { softmax($0[0]) }
        expectGradients("log softmax", [noise("x", 3, 6) * 3]) { logSoftmax($0[0]) }
        expectGradients("l2 norm", [noise("x", 3, 6)]) { l2Normalize($0[0]) }
    }

    @Test("sums and means")
    func sums() {
        let x = noise("x", 2, 3, 4)
        for axis in 0..<3 {
            expectGradients("sum \(axis)", [x]) { $0[0].sum(axis: axis) }
            expectGradients("mean \(axis)", [x]) { $0[0].mean(axis: axis, keeping: true) }
        }
        expectGradients("total", [x]) { $0[0].sum() }
        expectGradients("mean", [x]) { $0[0].mean() }
    }

    @Test("rearranging")
    func layout() {
        let x = noise("x", 2, 3, 4)
        expectGradients("reshaped", [x]) { $0[0].reshaped(4, 6) }
        expectGradients("rows", [x]) { $0[0][rows: 1..<2] }
        expectGradients("row", [x]) { $0[0][row: 1] }
        expectGradients("rows of rows, twice", [x]) {
            $0[0][row: 1][rows: 0..<2] + $0[0][row: 0][rows: 1..<3]
        }
        for order in [[0, 2, 1], [2, 0, 1], [1, 0, 2]] {
            expectGradients("permuted", [x]) { $0[0].permuted(order) }
        }
        for axis in 0..<3 { expectGradients("sliced", [x]) { $0[0].sliced(axis: axis, 1..<2) } }
        expectGradients("tiled", [x]) { $0[0].tiled(3) }
        expectGradients("repeated", [x]) { $0[0].repeated(3) }
        expectGradients("gathered", [noise("x", 4, 3)]) { $0[0].gathered([2, 0, 2, 3]) }
        expectGradients("padded", [noise("x", 2, 2, 3, 2)]) { $0[0].padded(bottom: 2, right: 1) }
        for axis in 0..<3 {
            expectGradients("concat", [x, x * 0.5]) { concat([$0[0], $0[1], $0[0]], axis: axis) }
        }
        expectGradients("windows", [noise("x", 2, 5, 3, 2)]) { windowPartition($0[0], size: 2).windows }
        expectGradients("windows undone", [noise("x", 12, 2, 2, 2)]) {
            windowUnpartition($0[0], size: 2, height: 6, width: 4, cropHeight: 5, cropWidth: 3)
        }
    }

    @Test("maps")
    func maps() {
        let x = noise("x", 2, 5, 6, 3)
        expectGradients("conv2d", [x, noise("w", 4, 3, 3, 3), noise("b", 4)]) {
            conv2d($0[0], $0[1], $0[2], stride: 2, padding: 1)
        }
        expectGradients("conv2d, gelu", [x, noise("w", 2, 3, 3, 2)]) {
            conv2d($0[0], $0[1], activation: .gelu)
        }
        expectGradients("conv2d 1×1", [x, noise("w", 4, 3, 1, 1), noise("b", 4)]) {
            conv2d($0[0], $0[1], $0[2])
        }
        expectGradients("depthwise", [x, noise("w", 3, 1, 3, 3), noise("b", 3)]) {
            depthwiseConv2d($0[0], $0[1], $0[2])
        }
        expectGradients("transposed", [noise("x", 2, 2, 3, 3), noise("w", 3, 2, 2, 2), noise("b", 2)]) {
            convTranspose2d($0[0], $0[1], $0[2])
        }
        expectGradients("max pool", [noise("x", 2, 4, 6, 3)], step: 1e-4, tolerance: 2e-2) {
            maxPool2x2($0[0])
        }
        expectGradients("upsampled", [noise("x", 2, 2, 3, 2)]) { upsampledNearest2x($0[0]) }
        expectGradients("box blur", [x]) { boxBlur($0[0], size: 3) }
        let truth = Tensor([1, 0, 1, 1, 0, 0, 0, 1, 0, 0], shape: [2, 5])
        expectGradients("mask sums", [noise("x", 4, 5)]) { maskSums($0[0], rows: [3, 1], truth: truth) }
    }

    @Test("resizing by every filter, up and down", arguments: [(3, 7), (7, 3), (4, 4)])
    func resizing(from: Int, to: Int) {
        let filters: [(Int, Int) -> ResizeFilter] = [
            ResizeFilter.bilinear, ResizeFilter.antialiasedBilinear, ResizeFilter.antialiasedBicubic,
            ResizeFilter.bicubic,
        ]
        for filter in filters {
            expectGradients("resize", [noise("x", 2, from, from + 1, 2)]) {
                resize($0[0], rows: filter(from, to), columns: filter(from + 1, to + 2))
            }
        }
    }
}

@Suite("the gradient tape")
struct TapeTests {
    private let x = noise("x", 3, 4), w = noise("w", 4, 4)

    private func model(_ x: Tensor, _ w: Tensor) -> Tensor {
        linear(linear(x, w, activation: .gelu), w, residual: x)
    }

    @Test("a tensor used twice collects both gradients")
    func shared() throws {
        let leaf = x.tracked()
        let gradient = try #require(gradients(of: (leaf * leaf + leaf).sum())[leaf])
        expectClose(gradient.values, x.values.map { 2 * $0 + 1 }, "x² + x")
    }

    @Test("nothing is recorded without tracked inputs, for detached ones, or without gradients")
    func unrecorded() {
        #expect(!model(x, w).isTracked)
        #expect(!model(x.tracked().detached(), w).isTracked)
        #expect(withoutGradients { !model(x.tracked(), w.tracked()).isTracked })
        #expect(model(x, w.tracked()).isTracked)
    }

    @Test("a leaf that the result does not depend on has no gradient")
    func independent() {
        let other = w.tracked()
        #expect(gradients(of: model(x.tracked(), w).sum())[other] == nil)
    }

    @Test("values and gradients are the same with checkpoints")
    func checkpoints() throws {
        let leaf = x.tracked(), weight = w.tracked()
        func run() throws -> (Tensor, Tensor, Tensor) {
            let y = checkpointed([leaf]) { checkpointed([model($0[0], weight)]) { model($0[0], weight) } }
            let found = gradients(of: (y * y).sum())
            return (y.detached(), try #require(found[leaf]), try #require(found[weight]))
        }
        let plain = try run(), again = try withCheckpoints { try run() }
        #expect(plain.0.values == again.0.values)
        #expect(plain.1.values == again.1.values)
        expectClose(plain.2.values, again.2.values, "weights")
    }

    @Test("the backward pass frees the graph")
    func freed() {
        let leaf = x.tracked()
        weak var node: GradientNode?
        let y = { () -> Tensor in
            let inner = model(leaf, w)
            node = inner.node
            return (inner * inner).sum()
        }()
        #expect(node != nil)
        _ = gradients(of: y)
        #expect(node == nil)
    }
}
