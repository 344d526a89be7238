// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc

/// Asks a running daemon on this machine, over its Unix-domain socket or its loopback port.
///
/// One request, one connection, and no more of HTTP than the daemon's own answers need.
package struct ControlClient: Sendable {
    package enum Place: Sendable, Hashable {
        case socket(String)
        case loopback(port: Int)
    }

    package struct Answer: Sendable, Equatable {
        package var status: Int
        package var body: Data
    }

    private let place: Place
    private let token: String?
    private let timeoutSeconds: Int

    private static let maxBytes = 16 << 20

    /// - Parameter token: shown as a bearer where the port asks for one.
    package init(_ place: Place, token: String? = nil, timeoutSeconds: Int = 30) {
        (self.place, self.token, self.timeoutSeconds) = (place, token, timeoutSeconds)
    }

    /// - Throws: `ControlError` where nobody answers.
    package func send(_ method: String, _ path: String, body: Data = Data()) throws(ControlError) -> Answer {
        let descriptor = try connected()
        defer { close(descriptor) }
        let token = token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        let head =
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(token)"
            + "Content-Length: \(body.count)\r\n\r\n"
        try write(Data(head.utf8) + body, to: descriptor)
        return try answer(readAll(descriptor))
    }

    private var name: String {
        switch place {
        case .socket(let path): path
        case .loopback(let port): "127.0.0.1:\(port)"
        }
    }

    // MARK: Connection

    private func connected() throws(ControlError) -> Int32 {
        let descriptor: Int32
        let result: Int32
        switch place {
        case .socket(let path):
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            result = try connect(descriptor, path: path)
        case .loopback(let port):
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            result = connect(descriptor, port: port)
        }
        guard descriptor >= 0, result == 0 else {
            let why = systemWords(errno)
            if descriptor >= 0 { close(descriptor) }
            throw ControlError(detail: "\(name): no daemon answers: \(why)")
        }
        var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        return descriptor
    }

    private func connect(_ descriptor: Int32, path: String) throws(ControlError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard !bytes.isEmpty, bytes.count < room else {
            throw ControlError(detail: "\(path): expected a path of at most \(room - 1) bytes")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private func connect(_ descriptor: Int32, port: Int) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(truncatingIfNeeded: port).bigEndian
        address.sin_addr = in_addr(s_addr: in_addr_t(0x7F00_0001).bigEndian)
        return withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private func write(_ data: Data, to descriptor: Int32) throws(ControlError) {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw broken }
            rest = rest.dropFirst(count)
        }
    }

    private func readAll(_ descriptor: Int32) throws(ControlError) -> Data {
        var result = Data()
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while result.count < Self.maxBytes {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw broken }
            if count == 0 { return result }
            result += chunk[..<count]
        }
        throw ControlError(detail: "\(name): the answer has more than \(Self.maxBytes) bytes")
    }

    private var broken: ControlError {
        let isLate = errno == EAGAIN
        return ControlError(
            detail: "\(name): \(isLate ? "no answer within \(timeoutSeconds) s" : systemWords(errno))")
    }

    // MARK: Answer

    /// The connection ends with the answer, so the body is all after the head, in one piece or in chunks.
    private func answer(_ data: Data) throws(ControlError) -> Answer {
        guard let end = data.range(of: Data("\r\n\r\n".utf8)) else { throw notHTTP }
        let lines = String(decoding: data[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            throw notHTTP
        }
        let isChunked = lines.dropFirst().contains {
            let line = $0.lowercased()
            return line.hasPrefix("transfer-encoding:") && line.hasSuffix("chunked")
        }
        let body = data[end.upperBound...]
        return Answer(status: status, body: isChunked ? try unchunked(body) : Data(body))
    }

    private func unchunked(_ data: Data) throws(ControlError) -> Data {
        var (rest, result) = (data, Data())
        while let line = rest.range(of: Data("\r\n".utf8)) {
            let size = String(decoding: rest[..<line.lowerBound], as: UTF8.self)
            guard let count = Int(size, radix: 16), count >= 0, count <= rest[line.upperBound...].count else {
                throw notHTTP
            }
            if count == 0 { return result }
            result += rest[line.upperBound...].prefix(count)
            rest = rest[line.upperBound...].dropFirst(count + 2)
        }
        throw notHTTP
    }

    private var notHTTP: ControlError {
        ControlError(detail: "\(name): what answers there is not tavisd, or broke off")
    }
}

private func systemWords(_ code: Int32) -> String { String(cString: strerror(code)).lowercased() }

/// Why a daemon could not be asked.
package struct ControlError: Error, Sendable, Equatable, CustomStringConvertible {
    package var detail: String
    package var description: String { detail }
}
