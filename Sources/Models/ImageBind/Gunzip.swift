// SPDX-License-Identifier: Apache-2.0
import CZlib
import Foundation

/// Why compressed data could not be read.
enum GunzipError: Error, CustomStringConvertible {
    case damaged(String)
    case truncated
    case tooLarge(limit: Int)

    var description: String {
        switch self {
        case .damaged(let detail): "damaged gzip data (\(detail))"
        case .truncated: "gzip data ends early"
        case .tooLarge(let limit): "gzip data holds more than \(limit) bytes"
        }
    }
}

/// Whether data begins as gzip files do.
func isGzip(_ data: Data) -> Bool { data.starts(with: [0x1f, 0x8b]) }

/// The content of a gzip file.
///
/// - Parameter limit: largest accepted content, so that a small file cannot fill the memory.
func gunzipped(_ data: Data, limit: Int) throws -> Data {
    var stream = z_stream()
    // 15: the largest window; 16: a gzip header.
    guard inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw GunzipError.damaged("zlib does not start")
    }
    defer { inflateEnd(&stream) }
    return try data.withUnsafeBytes { input in
        stream.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.avail_in = uInt(clamping: input.count)
        return try inflateAll(&stream, limit: limit)
    }
}

private func inflateAll(_ stream: inout z_stream, limit: Int) throws -> Data {
    var content = Data()
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let status = piece.withUnsafeMutableBufferPointer { out in
            stream.next_out = out.baseAddress
            stream.avail_out = uInt(out.count)
            return inflate(&stream, Z_NO_FLUSH)
        }
        content.append(contentsOf: piece.prefix(piece.count - Int(stream.avail_out)))
        guard content.count <= limit else { throw GunzipError.tooLarge(limit: limit) }
        switch status {
        case Z_STREAM_END: return content
        case Z_OK: continue
        case Z_BUF_ERROR: throw GunzipError.truncated
        default: throw GunzipError.damaged(stream.msg.map { String(cString: $0) } ?? "code \(status)")
        }
    }
}
