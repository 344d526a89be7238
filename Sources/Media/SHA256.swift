// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Foundation

/// SHA-256 of bytes that come in pieces, by GLib.
package final class SHA256 {
    private let sum: OpaquePointer

    package init() {
        guard let sum = g_checksum_new(G_CHECKSUM_SHA256) else {
            preconditionFailure("GLib has no SHA-256")
        }
        self.sum = sum
    }

    deinit { g_checksum_free(sum) }

    package func add(_ bytes: UnsafeRawBufferPointer) {
        g_checksum_update(sum, bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count)
    }

    package func add(_ values: [some BitwiseCopyable]) { values.withUnsafeBytes { add($0) } }

    /// Lower-case hexadecimal, as `sha256sum` prints it; nothing can be added any more.
    package var text: String { String(cString: g_checksum_get_string(sum)) }

    /// Of a file.
    package static func text(ofFile path: String) throws(MediaError) -> String {
        guard let file = fopen(path, "rb") else { throw MediaError(.unreadable, path, "cannot be read") }
        defer { fclose(file) }
        let sum = SHA256()
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = fread(&piece, 1, piece.count, file)
            piece.withUnsafeBytes { sum.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
            guard count == piece.count else { break }
        }
        guard ferror(file) == 0 else { throw MediaError(.unreadable, path, "cannot be read to its end") }
        return sum.text
    }
}
