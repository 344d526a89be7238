// SPDX-License-Identifier: Apache-2.0

/// Where the HTTP interface listens, who may use it, and how much.
package struct HTTPSettings: Sendable, Equatable {
    package struct Limits: Sendable, Equatable {
        /// Of a request's body.
        package var bodyBytes = 64 << 10
        /// Of all header fields of a request together, and of one.
        package var headerBytes = 16 << 10
        /// Connections that may be open at once; others wait to be accepted. Each listener has its own.
        package var connections = 256
        /// Clients of events and previews together: few enough that others still get through.
        package var clients = 128
        /// A connection that asks for nothing for so long is closed.
        package var idleSeconds = 30.0
        /// A connection whose client reads nothing for so long is closed.
        package var stallSeconds = 60.0
        /// A connection that is still busy so long after a shutdown began is closed.
        package var graceSeconds = 2.0

        package init() {}
    }

    package var address = "127.0.0.1"
    /// 0 takes any that is free; nil listens on the socket alone.
    package var port: Int? = 8990
    /// Who sends it as a bearer may do everything. Nil: everybody may.
    package var token: String?
    /// A Unix-domain socket without token: whoever may open the file may do everything.
    package var socketPath: String?
    /// `0o600`, or `0o660` for a group.
    package var socketMode: UInt32 = 0o600
    package var limits = Limits()
    /// Between two comment lines to clients of `/events`.
    package var heartbeatSeconds = 15.0
    /// Between two pictures of a preview.
    package var previewSeconds = 0.1

    package init() {}

    /// Whether only programs of this machine reach an address.
    package static func isLoopback(_ address: String) -> Bool {
        if address == "localhost" || address == "::1" { return true }
        let parts = address.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return parts.count == 4 && parts[0] == 127 && !parts.contains(nil)
    }

    func check() throws(HTTPSettingsError) {
        guard port != nil || socketPath != nil else {
            throw HTTPSettingsError(.nowhere, "expected a port or the path of a socket, found neither")
        }
        if let port, !(0...65535).contains(port) {
            throw HTTPSettingsError(.badPort, "expected a port of 0 to 65535, found \(port)")
        }
        try checkToken()
        if let path = socketPath { try UnixSocketFile.check(path) }
        let sizes = [limits.bodyBytes, limits.headerBytes, limits.connections, limits.clients]
        let times = [
            limits.idleSeconds, limits.stallSeconds, limits.graceSeconds, heartbeatSeconds, previewSeconds,
        ]
        guard sizes.allSatisfy({ $0 > 0 }), times.allSatisfy({ $0 > 0 && $0 < 1e6 }) else {
            throw HTTPSettingsError(.badLimit, "expected limits above 0, found \(limits)")
        }
    }

    private func checkToken() throws(HTTPSettingsError) {
        guard let token else {
            if port == nil || Self.isLoopback(address) { return }
            throw HTTPSettingsError(
                .tokenRequired,
                "\(address): expected a token, since others than this machine reach it, found none")
        }
        guard token.utf8.count >= 8, token.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw HTTPSettingsError(
                .badToken, "expected a token of at least 8 visible ASCII characters, found another one")
        }
    }
}

/// Why the HTTP interface cannot be set up.
package struct HTTPSettingsError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable {
        case nowhere, badPort, tokenRequired, badToken, badLimit
        /// The path is too long or taken by something else, or cannot be written to.
        case badSocketPath
        /// Another process answers at the socket.
        case socketInUse
    }

    package var code: Code
    package var detail: String

    init(_ code: Code, _ detail: String) { (self.code, self.detail) = (code, detail) }
    package var description: String { detail }
}
