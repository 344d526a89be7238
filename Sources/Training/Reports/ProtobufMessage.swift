// SPDX-License-Identifier: Apache-2.0

/// Bytes of a protocol-buffer message, field after field.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    private enum Wire: UInt64 {
        case varint = 0
        case fixed64 = 1
        case delimited = 2
        case fixed32 = 5
    }

    mutating func add(_ field: UInt64, _ value: Int) {
        tag(field, .varint)
        varint(UInt64(bitPattern: Int64(value)))
    }

    mutating func add(_ field: UInt64, _ value: Double) {
        tag(field, .fixed64)
        append(littleEndian: value.bitPattern)
    }

    mutating func add(_ field: UInt64, _ value: Float) {
        tag(field, .fixed32)
        append(littleEndian: value.bitPattern)
    }

    mutating func add(_ field: UInt64, _ value: [UInt8]) {
        tag(field, .delimited)
        varint(UInt64(value.count))
        bytes += value
    }

    mutating func add(_ field: UInt64, _ value: String) { add(field, Array(value.utf8)) }
    mutating func add(_ field: UInt64, _ value: ProtobufMessage) { add(field, value.bytes) }

    private mutating func tag(_ field: UInt64, _ wire: Wire) { varint(field << 3 | wire.rawValue) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func append(littleEndian value: some FixedWidthInteger) {
        bytes += littleEndianBytes(value)
    }
}

func littleEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}
