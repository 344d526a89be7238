// SPDX-License-Identifier: Apache-2.0

/// Walks forwards over untrusted bytes; every read is checked against what is left.
struct ByteReader {
    /// The bytes ended before what was asked for.
    struct EndOfBytes: Error {
        let position: Int
        let wanted: Int
    }

    let bytes: UnsafeRawBufferPointer
    private(set) var position: Int

    var remaining: Int { bytes.count - position }

    /// - Parameter position: where to start; beyond the end is an error of the first read.
    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        self.bytes = bytes
        self.position = min(max(position, 0), bytes.count)
    }

    /// A little-endian integer.
    mutating func read<T: FixedWidthInteger>(_ type: T.Type = T.self) throws -> T {
        let raw = try take(MemoryLayout<T>.size)
        return T(littleEndian: raw.loadUnaligned(as: T.self))
    }

    /// The next `count` bytes, in place.
    mutating func take<N: BinaryInteger>(_ count: N) throws -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            throw EndOfBytes(position: position, wanted: Int(clamping: count))
        }
        defer { position += Int(count) }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(count)])
    }

    /// The bytes up to the next line feed, which is consumed and not returned.
    mutating func line(limit: Int) throws -> UnsafeRawBufferPointer {
        let window = bytes[position..<position + min(remaining, limit)]
        guard let end = window.firstIndex(of: 0x0A) else {
            throw EndOfBytes(position: position, wanted: limit)
        }
        defer { position = end + 1 }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<end])
    }
}
