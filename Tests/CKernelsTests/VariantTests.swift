// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Testing

/// Lengths around the vector widths, and a long one.
private let sizes = [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 1000]
private let levels: [tavis_isa] = [TAVIS_ISA_BASELINE, TAVIS_ISA_AVX2, TAVIS_ISA_AVX512]

/// Runs `body` at each instruction set this CPU has; the others are the same source, compiled again.
private func atEachLevel(_ body: (String) -> Void) {
    for level in levels {
        guard tavis_isa_limit(level) == level else {
            print("skipped: this CPU lacks instruction set level \(level.rawValue)")
            continue
        }
        body("level \(level.rawValue)")
    }
    _ = tavis_isa_limit(TAVIS_ISA_AVX512)
}

private func noise(_ count: Int, scale: Float, seed: UInt64 = 1) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return scale * (Float(state >> 40) / Float(1 << 23) - 1)
    }
}

private func worst(_ a: [Float], _ b: [Float]) -> Float {
    zip(a, b).reduce(0) { top, pair in
        pair.0 == pair.1
            ? top
            : pair.0.isFinite && pair.1.isFinite
                ? max(top, abs(pair.0 - pair.1) / max(1, abs(pair.1))) : .infinity
    }
}

@Suite("each kernel variant equals the plain loop", .serialized)
struct VariantTests {
    @Test(
        "functions of one element",
        arguments: [TAVIS_COPY, TAVIS_RELU, TAVIS_GELU, TAVIS_SIGMOID, TAVIS_EXP, TAVIS_SOFTPLUS])
    func unary(op: tavis_unary_op) {
        atEachLevel { level in
            for n in sizes {
                // One element in, so that pointers are unaligned.
                let x = noise(n + 1, scale: 12)
                var expected = [Float](repeating: 0, count: n + 1), found = expected
                x.withUnsafeBufferPointer { x in
                    tavis_unary_reference(op, &expected, x.baseAddress! + 1, n)
                    tavis_unary(op, &found, x.baseAddress! + 1, n)
                }
                #expect(worst(found, expected) <= 3e-7, "\(level), \(n) elements")
            }
        }
    }

