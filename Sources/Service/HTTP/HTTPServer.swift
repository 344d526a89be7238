// SPDX-License-Identifier: Apache-2.0
import Hummingbird
import HummingbirdCore
package import Logging
package import Media
import NIOCore
import ServiceLifecycle
import Synchronization

/// Where the interface can be reached.
package enum HTTPPlace: Sendable, Hashable {
    case tcp(address: String, port: Int)
    case unixSocket(path: String)
}

/// It listens no more, though nobody asked it to stop.
package struct HTTPStopped: Error, CustomStringConvertible {
    package var description: String { "the http interface stopped listening" }
}

/// The daemon's HTTP interface: state, control, events, previews, metrics and the status page. See `docs/http.md`.
///
/// It runs until its task is cancelled or its service group shuts down; clients of events and previews are then let
/// go of at once.
package struct HTTPServer: Service {
    /// Makes a JPEG of a picture, not wider than `maxWidth` where that is given. Called on one thread at a time.
    package typealias JPEGEncoder = @Sendable (_ picture: VideoFrame, _ maxWidth: Int?) throws -> [UInt8]

    private let settings: HTTPSettings
    private let resources: HTTPResources
    private let logger: Logger
    private let onListening: @Sendable (HTTPPlace) -> Void

    /// - Parameter onListening: called once for each place as soon as it answers, with the port in use.
    /// - Throws: above all where an address that others reach has no token.
    package init(
        _ settings: HTTPSettings, control: any DaemonControl, jpeg: @escaping JPEGEncoder, logger: Logger,
        onListening: @escaping @Sendable (HTTPPlace) -> Void = { _ in }
    ) throws(HTTPSettingsError) {
        try settings.check()
        self.settings = settings
        self.logger = logger
        self.onListening = onListening
        resources = HTTPResources(settings, control: control, jpeg: jpeg)
    }

    /// - Throws: `HTTPSettingsError` or an `IOError` where it cannot listen, `HTTPStopped` where it no longer does.
    package func run() async throws {
        try await withThrowingTaskGroup { group in
            if let port = settings.port { group.addTask { try await listen(port: port) } }
            if let path = settings.socketPath { group.addTask { try await listen(path: path) } }
            // The first that fails takes the other with it.
            for try await _ in group where !Task.isShuttingDownGracefully && !Task.isCancelled {
                throw HTTPStopped()
            }
        }
    }

    private func listen(port: Int) async throws {
        let access = AccessRules(settings)
        try await application(access, .hostname(settings.address, port: port)) { channel in
            report(.tcp(address: settings.address, port: channel.localAddress?.port ?? port))
        }.run()
    }

    private func listen(path: String) async throws {
        let file = try UnixSocketFile(path, mode: settings.socketMode)
        defer { file.removeFolder() }
        let failure = Mutex<HTTPSettingsError?>(nil)
        let application = application(.trusting, .unixDomainSocket(path: file.provisionalPath)) { channel in
            do throws(HTTPSettingsError) {
                try file.publish()
                report(.unixSocket(path: path))
            } catch {
                failure.withLock { $0 = error }
                channel.close(promise: nil)
            }
        }
        try await application.run()
        if let failure = failure.withLock(\.self) { throw failure }
        file.remove()
    }

    private func application(
        _ access: AccessRules, _ place: BindAddress,
        onListening: @escaping @Sendable (any Channel) async -> Void
    ) -> some ApplicationProtocol {
        // What the framework has to say at `info` is said below in our words.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .notice)
        let connections = MaximumAvailableConnections(settings.limits.connections, logger: quiet)
        return Application(
            router: resources.router(access), server: .http1(configuration: channels),
            configuration: .init(address: place, availableConnectionsDelegate: connections),
            onServerRunning: onListening, logger: quiet)
    }

    private var channels: HTTP1Channel.Configuration {
        let limits = settings.limits
        let counters = resources.counters
        return HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionWatch(limits, counters)],
            idleTimeout: .milliseconds(Int64(limits.idleSeconds * 1000)),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                maxHeaderFieldCount: 100))
    }

    private func report(_ place: HTTPPlace) {
        switch place {
        case .tcp(let address, let port):
            logger.notice("http interface listens", metadata: ["address": "\(address)", "port": "\(port)"])
        case .unixSocket(let path):
            logger.notice("http interface listens", metadata: ["socket": "\(path)"])
        }
        onListening(place)
    }
}
