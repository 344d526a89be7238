// SPDX-License-Identifier: Apache-2.0
// Linear layers in 8-bit integers: weights are bytes with a scale for each output, measured once; inputs become bytes
// with a scale and a zero for each row as they come. Sums of products are exact, so all loss is in the rounding.
import CKernels

/// A weight matrix `[outputs, inputs]` as signed bytes: w ≈ scale[output] · byte.
public struct ByteMatrix: Sendable {
    /// Memory of the bytes: owned, or borrowed from a mapped file.
    private final class Memory: @unchecked Sendable {  // written only by `init`
        let base: UnsafePointer<Int8>
        private let owner: (any AnyObject & Sendable)?

        init(count: Int, _ write: (UnsafeMutablePointer<Int8>) -> Void) {
            let owned = UnsafeMutablePointer<Int8>.allocate(capacity: max(1, count))
            write(owned)
            (base, owner) = (UnsafePointer(owned), nil)
        }

        init(borrowing pointer: UnsafePointer<Int8>, owner: any AnyObject & Sendable) {
            (base, self.owner) = (pointer, owner)
        }

        deinit { if owner == nil { base.deallocate() } }
    }

    public let shape: [Int]
    private let memory: Memory
    /// First row within `memory`, `scales` and `sums`.
    private let firstRow: Int
    private let scales: [Float]
    /// Of each row's bytes: what a zero of the input that is not 0 adds.
    private let sums: [Int32]

    /// Larger sums of products could leave 32 bits.
    static let mostInputs = 1 << 16
    /// Products of smaller matrices take longer to prepare than they save.
    private static let fewestInputs = 32

    /// Rounds floats `[outputs, inputs]` to the nearest of 255 steps of each row.
    package init(rounding floats: Tensor) {
        precondition(floats.rank == 2 && floats.shape[1] <= Self.mostInputs, "ByteMatrix: \(floats.shape)")
        let (rows, inputs) = (floats.shape[0], floats.shape[1])
        var scales = [Float](repeating: 0, count: rows)
        var sums = [Int32](repeating: 0, count: rows)
        memory = Memory(count: rows * inputs) { out in
            reading(floats) { from in
                scales.withUnsafeMutableBufferPointer { scales in
                    sums.withUnsafeMutableBufferPointer { sums in
                        guard let scales = scales.baseAddress, let sums = sums.baseAddress else { return }
                        nonisolated(unsafe) let (scale, sum) = (scales, sums)
                        ThreadPool.shared.runRanges(rows, grain: 16) { range in
                            let start = range.lowerBound
                            tavis_quantize_weights(
                                out + start * inputs, scale + start, sum + start, from + start * inputs,
                                range.count, inputs)
                        }
                    }
                }
            }
        }
        (shape, firstRow, self.scales, self.sums) = (floats.shape, 0, scales, sums)
    }

    /// Bytes where they lie; `owner` keeps them valid and unchanged.
    package init(
        borrowing pointer: UnsafePointer<Int8>, shape: [Int], scales: [Float], sums: [Int32],
        owner: any AnyObject & Sendable
    ) {
        precondition(shape.count == 2 && scales.count == shape[0] && sums.count == shape[0])
        memory = Memory(borrowing: pointer, owner: owner)
        (self.shape, firstRow, self.scales, self.sums) = (shape, 0, scales, sums)
    }

    private init(_ whole: ByteMatrix, rows: Range<Int>) {
        shape = [rows.count, whole.shape[1]]
        firstRow = whole.firstRow + rows.lowerBound
        (memory, scales, sums) = (whole.memory, whole.scales, whole.sums)
    }

    subscript(rows range: Range<Int>) -> ByteMatrix {
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[0], "rows: \(range) of \(shape)")
        return ByteMatrix(self, rows: range)
    }

    /// Whether bytes are of use for a matrix of this shape.
    package static func serves(_ shape: [Int]) -> Bool {
        shape.count == 2 && shape[0] >= fewestInputs && shape[1] >= fewestInputs && shape[1] <= mostInputs
    }

    /// Keys under which a checkpoint has the scales and the sums of the matrix `key`.
    package static func companions(of key: String) -> [String] { [key + "_scale", key + "_sum"] }

    /// Of each row: what its bytes are multiplied by, and their sum.
    var rowScales: ArraySlice<Float> { scales[firstRow..<firstRow + shape[0]] }
    var rowSums: ArraySlice<Int32> { sums[firstRow..<firstRow + shape[0]] }

    /// Lends the bytes, row-major.
    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try withExtendedLifetime(memory) {
            try body(
                UnsafeRawBufferPointer(
                    start: memory.base + firstRow * shape[1], count: shape[0] * shape[1]))
        }
    }

    fileprivate struct Rows {
        let bytes: UnsafePointer<Int8>, scales: UnsafePointer<Float>, sums: UnsafePointer<Int32>
    }

    fileprivate func withRows(_ body: (Rows) -> Void) {
        withExtendedLifetime(memory) {
            scales.withUnsafeBufferPointer { scales in
                sums.withUnsafeBufferPointer { sums in
                    guard let scale = scales.baseAddress, let sum = sums.baseAddress else { return }
                    body(
                        Rows(
                            bytes: memory.base + firstRow * shape[1], scales: scale + firstRow,
                            sums: sum + firstRow))
                }
            }
        }
    }

    /// The floats that the bytes of some rows stand for.
    fileprivate static func expand(
        _ rows: Rows, _ range: Range<Int>, inputs: Int, into out: UnsafeMutablePointer<Float>
    ) {
        for (i, row) in range.enumerated() {
            let from = rows.bytes + row * inputs, to = out + i * inputs, scale = rows.scales[row]
            for k in 0..<inputs { to[k] = scale * Float(from[k]) }
        }
    }
}

