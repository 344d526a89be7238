// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Testing

/// Lengths around the vector widths, and a long one.
private let sizes = [0, 1, 7, 8, 9, 31, 1000]

/// Runs `body` at each instruction set this CPU has; the others are the same source, compiled again.
private func atEachLevel(_ body: (String) -> Void) {
    for level in [TAVIS_ISA_BASELINE, TAVIS_ISA_AVX2, TAVIS_ISA_AVX512] {
        guard tavis_isa_limit(level) == level else {
            print("skipped: this CPU lacks instruction set level \(level.rawValue)")
            continue
        }
        body("level \(level.rawValue)")
    }
    _ = tavis_isa_limit(TAVIS_ISA_AVX512)
}

/// Numbers between −scale and scale that repeat after no small count.
private func wave(_ count: Int, scale: Float = 1, phase: Float = 0.5) -> [Float] {
    (0..<count).map { scale * sinf(1.7 * Float($0) + 37 * phase) }
}

/// Largest difference, relative where the expected value is above 1.
private func worst(_ found: [Float], _ expected: [Float]) -> Float {
    guard found.count == expected.count else { return .infinity }
    return zip(found, expected).reduce(0) { top, pair in
        let difference = abs(pair.0 - pair.1) / max(1, abs(pair.1))
        return difference.isFinite ? max(top, difference) : .infinity
    }
}

// The instruction set is one for the whole process: within the serialized suite nobody else changes it meanwhile.
extension VariantTests {
    @Suite("gradients, and the optimizer's step")
    struct GradientTests {
        @Test(
            "functions of one element",
            arguments: [
                TAVIS_COPY, TAVIS_RELU, TAVIS_GELU, TAVIS_SIGMOID, TAVIS_EXP, TAVIS_LOG, TAVIS_SQRT,
                TAVIS_SOFTPLUS,
            ])
        func unary(op: tavis_unary_op) {
            let isPositive = op == TAVIS_LOG || op == TAVIS_SQRT
            atEachLevel { level in
                for n in sizes {
                    // One element in, so that pointers are unaligned.
                    let x = wave(n + 1, scale: 6).map { isPositive ? abs($0) + 0.1 : $0 }
                    let dy = wave(n + 1, scale: 2, phase: 2)
                    var y = x, expected = dy, found = dy
                    tavis_unary_reference(op, &y, x, n + 1)
                    x.withUnsafeBufferPointer { x in
                        y.withUnsafeBufferPointer { y in
                            let (x, y) = (x.baseAddress! + 1, y.baseAddress! + 1)
                            gradient(of: op, &expected, x, y, n, tavis_unary_gradient_reference)
                            gradient(of: op, &found, x, y, n, tavis_unary_gradient)
                        }
                    }
                    #expect(worst(found, expected) <= 1e-6, "\(level), \(n) elements")
                    #expect(found[0] == dy[0], "\(level), \(n) elements: wrote before the start")
                }
            }
        }

        private typealias UnaryGradient = (
            tavis_unary_op, UnsafeMutablePointer<Float>?, UnsafePointer<Float>?, UnsafePointer<Float>?,
            UnsafePointer<Float>?, Int
        ) -> Void

        /// In place, and without the argument where the derivative is written with the result alone.
        private func gradient(
            of op: tavis_unary_op, _ values: inout [Float], _ x: UnsafePointer<Float>,
            _ y: UnsafePointer<Float>, _ n: Int, _ kernel: UnaryGradient
        ) {
            let needsNoArgument = [TAVIS_RELU, TAVIS_SIGMOID, TAVIS_EXP, TAVIS_SQRT].contains(op)
            values.withUnsafeMutableBufferPointer { values in
                let values = values.baseAddress! + 1
                kernel(op, values, values, needsNoArgument ? nil : x, y, n)
            }
        }

        @Test("layer norm; gradients of weight and bias are added up", arguments: [1, 4])
        func layerNorm(rows: Int) {
            // Large enough that a row of one, which is constant, does not magnify rounding.
            let eps: Float = 1e-3
            atEachLevel { level in
                for cols in sizes where cols > 0 {
                    let x = wave(rows * cols, scale: 3), dy = wave(rows * cols, scale: 2, phase: 2)
                    let weight = wave(cols, phase: 3)
                    var expected = dy, found = dy
                    var a = (weight: wave(cols, phase: 4), bias: wave(cols, phase: 5))
                    var b = a
                    tavis_layer_norm_gradient_rows_reference(
                        &expected, &a.weight, &a.bias, dy, x, weight, eps, rows, cols)
                    found.withUnsafeMutableBufferPointer {
                        // In place.
                        tavis_layer_norm_gradient_rows(
                            $0.baseAddress, &b.weight, &b.bias, $0.baseAddress, x, weight, eps, rows, cols)
                    }
                    #expect(worst(found, expected) <= 1e-5, "\(level), \(cols) columns")
                    #expect(worst(b.weight, a.weight) <= 1e-5, "weight, \(level), \(cols) columns")
                    #expect(worst(b.bias, a.bias) <= 1e-6, "bias, \(level), \(cols) columns")
                }
            }
        }

