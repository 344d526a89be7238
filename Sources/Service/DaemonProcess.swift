// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Foundation
import Glibc
import Logging
import Media
import ServiceLifecycle
import Streaming
import Synchronization

/// `tavisd run` from its start to its end: the daemon, its HTTP interface, the service manager, signals.
package final class DaemonProcess {
    private let config: DaemonConfig
    private let path: String
    private let logger: Logger
    private let daemon: Daemon
    private let devices: Devices
    private let http: HTTPServer?
    /// At which the HTTP interface is going to listen.
    private let places: Int
    private let requests = Requests()
    /// How often it tells how it is.
    private let interval = min(ServiceManager.watchdogInterval ?? .seconds(5), .seconds(5))

    /// Loads the model and sets everything up; nothing is opened yet.
    ///
    /// - Throws: what keeps the daemon from ever working: a wrong bundle, missing credentials, addresses in use.
    package init(_ config: DaemonConfig, path: String) throws {
        LogOutput.start(config.logging)
        (self.config, self.path) = (config, path)
        logger = Logger(label: "tavisd")
        let start = MediaClock.now
        let model = try ModelHost(config.model)
        logger.notice(
            "model ready",
            metadata: ["model": "\(model.name)", "seconds": "\((MediaClock.now - start).seconds)"])
        for licence in model.licences { logger.notice("licence", metadata: ["text": "\(licence)"]) }
        let credentials = Credentials()
        devices = try Devices(config, credentials: credentials)
        if let port = devices.rtspPort {
            logger.notice(
                "rtsp server listens", metadata: ["address": "\(config.rtsp.address)", "port": "\(port)"])
        }
        let hub = EventHub(file: try config.eventFile.map { try EventSink(path: $0) })
        daemon = Daemon(
            config, model: model, connector: devices, hub: hub, configPath: path, logger: logger)
        let socket = config.controlSocket ?? Self.usualSocket
        places = (config.http.isOn ? 1 : 0) + (socket == nil ? 0 : 1)
        guard places > 0 else {
            http = nil
            return
        }
        var settings = HTTPSettings()
        settings.address = config.http.address
        settings.port = config.http.isOn ? config.http.port : nil
        settings.token = try config.http.credential.map(credentials.text)
        settings.socketPath = socket
        let encoder = JPEGEncoder()
        http = try HTTPServer(
            settings, control: daemon, jpeg: { try encoder.encode($0, maxWidth: $1) }, logger: logger,
            onListening: { [requests] _ in requests.put(.listening) })
    }

    /// Under systemd, in the unit's own folder of `/run`.
    private static var usualSocket: String? {
        ProcessInfo.processInfo.environment["RUNTIME_DIRECTORY"].map { "\($0)/control.sock" }
    }

    /// Runs until a signal ends it.
    ///
    /// - Returns: nil after SIGTERM, the exit code after another signal.
    package func run() throws -> Int32? {
        let signals = requests.watch()
        defer { withExtendedLifetime(signals) {} }
        try daemon.start()
        let interface = http.map { Interface($0, requests, logger) }
        defer { shutDown(interface) }
        return try loop()
    }

    private func loop() throws -> Int32? {
        var missing = places
        if missing == 0 { ServiceManager.ready(summary) }
        while true {
            switch requests.next(within: interval) {
            case .listening:
                missing -= 1
                if missing == 0 { ServiceManager.ready(summary) }
            case .reload: reload()
            case .stop(let signal): return signal == SIGTERM ? nil : 128 + signal
            case .failed(let why): throw ServiceError(detail: why)
            case nil: break
            }
            tellHealth()
        }
    }

    private func tellHealth() {
        let health = daemon.health
        // A daemon that hangs is better killed and started again.
        if health.isLive { ServiceManager.alive() }
        ServiceManager.status(health.isLive ? summary : health.problems.joined(separator: "; "))
    }

    private func reload() {
        ServiceManager.reloading()
        let done = Signal()
        Task { [daemon, logger] in
            do {
                for outcome in try await daemon.reload() {
                    logger.notice(
                        "reloaded",
                        metadata: [
                            "stream": "\(outcome.stream)", "action": "\(outcome.action.rawValue)",
                            "why": "\(outcome.why ?? "")",
                        ])
                }
            } catch {
                logger.error("configuration not reloaded", metadata: ["why": "\(error)"])
            }
            done.signal()
        }
        while !done.wait(for: interval) { tellHealth() }
        ServiceManager.ready(summary)
    }

    private func shutDown(_ interface: Interface?) {
        ServiceManager.stopping()
        interface?.stop()
        daemon.stop()
        devices.stop()
        interface?.wait()
        logger.notice("stopped")
    }

    /// How the streams are, in a line.
    private var summary: String {
        let streams = daemon.streams()
        let states = Dictionary(grouping: streams, by: \.state)
        let parts = [StreamStatus.State.running, .degraded, .down, .starting, .paused].compactMap { state in
            states[state].map { "\($0.count) \(state.rawValue)" }
        }
        return streams.isEmpty ? "no streams" : "streams: " + parts.joined(separator: ", ")
    }
}

/// Why the daemon ended by itself.
package struct ServiceError: Error, Sendable, CustomStringConvertible {
    package var detail: String
    package var description: String { detail }
}

/// The HTTP interface while it runs.
private final class Interface: Sendable {
    private let group: ServiceGroup
    private let ended = Signal()

    init(_ server: HTTPServer, _ requests: Requests, _ logger: Logger) {
        // What it says of its own steps is nothing to an operator.
        var quiet = logger
        quiet.logLevel = .critical
        group = ServiceGroup(services: [server], logger: quiet)
        Task { [group, ended] in
            do { try await group.run() } catch { requests.put(.failed("http interface: \(error)")) }
            ended.signal()
        }
    }

    /// Takes no more clients, and lets go of those there are.
    func stop() {
        Task { [group] in await group.triggerGracefulShutdown() }
    }

    /// Until the last client has gone, but two seconds at most.
    func wait() { ended.wait(for: .seconds(2)) }
}

/// What the process is asked to do, by signals or by its own parts.
private final class Requests: Sendable {
    enum Request: Sendable {
        case reload
        case stop(Int32)
        /// The HTTP interface answers at one place more.
        case listening
        case failed(String)
    }

    private let waiting = Monitor<[Request]>([])

    func put(_ request: Request) { waiting.change { $0.append(request) } }

    func next(within time: MediaTime) -> Request? {
        waiting.wait(for: time) { $0.isEmpty ? nil : $0.removeFirst() }
    }

    /// A second signal to stop ends the process at once.
    func watch() -> [any DispatchSourceSignal] {
        signal(SIGPIPE, SIG_IGN)
        let stopping = Mutex(false)
        return [SIGHUP, SIGINT, SIGTERM].map { number in
            // Only what the default action does not get reaches a dispatch source.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [self] in
                guard number != SIGHUP else { return put(.reload) }
                let isSecond = stopping.withLock { stopping in
                    defer { stopping = true }
                    return stopping
                }
                if isSecond { _exit(128 + number) }
                put(.stop(number))
            }
            source.resume()
            return source
        }
    }
}
