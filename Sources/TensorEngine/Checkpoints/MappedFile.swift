// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Owns a read-only mapping of a whole regular file; unmapped when the last reference goes.
///
/// The bytes never change through us. Another process that shortens the file while it is mapped can still
/// fault us: bundles are replaced by rename, never rewritten in place.
package final class MappedFile: @unchecked Sendable {  // never mutated after init
    package let path: String
    package let bytes: UnsafeRawBufferPointer
    /// What to unmap: whole pages around `bytes`.
    private let region: UnsafeRawBufferPointer
    private let isFileBacked: Bool

    package var byteCount: Int { bytes.count }

    package init(path: String) throws {
        // O_NONBLOCK: opening a named pipe must not wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw CheckpointError(.cannotOpen, path: path, CheckpointError.systemReason(errno))
        }
        defer { close(descriptor) }

        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw CheckpointError(.cannotOpen, path: path, CheckpointError.systemReason(errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CheckpointError(.cannotOpen, path: path, "expected a regular file")
        }

        let size = Int(status.st_size)
        self.path = path
        isFileBacked = true
        if size == 0 {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            region = bytes
            return
        }
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw CheckpointError(
                .cannotOpen, path: path, "cannot map: \(CheckpointError.systemReason(errno))")
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
        region = bytes
    }

    /// Adopts memory that was mapped elsewhere, pages `region` around `bytes`.
    init(name: String, adopting bytes: UnsafeRawBufferPointer, in region: UnsafeRawBufferPointer) {
        path = name
        isFileBacked = false
        self.bytes = bytes
        self.region = region
    }

    /// Memory that lives as long as the program.
    package convenience init(name: String, constant bytes: UnsafeRawBufferPointer) {
        self.init(name: name, adopting: bytes, in: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    deinit {
        if let base = region.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), region.count) }
    }

    /// CRC-32 of the whole file.
    package var checksum: UInt32 {
        var crc = CRC32()
        crc.update(bytes)
        return crc.value
    }

    /// Gives the pages that lie wholly inside `range` back to the system; a later read maps them again.
    ///
    /// Keeps the resident size of a program bounded that walks once through a file of many gigabytes.
    package func releasePages(_ range: Range<Int>) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page
        let last = min(range.upperBound, byteCount) / page * page
        guard isFileBacked, first < last, let base = bytes.baseAddress else { return }
        madvise(UnsafeMutableRawPointer(mutating: base + first), last - first, MADV_DONTNEED)
    }
}
