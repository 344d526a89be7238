// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A connection of a client that sends exactly what a test says.
final class HTTPTestClient: @unchecked Sendable {  // used by one task at a time
    struct Answer {
        var status: Int
        /// By name in lower case.
        var headers: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        var json: NSDictionary? {
            (try? JSONSerialization.jsonObject(with: Data(body))) as? NSDictionary
        }
        var list: [NSDictionary]? {
            (try? JSONSerialization.jsonObject(with: Data(body))) as? [NSDictionary]
        }
        /// Of an answer that tells what went wrong.
        var detail: [String] { json?["detail"] as? [String] ?? [] }
    }

    struct Failure: Error, CustomStringConvertible { var description: String }

    private let socket: Int32
    private var unread: [UInt8] = []

    init(port: Int) throws {
        socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try connect(&address)
    }

    init(path: String) throws {
        socket = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try connect(&address)
    }

    deinit { close(socket) }

    private func connect<Address>(_ address: inout Address) throws {
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let result = withUnsafeBytes(of: &address) {
            Foundation.connect(
                socket, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        guard result == 0 else { throw Failure(description: "connect: \(String(cString: strerror(errno)))") }
    }

    // MARK: Blocking

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Foundation.send(socket, $0.baseAddress!, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "send: \(String(cString: strerror(errno)))") }
            rest = rest.dropFirst(count)
        }
    }

    /// - Returns: false at the end.
    private func receive() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(socket, &buffer, buffer.count, 0)
        if count < 0, errno != ECONNRESET {
            throw Failure(description: "receive: \(String(cString: strerror(errno)))")
        }
        unread += buffer.prefix(max(0, count))
        return count > 0
    }

    func hasSomething(within seconds: Double) -> Bool {
        var wish = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
        return poll(&wish, 1, Int32(seconds * 1000)) > 0
    }

    /// Everything up to and with a text.
    func read(to end: String) throws -> String {
        let wanted = Array(end.utf8)
        while true {
            if let range = Data(unread).range(of: Data(wanted)) {
                defer { unread.removeFirst(range.upperBound) }
                return String(decoding: unread[..<range.upperBound], as: UTF8.self)
            }
            guard try receive() else {
                throw Failure(description: "the end came before \(end.debugDescription)")
            }
        }
    }

    func read(count: Int) throws -> [UInt8] {
        while unread.count < count {
            guard try receive() else { throw Failure(description: "the end came too early") }
        }
        defer { unread.removeFirst(count) }
        return Array(unread[..<count])
    }

    /// Reads all until the server closes.
    func readToEnd() throws -> [UInt8] {
        while try receive() {}
        defer { unread = [] }
        return unread
    }

    func readHead() throws -> Answer {
        let lines = try read(to: "\r\n\r\n").components(separatedBy: "\r\n").filter { !$0.isEmpty }
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Failure(description: "no status line: \(lines)")
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.last.map { $0.trimmingCharacters(in: .whitespaces) }
        }
        return Answer(status: status, headers: headers, body: [])
    }

    func readAnswer(isHead: Bool = false) throws -> Answer {
        var answer = try readHead()
        guard !isHead, answer.status != 204, answer.status != 304 else { return answer }
        answer.body = try read(count: answer.headers["content-length"].flatMap { Int($0) } ?? 0)
        return answer
    }
}

/// Runs blocking code beside the threads that the server needs.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        // A thread of its own: the threads that queues share are few, and the server needs one.
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// Waits until something holds, for at most ten seconds.
func eventually(_ condition: @Sendable () async throws -> Bool) async throws -> Bool {
    let end = ContinuousClock.now + .seconds(10)
    while ContinuousClock.now < end {
        if try await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return try await condition()
}
