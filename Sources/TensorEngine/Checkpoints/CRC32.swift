// SPDX-License-Identifier: Apache-2.0

/// CRC-32 of zip files (reflected polynomial 0xEDB88320), eight bytes per step by eight tables.
struct CRC32 {
    private var state: UInt32 = 0xFFFF_FFFF

    var value: UInt32 { ~state }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        Self.tables.withUnsafeBufferPointer { t in
            var i = 0
            while bytes.count - i >= 8 {
                let word =
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self))
                    ^ UInt64(crc)
                crc =
                    t[7 << 8 | Int(word & 0xFF)] ^ t[6 << 8 | Int(word >> 8 & 0xFF)]
                    ^ t[5 << 8 | Int(word >> 16 & 0xFF)] ^ t[4 << 8 | Int(word >> 24 & 0xFF)]
                    ^ t[3 << 8 | Int(word >> 32 & 0xFF)] ^ t[2 << 8 | Int(word >> 40 & 0xFF)]
                    ^ t[1 << 8 | Int(word >> 48 & 0xFF)] ^ t[Int(word >> 56)]
                i += 8
            }
            while i < bytes.count {
                crc = crc >> 8 ^ t[Int((crc ^ UInt32(bytes[i])) & 0xFF)]
                i += 1
            }
        }
        state = crc
    }

    /// `tables[k << 8 | b]`: byte `b` followed by `k` zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
            tables[byte] = crc
        }
        for k in 1..<8 {
            for byte in 0..<256 {
                let previous = tables[(k - 1) << 8 | byte]
                tables[k << 8 | byte] = previous >> 8 ^ tables[Int(previous & 0xFF)]
            }
        }
        return tables
    }()
}