/// y = act(x · Wᵀ + b) (+ residual) with W in bytes. Shapes as with floats; `x` must not be tracked.
func linear(
    _ x: Tensor, _ weight: ByteMatrix, _ bias: Tensor?, activation: Activation, residual: Tensor?
) -> Tensor {
    precondition(
        x.rank > 0 && x.shape[x.rank - 1] == weight.shape[1],
        "linear: \(x.shape) with byte weight \(weight.shape)")
    precondition(!x.isTracked, "linear: bytes cannot be trained through")
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let shape = Array(x.shape.dropLast()) + [outputs]
    precondition(bias == nil || bias?.shape == [outputs], "linear: \(weight.shape) with another bias")
    precondition(residual == nil || residual?.shape == shape, "linear: \(shape) with another residual")
    let rows = x.count / max(1, inputs)
    let input = tavis_gemm_u8_available() ? ByteRows(x, rows: rows, inputs: inputs) : nil
    return .make(shape) { out in
        reading(x) { floats in
            withOptional(bias, residual) { b, r in
                weight.withRows { w in
                    forEachTile(rows: rows, columns: outputs, depth: inputs) { rowRange, columns in
                        let tile = Tile(
                            columns: columns, inputs: inputs, outputs: outputs, bias: b, residual: r,
                            activation: activation.kernel, out: out)
                        if let input {
                            tile.multiply(input, w, rowRange)
                        } else {
                            tile.multiply(floats, w, rowRange)
                        }
                    }
                }
            }
        }
    }
}

/// Rows of an input as bytes, each with its scale and its zero.
private final class ByteRows {
    let bytes: UnsafePointer<UInt8>
    let scales: UnsafePointer<Float>
    let zeros: UnsafePointer<Int32>
    private let byteStorage, scaleStorage, zeroStorage: Storage

    init(_ x: Tensor, rows: Int, inputs: Int) {
        byteStorage = Storage(count: (rows * inputs + 3) / 4)
        scaleStorage = Storage(count: rows)
        zeroStorage = Storage(count: rows)
        nonisolated(unsafe) let bytes = UnsafeMutableRawPointer(byteStorage.base).assumingMemoryBound(
            to: UInt8.self)
        nonisolated(unsafe) let zeros = UnsafeMutableRawPointer(zeroStorage.base).assumingMemoryBound(
            to: Int32.self)
        nonisolated(unsafe) let scales = scaleStorage.base
        let levels = tavis_gemm_u8_levels()
        reading(x) { from in
            ThreadPool.shared.runRanges(rows, grain: max(1, elementGrain / max(1, inputs))) { range in
                let start = range.lowerBound
                tavis_quantize_rows(
                    bytes + start * inputs, scales + start, zeros + start, from + start * inputs, levels,
                    range.count, inputs)
            }
        }
        (self.bytes, self.scales, self.zeros) = (
            UnsafePointer(bytes), UnsafePointer(scales), UnsafePointer(zeros)
        )
    }
}

/// Some columns of the result of one linear layer.
private struct Tile {
    let columns: Range<Int>
    let inputs, outputs: Int
    let bias, residual: UnsafePointer<Float>?
    let activation: tavis_unary_op
    let out: UnsafeMutablePointer<Float>

    /// Integer sums of one piece stay in the second-level cache.
    private static let pieceElements = 1 << 17
    /// Rows of weights expanded to floats at a time.
    private static let expandedRows = 64

    func multiply(_ input: ByteRows, _ weight: ByteMatrix.Rows, _ rows: Range<Int>) {
        let step = max(16, Self.pieceElements / max(1, columns.count))
        let scratch = Storage(count: min(step, rows.count) * columns.count)
        let sums = UnsafeMutableRawPointer(scratch.base).assumingMemoryBound(to: Int32.self)
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: step) {
            let count = min(step, rows.upperBound - start)
            tavis_gemm_u8s8s32(
                count, columns.count, inputs, input.bytes + start * inputs,
                weight.bytes + columns.lowerBound * inputs, sums)
            for row in 0..<count {
                let to = out + (start + row) * outputs + columns.lowerBound
                tavis_dequantize_rows(
                    to, outputs, sums + row * columns.count, input.scales + start + row,
                    input.zeros + start + row, weight.scales + columns.lowerBound,
                    weight.sums + columns.lowerBound, 1, columns.count)
                finish(row: start + row, columns, to)
            }
        }
        withExtendedLifetime(scratch) {}
    }

    /// Without integer products: the weights become floats again, some at a time.
    func multiply(_ input: UnsafePointer<Float>, _ weight: ByteMatrix.Rows, _ rows: Range<Int>) {
        let scratch = Storage(count: Self.expandedRows * inputs)
        for start in stride(from: columns.lowerBound, to: columns.upperBound, by: Self.expandedRows) {
            let some = start..<min(columns.upperBound, start + Self.expandedRows)
            ByteMatrix.expand(weight, some, inputs: inputs, into: scratch.base)
            tavis_sgemm(
                false, true, rows.count, some.count, inputs, 1, input + rows.lowerBound * inputs, inputs,
                scratch.base, inputs, 0, out + rows.lowerBound * outputs + start, outputs)
            for row in rows { finish(row: row, some, out + row * outputs + start) }
        }
        withExtendedLifetime(scratch) {}
    }

    /// Bias, activation and residual of a part of a row.
    private func finish(row: Int, _ columns: Range<Int>, _ to: UnsafeMutablePointer<Float>) {
        guard bias != nil || residual != nil || activation != TAVIS_COPY else { return }
        tavis_bias_act_rows(
            to, outputs, bias.map { $0 + columns.lowerBound }, activation,
            residual.map { $0 + row * outputs + columns.lowerBound }, outputs, 1, columns.count)
    }
}
