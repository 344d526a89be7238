// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file of a run that cannot be written or read.
package struct RunFileError: Error, CustomStringConvertible, Sendable {
    package var path: String
    package var detail: String
    package var description: String { "\(path): \(detail)" }

    init(_ path: String, _ detail: String) { (self.path, self.detail) = (path, detail) }

    /// After a call of the system has failed.
    init(_ path: String, errno code: Int32) { self.init(path, String(cString: strerror(code))) }
}

/// A file that grows at its end. What `append` was given is with the system when it returns.
final class AppendFile {
    let path: String
    private let descriptor: Int32

    /// - Parameter keep: bytes to keep of what the file holds; nil for all.
    init(path: String, keep: Int? = nil) throws(RunFileError) {
        self.path = path
        descriptor = path.utf8.contains(0) ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw RunFileError(path, errno: errno) }
        if let keep, ftruncate(descriptor, keep) != 0 { throw RunFileError(path, errno: errno) }
    }

    deinit { close(descriptor) }

    func append(_ bytes: [UInt8]) throws(RunFileError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                write(descriptor, $0.baseAddress! + done, $0.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw RunFileError(path, errno: errno) }
            done += count
        }
    }
}