        @Test("softmax, in place", arguments: [1, 4])
        func softmax(rows: Int) {
            atEachLevel { level in
                for cols in sizes where cols > 0 {
                    let dy = wave(rows * cols, scale: 3, phase: 2)
                    var y = wave(rows * cols, scale: 4), expected = dy, found = dy
                    tavis_softmax_rows_reference(&y, wave(rows * cols, scale: 4), rows, cols)
                    tavis_softmax_gradient_rows_reference(&expected, dy, y, rows, cols)
                    found.withUnsafeMutableBufferPointer {
                        tavis_softmax_gradient_rows($0.baseAddress, $0.baseAddress, y, rows, cols)
                    }
                    #expect(worst(found, expected) <= 1e-6, "\(level), \(cols) columns")
                }
            }
        }

        @Test("attention scores")
        func scores() {
            atEachLevel { level in
                for (n, width) in zip(sizes, sizes.reversed()) {
                    // One element more than is written: it has to stay.
                    let rows = 3, start = wave(rows * n + 1, scale: 4, phase: 2)
                    let p = wave(rows * n).map { abs($0) }
                    let y = wave(rows * (width + 2), phase: 3), dy = wave(rows * (width + 2), phase: 4)
                    var expected = start, found = start
                    tavis_score_gradient_rows_reference(
                        &expected, p, y, dy, width + 2, 0.7, rows, n, width)
                    tavis_score_gradient_rows(&found, p, y, dy, width + 2, 0.7, rows, n, width)
                    #expect(worst(found, expected) <= 1e-5, "\(level), \(n) elements")
                    #expect(found[rows * n] == start[rows * n], "\(level), \(n): wrote past the end")
                }
            }
        }

        @Test("sums of rows", arguments: [0, 1, 5, 12])
        func rows(rows: Int) {
            atEachLevel { level in
                for cols in sizes {
                    let x = wave(rows * cols, scale: 2), start = wave(cols + 1, phase: 2)
                    var expected = start, found = start
                    tavis_add_rows_reference(&expected, x, rows, cols)
                    tavis_add_rows(&found, x, rows, cols)
                    #expect(worst(found, expected) <= 1e-6, "\(level), \(rows)×\(cols)")
                    #expect(found[cols] == start[cols], "\(level), \(rows)×\(cols): wrote past the end")
                    guard rows == 1 else { continue }
                    var one = start
                    tavis_accumulate(&one, x, cols)
                    #expect(one == expected, "\(level), \(cols) elements")
                }
            }
        }

        @Test("weights of a depthwise convolution, also of some rows and at the borders")
        func depthwise() {
            atEachLevel { level in
                for c in sizes {
                    let (h, w, k) = (5, 4, c == 1000 ? 3 : 7)
                    let x = wave(h * w * c), dy = wave(h * w * c, phase: 2)
                    for rows in [0..<h, 1..<3, 2..<2] {
                        let start = wave(k * k * c, phase: 3)
                        var expected = start, found = start
                        tavis_depthwise_weight_gradient_reference(
                            &expected, x, dy, h, w, c, k, rows.lowerBound, rows.upperBound)
                        tavis_depthwise_weight_gradient(
                            &found, x, dy, h, w, c, k, rows.lowerBound, rows.upperBound)
                        #expect(worst(found, expected) <= 3e-6, "\(level), \(c) channels, rows \(rows)")
                    }
                }
            }
        }

        @Test("2×2 maxima: the first of equal ones gets it all, and other rows stay")
        func maxPool() {
            atEachLevel { level in
                for c in sizes {
                    for (w, rows) in [(2, 0..<1), (10, 0..<3), (6, 1..<3), (4, 2..<2), (0, 0..<1)] {
                        // Whole numbers, so that many are equal.
                        let x = wave(6 * w * c, scale: 1.4).map { $0.rounded() }
                        let dy = wave(3 * (w / 2) * c, phase: 2), start = wave(6 * w * c, phase: 3)
                        var expected = start, found = start
                        tavis_max_pool_2x2_gradient_reference(
                            &expected, dy, x, w, c, rows.lowerBound, rows.upperBound)
                        tavis_max_pool_2x2_gradient(&found, dy, x, w, c, rows.lowerBound, rows.upperBound)
                        #expect(found == expected, "\(level), width \(w), rows \(rows), \(c) channels")
                    }
                }
            }
        }