    @Test("the exponential and the sigmoid at the ends of their range")
    func extremes() {
        let x: [Float] = [-.infinity, -1000, -88, -87.3, -1e-10, 0, 1e-10, 88, 88.7]
        atEachLevel { level in
            var e = [Float](repeating: 0, count: x.count)
            tavis_unary(TAVIS_EXP, &e, x, x.count)
            for (value, argument) in zip(e, x) {
                let expected = argument < -87.3 ? 0 : Foundation.exp(Double(argument))
                #expect(
                    abs(Double(value) - expected) <= 5e-7 * max(expected, 1e-30), "\(level): exp(\(argument))"
                )
            }
            var s = [Float](repeating: 0, count: x.count)
            tavis_unary(TAVIS_SIGMOID, &s, x, x.count)
            #expect(s[0] == 0 && s[5] == 0.5 && s[8] == 1, "\(level)")
        }
    }

    @Test(
        "functions of two elements",
        arguments: [TAVIS_ADD, TAVIS_SUB, TAVIS_MUL, TAVIS_DIV, TAVIS_MAX, TAVIS_MIN])
    func binary(op: tavis_binary_op) {
        atEachLevel { level in
            for n in sizes {
                let a = noise(n, scale: 3), b = noise(n, scale: 3, seed: 2).map { $0 == 0 ? 1 : $0 }
                var expected = [Float](repeating: 0, count: n), found = expected
                tavis_binary_reference(op, &expected, a, b, n)
                tavis_binary(op, &found, a, b, n)
                #expect(worst(found, expected) <= 1e-7, "\(level), \(n) elements")
                let scalar = [Float](repeating: 1.7, count: n)
                tavis_binary_reference(op, &expected, a, scalar, n)
                tavis_binary_scalar(op, &found, a, 1.7, n)
                #expect(worst(found, expected) <= 1e-7, "\(level), \(n) elements and a scalar")
            }
        }
    }

    @Test("bias, activation and residual on rows that are further apart than long")
    func biasActivation() {
        atEachLevel { level in
            for cols in sizes where cols > 0 {
                for act in [TAVIS_COPY, TAVIS_RELU, TAVIS_GELU, TAVIS_SIGMOID] {
                    for (withBias, withResidual) in [
                        (true, true), (true, false), (false, true), (false, false),
                    ] {
                        let rows = 3, stride = cols + 5
                        let x = noise(rows * stride, scale: 4), bias = noise(cols, scale: 1, seed: 3)
                        let residual = noise(rows * stride, scale: 2, seed: 4)
                        var expected = x, found = x
                        bias.withUnsafeBufferPointer { bias in
                            residual.withUnsafeBufferPointer { residual in
                                let b = withBias ? bias.baseAddress : nil,
                                    r = withResidual ? residual.baseAddress : nil
                                tavis_bias_act_rows_reference(
                                    &expected, stride, b, act, r, stride, rows, cols)
                                tavis_bias_act_rows(&found, stride, b, act, r, stride, rows, cols)
                            }
                        }
                        #expect(worst(found, expected) <= 6e-7, "\(level), \(cols) columns, \(act)")
                    }
                }
            }
        }
    }

    @Test("layer norm and softmax")
    func rows() {
        atEachLevel { level in
            for cols in sizes where cols > 0 {
                let x = noise(4 * cols, scale: 5), w = noise(cols, scale: 1, seed: 5),
                    b = noise(cols, scale: 1, seed: 6)
                var expected = x, found = x
                tavis_layer_norm_rows_reference(&expected, x, w, b, 1e-6, 4, cols)
                tavis_layer_norm_rows(&found, x, w, b, 1e-6, 4, cols)
                #expect(worst(found, expected) <= 3e-6, "layer norm, \(level), \(cols) columns")
                var masked = x
                if cols > 1 { masked[cols - 1] = -.infinity }
                tavis_softmax_rows_reference(&expected, masked, 4, cols)
                tavis_softmax_rows(&found, masked, 4, cols)
                #expect(worst(found, expected) <= 1e-6, "softmax, \(level), \(cols) columns")
                #expect(cols == 1 || found[cols - 1] == 0)
            }
        }
    }

    @Test("streamed softmax over causal blocks")
    func softmaxBlocks() {
        atEachLevel { level in
            for (cols, causal, limit) in [
                (1, false, 0), (9, true, 1), (31, true, -2), (64, false, 0), (100, true, 90),
            ] {
                let rows = 5, stride = cols + 3
                let scores = noise(rows * stride, scale: 6)
                var expected = scores, found = scores
                var a = (
                    top: noise(rows, scale: 1), sum: noise(rows, scale: 1).map { abs($0) + 1 },
                    fix: noise(rows, scale: 1)
                )
                var b = a
                tavis_softmax_block_reference(
                    &expected, stride, 0.3, causal, limit, &a.top, &a.sum, &a.fix, rows, cols)
                tavis_softmax_block(&found, stride, 0.3, causal, limit, &b.top, &b.sum, &b.fix, rows, cols)
                #expect(
                    worst(found, expected) <= 1e-6 && worst(b.top, a.top) == 0, "\(level), \(cols) columns")
                #expect(
                    worst(b.sum, a.sum) <= 2e-6 && worst(b.fix, a.fix) <= 1e-6, "\(level), \(cols) columns")
            }
        }
    }

    @Test("depthwise convolution, also at the borders and with channels that fill no block")
    func depthwise() {
        atEachLevel { level in
            for (h, w, c, k) in [(1, 1, 1, 7), (5, 3, 7, 3), (9, 8, 33, 7), (4, 6, 64, 5)] {
                let x = noise(h * w * c, scale: 1), weight = noise(k * k * c, scale: 1),
                    bias = noise(c, scale: 1)
                var expected = x, found = x
                tavis_depthwise_conv_reference(&expected, x, weight, bias, h, w, c, k, 0, h)
                tavis_depthwise_conv(&found, x, weight, bias, h, w, c, k, 0, h)
                #expect(worst(found, expected) <= 2e-6, "\(level), \(h)×\(w)×\(c), kernel \(k)")
            }
        }
    }

    @Test("rows times a factor each; what lies between the rows stays")
    func scaledRows() {
        atEachLevel { level in
            for cols in sizes {
                for rows in [0, 1, 3] {
                    let stride = cols + 5
                    let x = noise(rows * stride, scale: 4), factors = noise(rows, scale: 2, seed: 7)
                    var expected = x, found = x
                    tavis_scale_rows_reference(&expected, stride, factors, rows, cols)
                    tavis_scale_rows(&found, stride, factors, rows, cols)
                    #expect(found == expected, "\(level), \(rows)×\(cols)")
                }
            }
        }
    }

    @Test("the sum, also of more than one block", arguments: sizes + [4095, 4096, 4097, 100_000])
    func sum(n: Int) {
        // One element in, so that the pointer is unaligned; all of one sign, so that sums grow.
        let x = noise(n + 1, scale: 1).map { abs($0) }
        atEachLevel { level in
            x.withUnsafeBufferPointer { x in
                let expected = tavis_sum_reference(x.baseAddress! + 1, n)
                let found = tavis_sum(x.baseAddress! + 1, n)
                #expect(abs(found - expected) <= 1e-6 * expected, "\(level), \(n) elements")
            }
        }
    }

    @Test("2×2 maxima of some of the rows")
    func maxPool() {
        atEachLevel { level in
            for c in sizes {
                for (w, y0, y1) in [(2, 0, 1), (10, 0, 3), (6, 1, 3), (4, 2, 2), (0, 0, 1)] {
                    let x = noise(6 * w * c, scale: 3).map { $0 - 2 }
                    // One element more than is written: it has to stay.
                    var expected = noise((y1 - y0) * w / 2 * c + 1, scale: 1), found = expected
                    tavis_max_pool_2x2_reference(&expected, x, w, c, y0, y1)
                    tavis_max_pool_2x2(&found, x, w, c, y0, y1)
                    #expect(found == expected, "\(level), width \(w), rows \(y0)..<\(y1), \(c) channels")
                }
            }
        }
    }

    @Test("weighted sums of rows that are further apart than long", arguments: [1, 2, 3, 7])
    func weightedRows(taps: Int) {
        atEachLevel { level in
            for n in sizes {
                let stride = n + 3
                let x = noise(taps * stride, scale: 2), weights = noise(taps, scale: 1, seed: 8)
                var expected = noise(n + 1, scale: 1), found = expected
                tavis_weighted_rows_reference(&expected, x, stride, weights, taps, n)
                tavis_weighted_rows(&found, x, stride, weights, taps, n)
                #expect(worst(found, expected) <= 1e-6, "\(level), \(n) elements")
                #expect(found[n] == expected[n], "\(level), \(n) elements: wrote past the end")
            }
        }
    }

    @Test("rotated pairs")
    func rotatedPairs() {
        atEachLevel { level in
            for pairs in sizes {
                for rows in [1, 3] {
                    let x = noise(rows * 2 * pairs, scale: 3), angles = noise(rows * pairs, scale: 4, seed: 9)
                    let (cosines, sines) = (angles.map { cosf($0) }, angles.map { sinf($0) })
                    var expected = x, found = x
                    tavis_rope_rows_reference(&expected, x, cosines, sines, rows, 2 * pairs)
                    tavis_rope_rows(&found, x, cosines, sines, rows, 2 * pairs)
                    #expect(worst(found, expected) <= 1e-6, "\(level), \(rows) rows of \(pairs) pairs")
                }
            }
        }
    }
}

