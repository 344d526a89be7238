// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// A file that appears under its final name only when it is complete.
///
/// It is written under a hidden name in the same directory. `commit` syncs and renames it; whatever else
/// happens, it is removed.
final class TemporaryFile {
    /// Where the file will be.
    let finalPath: String
    /// Where it is written.
    let path: String
    private var isCommitted = false

    private static let counter = Atomic(0)

    /// - Throws: `.notWritable` or `.diskFull` when the directory cannot take the file.
    init(for finalPath: String) throws(MediaError) {
        self.finalPath = finalPath
        guard !finalPath.isEmpty, !finalPath.utf8.contains(0), !finalPath.hasSuffix("/") else {
            throw MediaError(.notWritable, finalPath, "not a valid path for a file")
        }
        var info = stat()
        if stat(finalPath, &info) == 0, info.st_mode & S_IFMT != S_IFREG {
            let isDirectory = info.st_mode & S_IFMT == S_IFDIR
            throw MediaError(
                .notWritable, finalPath,
                "cannot be written: is \(isDirectory ? "a directory" : "not a regular file")")
        }
        let slash = finalPath.lastIndex(of: "/")
        let directory = slash.map { String(finalPath[...$0]) } ?? ""
        let name = slash.map { finalPath[finalPath.index(after: $0)...] } ?? finalPath[...]
        let number = Self.counter.add(1, ordering: .relaxed).newValue
        path = "\(directory).\(name.prefix(40)).\(getpid())-\(number).partial"
        let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            isCommitted = true
            throw Self.failure(errno, finalPath)
        }
        close(descriptor)
    }

    deinit { if !isCommitted { unlink(path) } }

    /// Puts the file under its final name, replacing one that is there.
    func commit() throws(MediaError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure(errno, finalPath) }
        let synced = fsync(descriptor)
        let reason = errno
        close(descriptor)
        guard synced == 0 else { throw Self.failure(reason, finalPath) }
        guard rename(path, finalPath) == 0 else { throw Self.failure(errno, finalPath) }
        isCommitted = true
    }

    var size: Int {
        var info = stat()
        return stat(path, &info) == 0 ? Int(info.st_size) : 0
    }

    static func failure(_ code: Int32, _ path: String) -> MediaError {
        let isFull = code == ENOSPC || code == EDQUOT || code == EFBIG
        return MediaError(
            isFull ? .diskFull : .notWritable, path, "cannot be written: \(systemMessage(code))")
    }
}

extension TemporaryFile {
    /// Writes `bytes` as the whole content.
    func write(_ bytes: [UInt8]) throws(MediaError) {
        try FileWriter.write(bytes, to: path, O_WRONLY | O_TRUNC, about: finalPath)
    }
}

package enum FileWriter {
    /// Writes a file that counts only once another, written later, says so: under its own name from the start, and
    /// not waiting for the disk.
    package static func write(_ bytes: [UInt8], to path: String) throws(MediaError) {
        try write(bytes, to: path, O_WRONLY | O_CREAT | O_TRUNC, about: path)
    }

    /// Writes a file that appears under its name once it is complete and on the disk.
    package static func writeWhole(_ bytes: [UInt8], to path: String) throws(MediaError) {
        let file = try TemporaryFile(for: path)
        try file.write(bytes)
        try file.commit()
    }

    fileprivate static func write(
        _ bytes: [UInt8], to path: String, _ flags: Int32, about name: String
    ) throws(MediaError) {
        let descriptor = open(path, flags | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw TemporaryFile.failure(errno, name) }
        defer { close(descriptor) }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw TemporaryFile.failure(errno, name) }
            written += count
        }
    }
}
