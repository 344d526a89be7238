// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// JSON Lines under a temporary name beside the final one, which they get with `finish()`. Dropped before that,
/// nothing is left behind.
package final class EventFile {
    private let path: String
    private let partialPath: String
    private let descriptor: Int32
    private var isFinished = false

    package init(path: String) throws {
        self.path = path
        partialPath = "\(path).partial-\(String(UInt32.random(in: .min ... .max), radix: 36))"
        descriptor = open(partialPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Self.failure(path) }
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(partialPath) }
    }

    /// Writes one whole line.
    package func write(_ analysis: FrameAnalysis) throws {
        let line = try EventLine(analysis).encoded()
        try line.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { throw Self.failure(path) }
                done += count
            }
        }
    }

    package func finish() throws {
        guard fsync(descriptor) == 0, rename(partialPath, path) == 0 else { throw Self.failure(path) }
        isFinished = true
    }

    private static func failure(_ path: String) -> StreamError {
        if errno == ENOSPC { return StreamError(.diskFull, path, "the disk is full") }
        return StreamError(.cannotWrite, path, "cannot be written: \(lastSystemError())")
    }
}
