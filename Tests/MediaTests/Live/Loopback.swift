// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization

/// Listens on a free port of this machine.
final class Listener: Sendable {
    let port: Int
    let descriptor: Int32

    init?() {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        descriptor = socket
        var address = loopbackAddress(port: 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && listen(socket, 8) == 0
                    && getsockname(socket, $0, &length) == 0
            }
        }
        guard isBound else { return nil }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(descriptor) }
}

private func loopbackAddress(port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr = in_addr(s_addr: in_addr_t(0x7F00_0001).bigEndian)
    return address
}

/// Stands between an RTSP client and its server, which talk over TCP, and does to the packets what bad networks and
/// cameras do.
final class Meddler: Sendable {
    struct Mischief: Sendable {
        /// One byte in so many of a packet's payload is changed; none when 0.
        var damagedByteIn = 0
        /// Added to the times of packets, in seconds of a 90 kHz clock; such packets come without sender reports.
        var timeShift = 0.0
    }

    let mischief = Mutex(Mischief())
    var port: Int { listener.port }
    private let listener: Listener
    private let serverPort: Int
    private let open = Mutex<[Int32]>([])

    init?(to serverPort: Int) {
        guard let listener = Listener() else { return nil }
        (self.listener, self.serverPort) = (listener, serverPort)
        Thread { [self] in accept() }.start()
    }

    func stop() {
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
        for descriptor in open.withLock({ $0 }) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener.descriptor, nil, nil)
            guard client >= 0 else { return }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var address = loopbackAddress(port: serverPort)
            let isConnected = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
                }
            }
            guard isConnected else {
                close(client)
                close(server)
                continue
            }
            open.withLock { $0 += [client, server] }
            Thread { [self] in
                while let bytes = Self.read(client, upTo: 4096), Self.write(bytes, server) {}
                end(client, server)
            }.start()
            Thread { [self] in
                while let message = message(from: server), Self.write(message, client) {}
                end(client, server)
            }.start()
        }
    }

    /// Both directions end together; descriptors stay until the program ends, so that none is used twice.
    private func end(_ descriptors: Int32...) {
        for descriptor in descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    /// One interleaved packet (RFC 2326, 10.12) or one answer.
    private func message(from server: Int32) -> [UInt8]? {
        guard let first = Self.read(server, exactly: 1) else { return nil }
        guard first[0] == UInt8(ascii: "$") else { return Self.answer(from: server, first) }
        guard let head = Self.read(server, exactly: 3),
            let packet = Self.read(server, exactly: Int(head[1]) << 8 | Int(head[2]))
        else { return nil }
        let (isReport, mischief) = (head[0] % 2 == 1, mischief.withLock { $0 })
        if isReport { return mischief.timeShift == 0 ? first + head + packet : [] }
        return first + head + Self.spoiled(packet, mischief)
    }

    fileprivate static func answer(from server: Int32, _ first: [UInt8]) -> [UInt8]? {
        var text = first
        while !text.suffix(4).elementsEqual(Array("\r\n\r\n".utf8)) {
            guard let next = read(server, exactly: 1), text.count < 1 << 16 else { return nil }
            text += next
        }
        let lines = String(decoding: text, as: UTF8.self).lowercased().split(separator: "\r\n")
        let length = lines.first { $0.hasPrefix("content-length:") }.flatMap {
            Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces))
        }
        guard let length else { return text }
        return read(server, exactly: length).map { text + $0 }
    }

    private static func spoiled(_ packet: [UInt8], _ mischief: Mischief) -> [UInt8] {
        var packet = packet
        guard packet.count > 12 else { return packet }
        if mischief.timeShift != 0 {
            let time = packet[4..<8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let shifted = time &+ UInt32(truncatingIfNeeded: Int64(mischief.timeShift * 90_000))
            for byte in 0..<4 {
                packet[4 + byte] = UInt8(truncatingIfNeeded: shifted >> (24 - 8 * UInt32(byte)))
            }
        }
        if mischief.damagedByteIn > 0 {
            for index in 12..<packet.count where Int.random(in: 0..<mischief.damagedByteIn) == 0 {
                packet[index] = .random(in: 0...255)
            }
        }
        return packet
    }

    private static func read(_ descriptor: Int32, upTo count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = recv(descriptor, &bytes, count, 0)
        return got > 0 ? Array(bytes[..<got]) : nil
    }

    private static func read(_ descriptor: Int32, exactly count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while bytes.count < count {
            guard let part = read(descriptor, upTo: count - bytes.count) else { return nil }
            bytes += part
        }
        return bytes
    }

    fileprivate static func write(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }
}

/// A viewer of an RTSP server that asks it to play, and then reads nothing any more.
final class StuckViewer {
    private let descriptor: Int32

    /// - Returns: nil where the server does not play.
    init?(port: Int, path: String) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var (room, address) = (Int32(4096), loopbackAddress(port: port))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<Int32>.size))
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        let uri = "rtsp://127.0.0.1:\(port)\(path)"
        guard isConnected, ask("DESCRIBE \(uri)", "Accept: application/sdp") != nil,
            let set = ask("SETUP \(uri)/stream=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
            let session = set.firstMatch(of: /Session: ([^;\r]+)/)?.1,
            ask("PLAY \(uri)", "Session: \(session)") != nil
        else {
            close(descriptor)
            return nil
        }
    }

    deinit { close(descriptor) }

    /// - Returns: the answer, where it is a success.
    private func ask(_ request: String, _ header: String) -> String? {
        let text = "\(request) RTSP/1.0\r\nCSeq: 1\r\n\(header)\r\n\r\n"
        guard Meddler.write(Array(text.utf8), descriptor),
            let answer = Meddler.answer(from: descriptor, [])
        else { return nil }
        let said = String(decoding: answer, as: UTF8.self)
        return said.hasPrefix("RTSP/1.0 200 ") ? said : nil
    }
}
