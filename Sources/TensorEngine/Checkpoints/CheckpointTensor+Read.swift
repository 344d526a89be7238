// SPDX-License-Identifier: Apache-2.0

// Elements out of the file: any element type, layout and byte order, row-major float32 or integers out.

extension CheckpointTensor {
    /// All elements, row-major, as float32. Halves, bfloat16 and small integers are exact; the rest is rounded once.
    package func readFloats() throws -> [Float] {
        try [Float](unsafeUninitializedCapacity: elementCount) { buffer, count in
            try floats(into: UnsafeMutableBufferPointer(rebasing: buffer[..<elementCount]))
            count = elementCount
        }
    }

    /// All elements, row-major, as float32; `out` has room for exactly `elementCount`.
    package func floats(into out: UnsafeMutableBufferPointer<Float>) throws {
        try floats(0..<elementCount, into: out)
    }

    /// The elements of `range` in row-major order, so that a large tensor can be converted in pieces.
    package func floats(_ range: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) throws {
        precondition(range.lowerBound >= 0 && range.upperBound <= elementCount && out.count == range.count)
        defer { withExtendedLifetime(storage) {} }
        try verify()
        guard let out = out.baseAddress, !range.isEmpty else { return }
        switch dtype {
        case .float32: copyFloats(range, out)
        case .float16: gather(range, out) { float32(half: $0) }
        case .bfloat16: gather(range, out) { (bits: UInt16) in Float(bitPattern: UInt32(bits) << 16) }
        case .float64: gather(range, out) { (bits: UInt64) in Float(Double(bitPattern: bits)) }
        case .int8: gather(range, out) { (value: Int8) in Float(value) }
        case .uint8: gather(range, out) { (value: UInt8) in Float(value) }
        case .int16: gather(range, out) { (value: Int16) in Float(value) }
        case .int32: gather(range, out) { (value: Int32) in Float(value) }
        case .int64: gather(range, out) { (value: Int64) in Float(value) }
        case .bool: gather(range, out) { (value: UInt8) in value == 0 ? 0 : 1 }
        }
    }

    /// All elements of an integer or bool tensor, row-major.
    package func readInt64s() throws -> [Int64] {
        defer { withExtendedLifetime(storage) {} }
        try verify()
        let range = 0..<elementCount
        return try [Int64](unsafeUninitializedCapacity: elementCount) { buffer, count in
            guard let out = buffer.baseAddress, !range.isEmpty else { return }
            switch dtype {
            case .int8: gather(range, out) { (value: Int8) in Int64(value) }
            case .uint8: gather(range, out) { (value: UInt8) in Int64(value) }
            case .int16: gather(range, out) { (value: Int16) in Int64(value) }
            case .int32: gather(range, out) { (value: Int32) in Int64(value) }
            case .int64: gather(range, out) { (value: Int64) in value }
            case .bool: gather(range, out) { (value: UInt8) in value == 0 ? 0 : 1 }
            case .float32, .float16, .bfloat16, .float64:
                throw CheckpointError(
                    .unsupportedType, path: path, key: key, "expected integers, file has \(dtype.rawValue)")
            }
            count = elementCount
        }
    }

    private func copyFloats(_ range: Range<Int>, _ out: UnsafeMutablePointer<Float>) {
        if isContiguous && !storage.isBigEndian {
            let start = (storageOffset + range.lowerBound) * 4
            UnsafeMutableRawBufferPointer(start: out, count: range.count * 4)
                .copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: storage.bytes[start..<start + range.count * 4]))
        } else {
            gather(range, out) { (bits: UInt32) in Float(bitPattern: bits) }
        }
    }

    @inline(__always)
    private func gather<Raw: FixedWidthInteger, Out>(
        _ range: Range<Int>, _ out: UnsafeMutablePointer<Out>, _ convert: (Raw) -> Out
    ) {
        if storage.isBigEndian {
            walk(range, out) { convert(Raw(bigEndian: $0)) }
        } else {
            walk(range, out) { convert(Raw(littleEndian: $0)) }
        }
    }

    /// Writes `convert(element)` for each element of `range`, one innermost row after another.
    @inline(__always)
    private func walk<Raw: FixedWidthInteger, Out>(
        _ range: Range<Int>, _ out: UnsafeMutablePointer<Out>, _ convert: (Raw) -> Out
    ) {
        let width = MemoryLayout<Raw>.size
        precondition(width == dtype.byteCount)
        let base = storage.bytes.baseAddress! + storageOffset * width
        if isContiguous {
            let source = base + range.lowerBound * width
            for i in 0..<range.count {
                out[i] = convert(source.loadUnaligned(fromByteOffset: i * width, as: Raw.self))
            }
            return
        }
        let rowLength = shape.last!
        let step = strides.last! * width
        var next = range.lowerBound
        while next < range.upperBound {
            let column = next % rowLength
            let count = min(rowLength - column, range.upperBound - next)
            let source = base + (elementOffset(ofRow: next / rowLength) * width + column * step)
            let row = out + (next - range.lowerBound)
            for i in 0..<count {
                row[i] = convert(source.loadUnaligned(fromByteOffset: i * step, as: Raw.self))
            }
            next += count
        }
    }

    private func elementOffset(ofRow row: Int) -> Int {
        var rest = row
        var offset = 0
        for d in stride(from: shape.count - 2, through: 0, by: -1) {
            offset += rest % shape[d] * strides[d]
            rest /= shape[d]
        }
        return offset
    }
}

/// IEEE half to single, exact, without a library call per element: the exponent is rebased by one multiplication,
/// which also normalises subnormals.
@inline(__always)
func float32(half: UInt16) -> Float {
    let magnitude = UInt32(half & 0x7FFF)
    let rebased = Float(bitPattern: magnitude << 13) * 0x1p112
    let special = magnitude >= 0x7C00 ? UInt32(0x7F80_0000) : 0
    return Float(bitPattern: rebased.bitPattern | special | UInt32(half & 0x8000) << 16)
}