@Suite("matrix products", .serialized)
struct MatmulTests {
    @Test(
        "every library agrees with the plain loops", arguments: [TAVIS_MATMUL_ONEDNN, TAVIS_MATMUL_OPENBLAS])
    func libraries(provider: tavis_matmul) {
        let before = tavis_matmul_current()
        defer { _ = tavis_matmul_select(before) }
        guard tavis_matmul_select(provider) else {
            print("skipped: matrix library \(provider.rawValue) is not installed")
            return
        }
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (6, 64, 33), (17, 31, 9), (65, 48, 80), (0, 3, 3), (2, 3, 0)]
        {
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 1, ldc = n + 3
                let a = noise(max(m, k) * lda, scale: 1), b = noise(max(n, k) * ldb, scale: 1, seed: 2)
                let start = noise(max(1, m * ldc), scale: 1, seed: 3)
                var expected = start, found = start
                _ = tavis_matmul_select(TAVIS_MATMUL_REFERENCE)
                tavis_sgemm(ta, tb, m, n, k, 0.5, a, lda, b, ldb, 1, &expected, ldc)
                _ = tavis_matmul_select(provider)
                tavis_sgemm(ta, tb, m, n, k, 0.5, a, lda, b, ldb, 1, &found, ldc)
                #expect(worst(found, expected) <= 2e-6, "\(m)×\(n)×\(k), transposed \(ta), \(tb)")
            }
        }
    }

    @Test("long products of few rows, which are made here where the CPU allows, are the same")
    func fewRows() {
        let before = tavis_matmul_current()
        defer { _ = tavis_matmul_select(before) }
        for (m, n, k) in [
            (1, 1, 512), (5, 3, 527), (6, 4, 1280), (7, 9, 1290), (36, 18, 2600), (65, 6, 1024),
            (256, 5, 512),
            (257, 5, 512),
        ] {
            let (lda, ldb, ldc) = (k + 3, k + 1, n + 2)
            let a = noise(m * lda, scale: 1), b = noise(n * ldb, scale: 1, seed: 2)
            let start = noise(m * ldc, scale: 1, seed: 3)
            for beta: Float in [0, 1] {
                var expected = start, found = start
                _ = tavis_matmul_select(TAVIS_MATMUL_REFERENCE)
                tavis_sgemm(false, true, m, n, k, 1, a, lda, b, ldb, beta, &expected, ldc)
                _ = tavis_matmul_select(before)
                tavis_sgemm(false, true, m, n, k, 1, a, lda, b, ldb, beta, &found, ldc)
                // What lies between the rows of C stays as it is.
                #expect(worst(found, expected) <= 2e-8 * Float(k), "\(m)×\(n)×\(k), beta \(beta)")
            }
        }
    }

    @Test("long 8-bit products of few rows are exact")
    func fewByteRows() {
        guard tavis_gemm_u8_available() else {
            print("skipped: the matrix library in use has no 8-bit product")
            return
        }
        let levels = Int(tavis_gemm_u8_levels()) + 1
        for (m, n, k) in [
            (1, 1, 512), (5, 3, 527), (6, 4, 1280), (13, 9, 1345), (256, 6, 576), (257, 5, 512),
        ] {
            let a = (0..<m * k).map { UInt8($0 &* 7919 % levels) }
            let b = (0..<n * k).map { Int8($0 &* 104_729 % 255 - 127) }
            var c = [Int32](repeating: -1, count: m * n)
            tavis_gemm_u8s8s32(m, n, k, a, b, &c)
            for i in 0..<m {
                for j in 0..<n {
                    var sum = 0
                    for p in 0..<k { sum += Int(a[i * k + p]) * Int(b[j * k + p]) }
                    #expect(Int(c[i * n + j]) == sum, "\(m)×\(n)×\(k), \(i), \(j)")
                }
            }
        }
    }

    @Test("the library in use names itself, and OpenBLAS does not run its slowest kernels on a newer CPU")
    func description() {
        let before = tavis_matmul_current()
        defer { _ = tavis_matmul_select(before) }
        #expect(!String(cString: tavis_matmul_description()).isEmpty)
        guard tavis_matmul_select(TAVIS_MATMUL_OPENBLAS), tavis_isa_current() != TAVIS_ISA_BASELINE else {
            return
        }
        #expect(!String(cString: tavis_matmul_description()).contains("Prescott"))
    }

    @Test("8-bit products are exact")
    func int8() {
        let (m, n, k) = (3, 4, 37)
        let a = (0..<m * k).map { UInt8(truncatingIfNeeded: $0 &* 7 % 128) }
        let b = (0..<n * k).map { Int8(truncatingIfNeeded: $0 &* 11 % 127 - 63) }
        var c = [Int32](repeating: 0, count: m * n)
        guard tavis_gemm_u8_available() else {
            print("skipped: the matrix library in use has no 8-bit product")
            return
        }
        tavis_gemm_u8s8s32(m, n, k, a, b, &c)
        for i in 0..<m {
            for j in 0..<n {
                #expect(
                    c[i * n + j] == (0..<k).reduce(0) { $0 + Int32(a[i * k + $1]) * Int32(b[j * k + $1]) })
            }
        }
    }

    @Test("products count what they do, and peaks what they did")
    func counts() {
        let (m, n, k) = (3, 5, 7)
        let a = noise(m * k, scale: 1), b = noise(n * k, scale: 1, seed: 2)
        var c = [Float](repeating: 0, count: m * n)
        let before = tavis_matmul_done()
        tavis_sgemm(false, true, m, n, k, 1, a, k, b, k, 0, &c, n)
        let after = tavis_matmul_done()
        #expect(after.float_macs - before.float_macs >= UInt64(m * n * k))
        #expect(after.bytes - before.bytes >= UInt64(4 * (m * k + n * k + m * n)))
        atEachLevel { level in
            let lanes = tavis_peak_float32(1)
            #expect(lanes > 0 && tavis_peak_float32(1000) == 1000 * lanes, "\(level)")
            #expect(tavis_peak_int8(1000) == 1000 * tavis_peak_int8(1), "\(level)")
        }
    }
}
