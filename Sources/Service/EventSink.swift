// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc
package import Streaming
import Synchronization

/// Appends events as JSON Lines to a file or a named pipe, without ever waiting for a reader.
///
/// A pipe that nobody reads, and a disk that is full, cost events, which are counted, but nothing else. The file is
/// opened again after an error, and when another one took its name (log rotation).
package final class EventSink: Sendable {
    private struct State {
        var descriptor: Int32 = -1
        var device: UInt = 0
        var inode: UInt = 0
        var written = 0
        var dropped = 0
        var problem: String?
        /// The last line is not whole: by a full disk or pipe, or by a power cut.
        var isTorn = false
        var isClosed = false
    }

    private let path: String
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "events")
    private let waiting = Mutex(0)
    /// Lines not yet written, at most.
    private static let limit = 1024

    /// - Throws: `StreamError` where nothing can be written at `path`. A pipe without a reader is no error.
    package init(path: String) throws {
        self.path = path
        try state.withLock { state in
            try Self.open(path, &state)
        }
    }

    package var dropped: Int { state.withLock { $0.dropped } }
    package var written: Int { state.withLock { $0.written } }
    package var problem: String? { state.withLock { $0.problem } }

    package func put(_ event: LiveEvent) {
        let hasRoom = waiting.withLock { waiting in
            guard waiting < Self.limit else { return false }
            waiting += 1
            return true
        }
        guard hasRoom else { return state.withLock { $0.dropped += 1 } }
        queue.async { [self] in
            waiting.withLock { $0 -= 1 }
            write(event)
        }
    }

    /// After what is still waiting has been written.
    package func close() {
        queue.sync {
            state.withLock { state in
                if state.descriptor >= 0 { Glibc.close(state.descriptor) }
                (state.descriptor, state.isClosed) = (-1, true)
            }
        }
    }

    /// As the events' readers get it, everywhere.
    package static func line(_ event: LiveEvent) throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(event) + [UInt8(ascii: "\n")]
    }

    private func write(_ event: LiveEvent) {
        state.withLock { state in
            guard !state.isClosed else { return }
            do {
                try Self.follow(path, &state)
                // What is whole must not become a part of what is not.
                let line = Data(state.isTorn ? "\n".utf8 : "".utf8) + (try Self.line(event))
                let count = line.withUnsafeBytes { Glibc.write(state.descriptor, $0.baseAddress, $0.count) }
                guard count >= 0 else { throw Self.failure(path) }
                state.isTorn = count < line.count && (count > 0 || state.isTorn)
                guard count == line.count else {
                    throw StreamError(.cannotWrite, path, "took \(count) of a line's \(line.count) bytes")
                }
                (state.written, state.problem) = (state.written + 1, nil)
            } catch {
                state.dropped += 1
                state.problem = "\(error)"
                if state.descriptor >= 0 { Glibc.close(state.descriptor) }
                state.descriptor = -1
            }
        }
    }

    /// Opens the path again where it has become another file.
    private static func follow(_ path: String, _ state: inout State) throws {
        var info = stat()
        let isSame =
            state.descriptor >= 0 && stat(path, &info) == 0 && info.st_ino == state.inode
            && info.st_dev == state.device
        if !isSame { try open(path, &state) }
    }

    private static func open(_ path: String, _ state: inout State) throws {
        if state.descriptor >= 0 { Glibc.close(state.descriptor) }
        // A pipe opened for both never fails for want of a reader; it fills, and then writes fail at once.
        var info = stat()
        let isPipe = stat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFIFO
        let mode = isPipe ? O_RDWR : O_WRONLY | O_APPEND | O_CREAT
        state.descriptor = Glibc.open(path, mode | O_NONBLOCK | O_CLOEXEC, 0o640)
        guard state.descriptor >= 0, fstat(state.descriptor, &info) == 0 else { throw failure(path) }
        (state.inode, state.device) = (info.st_ino, info.st_dev)
        if !isPipe { state.isTorn = endsWithinLine(path, info) }
    }

    private static func endsWithinLine(_ path: String, _ info: stat) -> Bool {
        guard info.st_mode & S_IFMT == S_IFREG, info.st_size > 0 else { return false }
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { Glibc.close(descriptor) }
        var last: UInt8 = 0
        return pread(descriptor, &last, 1, info.st_size - 1) == 1 && last != UInt8(ascii: "\n")
    }

    private static func failure(_ path: String) -> StreamError {
        let code: StreamError.Code = errno == ENOSPC ? .diskFull : .cannotWrite
        return StreamError(code, path, "cannot be written: \(String(cString: strerror(errno)).lowercased())")
    }
}