        @Test("sums of masks, and their gradient, also far from 0")
        func maskSums() {
            atEachLevel { level in
                for n in sizes + [4096, 9000] {
                    let x = wave(n, scale: 9).enumerated().map { $0 % 97 == 5 ? $1 * 20 : $1 }
                    let truth = wave(n, phase: 2).map { $0 > 0 ? Float(1) : 0 }
                    var expected = [Float](repeating: 0, count: 3), found = expected
                    tavis_mask_sums_reference(&expected, x, truth, n)
                    tavis_mask_sums(&found, x, truth, n)
                    for k in 0..<3 {
                        #expect(
                            abs(found[k] - expected[k]) <= 2e-6 * max(1, abs(expected[k])),
                            "\(level), \(n), sum \(k)")
                    }
                    let start = wave(n + 1, phase: 3)
                    var a = start, b = start
                    tavis_mask_sums_gradient_reference(&a, [0.7, -0.4, 0.3], x, truth, n)
                    tavis_mask_sums_gradient(&b, [0.7, -0.4, 0.3], x, truth, n)
                    #expect(worst(b, a) <= 1e-6, "\(level), \(n) pixels")
                    #expect(b[n] == start[n], "\(level), \(n) pixels: wrote past the end")
                }
            }
        }

        @Test("several steps of AdamW, also where a gradient is 0", arguments: [0, 0.1] as [Float])
        func adamW(decay: Float) {
            atEachLevel { level in
                for n in sizes {
                    let start = wave(n + 1, scale: 2), none = [Float](repeating: 0, count: n)
                    var a = (p: start, m: none, v: none), b = a
                    for step in 1...4 {
                        let g = wave(n, scale: 0.3, phase: Float(step)).enumerated().map { $0 == 3 ? 0 : $1 }
                        let fix1 = 1 - powf(0.9, Float(step)), fix2 = 1 - powf(0.99, Float(step))
                        tavis_adamw_reference(
                            &a.p, &a.m, &a.v, g, 0.5, 0.02, 0.9, 0.99, 1e-8, decay, fix1, fix2, n)
                        tavis_adamw(&b.p, &b.m, &b.v, g, 0.5, 0.02, 0.9, 0.99, 1e-8, decay, fix1, fix2, n)
                    }
                    #expect(worst(b.p, a.p) <= 2e-6, "\(level), \(n) elements")
                    #expect(worst(b.m, a.m) <= 1e-7 && worst(b.v, a.v) <= 1e-7, "\(level), \(n) elements")
                    #expect(b.p[n] == start[n], "\(level), \(n) elements: wrote past the end")
                }
            }
        }
    }
}

@Suite("patches of an image")
struct PatchTests {
    @Test("are added back by the transpose of taking them, in whichever pieces")
    func transpose() {
        for (h, w, c, k, stride, pad) in [
            (1, 1, 1, 1, 1, 0), (5, 7, 3, 3, 1, 1), (8, 9, 7, 3, 2, 1), (9, 8, 1, 7, 4, 3),
            (6, 6, 31, 2, 2, 0),
        ] {
            let (oh, ow) = ((h + 2 * pad - k) / stride + 1, (w + 2 * pad - k) / stride + 1)
            let width = c * k * k, half = oh / 2
            let x = wave(h * w * c), gradient = wave(oh * ow * width, phase: 2)
            var patches = gradient, back = [Float](repeating: 0, count: x.count)
            tavis_im2col(&patches, x, h, w, c, k, k, stride, pad, ow, 0, oh)
            tavis_col2im(&back, gradient, h, w, c, k, k, stride, pad, ow, 0, half)
            gradient.withUnsafeBufferPointer {
                tavis_col2im(
                    &back, $0.baseAddress! + half * ow * width, h, w, c, k, k, stride, pad, ow, half, oh)
            }
            let (one, other) = (product(patches, gradient), product(x, back))
            #expect(abs(one - other) <= 1e-5 * max(1, abs(one)), "\(h)×\(w)×\(c), kernel \(k)")
        }
    }

    private func product(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
}
