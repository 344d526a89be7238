// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Testing

@Suite("bytes for integer products", .serialized)
struct QuantizeTests {
    private static let sizes = [0, 1, 7, 16, 17, 31, 33, 1000]

    private func noise(_ count: Int, scale: Float = 3) -> [Float] {
        var state: UInt64 = 5
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return scale * (Float(state >> 40) / Float(1 << 23) - 0.7)
        }
    }

    private func atEachLevel(_ body: (String) -> Void) {
        defer { _ = tavis_isa_limit(TAVIS_ISA_AVX512) }
        for level in [TAVIS_ISA_BASELINE, TAVIS_ISA_AVX2, TAVIS_ISA_AVX512]
        where tavis_isa_limit(level) == level { body("level \(level.rawValue)") }
    }

    @Test("inputs are met within half a step, and zero exactly", arguments: [127, 255])
    func inputs(levels: Int) {
        atEachLevel { level in
            for cols in Self.sizes {
                let rows = 3
                var x = noise(rows * cols)
                for i in stride(from: 0, to: x.count, by: 5) { x[i] = 0 }
                var bytes = [UInt8](repeating: 0, count: max(1, x.count)), expected = bytes
                var scale = [Float](repeating: 0, count: rows), expectedScale = scale
                var zero = [Int32](repeating: 0, count: rows), expectedZero = zero
                tavis_quantize_rows(&bytes, &scale, &zero, x, Int32(levels), rows, cols)
                tavis_quantize_rows_reference(
                    &expected, &expectedScale, &expectedZero, x, Int32(levels), rows, cols)
                #expect(scale == expectedScale && zero == expectedZero, "\(level), \(cols) columns")
                for i in x.indices {
                    let r = i / cols
                    #expect(abs(Int(bytes[i]) - Int(expected[i])) <= 1 && Int(bytes[i]) <= levels)
                    let met = scale[r] * Float(Int32(bytes[i]) - zero[r])
                    #expect(abs(met - x[i]) <= 0.51 * scale[r], "\(level): \(x[i]) became \(met)")
                    if x[i] == 0 { #expect(met == 0) }
                }
            }
        }
    }

    @Test("weights are met within half a step, and their sums are those of the bytes")
    func weights() {
        atEachLevel { level in
            for cols in Self.sizes {
                let rows = 3, w = noise(rows * cols, scale: 0.1)
                var bytes = [Int8](repeating: 0, count: max(1, w.count)), expected = bytes
                var scale = [Float](repeating: 0, count: rows), expectedScale = scale
                var sum = [Int32](repeating: 0, count: rows), expectedSum = sum
                tavis_quantize_weights(&bytes, &scale, &sum, w, rows, cols)
                tavis_quantize_weights_reference(&expected, &expectedScale, &expectedSum, w, rows, cols)
                #expect(scale == expectedScale, "\(level), \(cols) columns")
                for r in 0..<rows {
                    let row = bytes[r * cols..<(r + 1) * cols]
                    #expect(sum[r] == row.reduce(0) { $0 + Int32($1) })
                    for (byte, value) in zip(row, w[r * cols..<(r + 1) * cols]) {
                        #expect(abs(scale[r] * Float(byte) - value) <= 0.51 * scale[r])
                    }
                }
            }
        }
    }

    @Test(
        "what is not finite gives a scale that is no number", arguments: [Float.nan, .infinity, -.infinity])
    func damage(value: Float) {
        atEachLevel { level in
            for position in [0, 20, 32] {
                var x = noise(33)
                x[position] = value
                var bytes = [UInt8](repeating: 0, count: 33), weights = [Int8](repeating: 0, count: 33)
                var scale: Float = 0, zero: Int32 = 0, sum: Int32 = 0
                tavis_quantize_rows(&bytes, &scale, &zero, x, 255, 1, 33)
                #expect(scale.isNaN, "\(level), input")
                tavis_quantize_weights(&weights, &scale, &sum, x, 1, 33)
                #expect(scale.isNaN, "\(level), weight")
            }
        }
    }

    @Test("sums of products become floats as the plain loop makes them")
    func products() {
        atEachLevel { level in
            for cols in Self.sizes where cols > 0 {
                let rows = 2
                let sums = (0..<rows * cols).map { Int32(truncatingIfNeeded: $0 &* 7919 % 100_003 - 50_000) }
                let rowScale: [Float] = [0.01, 2], rowZero: [Int32] = [12, 255]
                let colScale = noise(cols, scale: 0.1)
                let colSum = (0..<cols).map { Int32($0 * 31 % 977 - 400) }
                var found = [Float](repeating: 0, count: rows * (cols + 2)), expected = found
                tavis_dequantize_rows(
                    &found, cols + 2, sums, rowScale, rowZero, colScale, colSum, rows, cols)
                tavis_dequantize_rows_reference(
                    &expected, cols + 2, sums, rowScale, rowZero, colScale, colSum, rows, cols)
                for (a, b) in zip(found, expected) {
                    #expect(abs(a - b) <= 1e-6 * max(1, abs(b)), "\(level), \(cols) columns")
                }
            }
        }
    }

    @Test("products of the largest bytes are exact")
    func extremes() {
        guard tavis_gemm_u8_available() else {
            print("skipped: the matrix library in use has no 8-bit product")
            return
        }
        let k = 5120, level = UInt8(tavis_gemm_u8_levels())
        for (m, n) in [(1, 32), (70, 48)] {
            let a = [UInt8](repeating: level, count: m * k)
            for byte in [Int8(127), -127] {
                let b = [Int8](repeating: byte, count: n * k)
                var c = [Int32](repeating: 0, count: m * n)
                tavis_gemm_u8s8s32(m, n, k, a, b, &c)
                #expect(c.allSatisfy { $0 == Int32(level) * Int32(byte) * Int32(k) })
            }
        }
    }
}
