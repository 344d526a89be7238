// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file written beside its final name and renamed into place when complete; removed when abandoned.
package final class AtomicFile {
    let path: String
    private let partialPath: String
    private let descriptor: Int32
    private var isCommitted = false

    init(path: String) throws {
        self.path = path
        partialPath = "\(path).partial-\(String(UInt32.random(in: .min ... .max), radix: 36))"
        descriptor = open(partialPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw CheckpointError(.cannotWrite, path: path, CheckpointError.systemReason(errno))
        }
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(partialPath) }
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure() }
            done += count
        }
    }

    /// Makes the content durable, then gives it its name.
    func commit() throws {
        guard fsync(descriptor) == 0, rename(partialPath, path) == 0 else { throw failure() }
        isCommitted = true
        try Self.syncFolder(of: path)
    }

    /// A whole small file, durable under its name or not there.
    package static func write(_ bytes: some Sequence<UInt8>, path: String) throws {
        let file = try AtomicFile(path: path)
        try Array(bytes).withUnsafeBytes { try file.write($0, at: 0) }
        try file.commit()
    }

    /// Makes what was added to or renamed in the folder of `path` durable.
    package static func syncFolder(of path: String) throws {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        // A folder that may be written but not read: there is nothing to sync through.
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw CheckpointError(.cannotWrite, path: path, CheckpointError.systemReason(errno))
        }
    }

    private func failure() -> CheckpointError {
        CheckpointError(.cannotWrite, path: path, CheckpointError.systemReason(errno))
    }
}
