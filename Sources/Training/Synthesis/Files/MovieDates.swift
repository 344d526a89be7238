// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// The times of creation in an mp4 file (ISO/IEC 14496-12), which make two otherwise equal files differ.
enum MovieDates {
    /// Boxes that hold others down to those with a date.
    private static let containers = ["moov", "trak", "mdia"]
    private static let dated = ["mvhd", "tkhd", "mdhd"]

    /// Sets them to zero, which means not known.
    static func erase(_ path: String) throws(MediaError) {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw MediaError(.unreadable, path, "cannot be read")
        }
        var bytes = Array(data)
        erase(in: bytes.indices, of: &bytes)
        try SyntheticDataset.save(bytes, path)
    }

    private static func erase(in range: Range<Int>, of bytes: inout [UInt8]) {
        var at = range.lowerBound
        while at + 8 <= range.upperBound {
            guard let size = size(at, range, bytes) else { return }
            let type = String(decoding: bytes[at + 4..<at + 8], as: UTF8.self)
            if containers.contains(type) { erase(in: at + 8..<at + size, of: &bytes) }
            // Version and flags, then two dates of 4 bytes, or of 8 in version 1.
            if dated.contains(type), size >= 28 {
                for index in at + 12..<at + (bytes[at + 8] == 1 ? 28 : 20) { bytes[index] = 0 }
            }
            at += size
        }
    }

    /// Of the box at a place, where it fits: 4 bytes, or the 8 after its name where they are 1.
    private static func size(_ at: Int, _ range: Range<Int>, _ bytes: [UInt8]) -> Int? {
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        var size = number(at..<at + 4)
        if size == 1, at + 16 <= range.upperBound { size = number(at + 8..<at + 16) }
        return size >= 8 && size <= UInt64(range.upperBound - at) ? Int(size) : nil
    }
}
