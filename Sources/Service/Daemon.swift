// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Foundation
package import Logging
package import Media
package import Streaming
import Synchronization

/// An open source of a stream.
package protocol LiveSourceHandle: Sendable {
    func start()
    /// Returns within a few seconds, whatever the source does.
    func stop()
}

/// What a stream is connected to: the daemon's one dependency on devices and networks.
package protocol StreamConnector: Sendable {
    /// Sources that feed `stream`, not yet started.
    ///
    /// - Throws: where they could never work, e.g. a missing credential.
    func sources(of config: DaemonConfig.Stream, for stream: LiveStream) throws -> [any LiveSourceHandle]
    func outputs(of config: DaemonConfig.Stream) throws -> [StreamOutput]
}

/// All live streams, the thread that runs the model for them, and what can be done to them.
///
/// Changes come one after the other, on a queue of their own: closing a source may take a while.
package final class Daemon: DaemonControl {
    struct Running: Sendable {
        var config: DaemonConfig.Stream
        var live: LiveStream
        var sources: [any LiveSourceHandle]
    }

    private struct State: Sendable {
        var config: DaemonConfig
        var order: [String] = []
        var running: [String: Running] = [:]
        var isReady = false
    }

    private let state: Mutex<State>
    private let model: ModelHost
    private let connector: any StreamConnector
    private let configPath: String?
    private let logger: Logger
    private let worker = SegmentWorker()
    private let changes = DispatchQueue(label: "changes")
    /// When the change in hand last got on; nil while there is none.
    private let changeBeat = Mutex<MediaTime?>(nil)
    private let longestChange: MediaTime
    let hub: EventHub
    let started = MediaClock.now

    /// - Parameters:
    ///   - configPath: read again on reload; nil where there is no file.
    ///   - longestChange: opening or closing a stream may take this long before it counts as hanging; sources and
    ///     outputs that hang are left behind after seconds each.
    package init(
        _ config: DaemonConfig, model: ModelHost, connector: any StreamConnector, hub: EventHub,
        configPath: String?, logger: Logger, longestChange: MediaTime = .seconds(120)
    ) {
        state = Mutex(State(config: config))
        (self.model, self.connector, self.hub) = (model, connector, hub)
        (self.configPath, self.logger, self.longestChange) = (configPath, logger, longestChange)
    }

    /// Opens all streams of the configuration. Sources that are not there do not matter: they are tried again.
    ///
    /// - Throws: what can never work; then nothing runs.
    package func start() throws {
        worker.start()
        do {
            for stream in state.withLock({ $0.config.streams }) { try open(stream) }
        } catch {
            stop()
            throw error
        }
        state.withLock { $0.isReady = true }
    }

    /// Ends all streams; files are closed.
    package func stop() {
        state.withLock { $0.isReady = false }
        changes.sync { close(state.withLock { $0.order }) }
        worker.stop()
        hub.close()
    }

    // MARK: Opening and closing, on the queue of changes

    private func open(_ config: DaemonConfig.Stream) throws {
        getOn()
        let make = try model.segmenter(classes: config.classes)
        let (name, hub, logger) = (config.name, hub, logger)
        let live = LiveStream(config.live, outputs: try connector.outputs(of: config)) {
            kind, object, detail in
            hub.tell(kind, stream: name, object, detail)
            if let detail {
                logger.notice("stream changed", metadata: ["stream": "\(name)", "what": "\(detail)"])
            }
        }
        do {
            let sources = try connector.sources(of: config, for: live)
            worker.add(live, make)
            state.withLock {
                if !$0.order.contains(name) { $0.order.append(name) }
                $0.running[name] = Running(config: config, live: live, sources: sources)
            }
            if config.startsPaused { live.setPaused(true) } else { sources.forEach { $0.start() } }
        } catch {
            live.stop()
            throw error
        }
        logger.notice("stream opened", metadata: ["stream": "\(name)"])
    }

    private func close(_ name: String) {
        getOn()
        guard let running = state.withLock({ $0.running.removeValue(forKey: name) }) else { return }
        state.withLock { $0.order.removeAll { $0 == name } }
        for source in running.sources { source.stop() }
        worker.remove(running.live)
        running.live.stop()
        logger.notice("stream closed", metadata: ["stream": "\(name)"])
    }

    /// All at once: each may take seconds to let go of its sources and to complete its files.
    private func close(_ names: [String]) {
        let closings = DispatchGroup()
        for name in names {
            DispatchQueue(label: "close-\(name)").async(group: closings) { [self] in close(name) }
        }
        closings.wait()
    }

    /// Runs a change after those before it, off the threads that serve requests.
    private func change<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            changes.async { [self] in
                changeBeat.withLock { $0 = MediaClock.now }
                let result = Swift.Result { try body() }
                changeBeat.withLock { $0 = nil }
                continuation.resume(with: result)
            }
        }
    }

    private func getOn() { changeBeat.withLock { if $0 != nil { $0 = MediaClock.now } } }

    private func running(_ name: String) throws -> Running {
        guard let running = state.withLock({ $0.running[name] }) else {
            throw DaemonError(.noSuchStream, "there is no stream \(name)")
        }
        return running
    }

    // MARK: DaemonControl

    package func streams() -> [StreamStatus] {
        let all = state.withLock { state in state.order.compactMap { state.running[$0]?.live } }
        return all.map(\.status)
    }

    package func stream(_ name: String) -> StreamStatus? {
        state.withLock { $0.running[name]?.live }?.status
    }

    package func picture(_ name: String, overlaid: Bool) -> VideoFrame? {
        state.withLock { $0.running[name]?.live }?.picture(overlaid: overlaid)
    }

    package func events() -> AsyncStream<LiveEvent> { hub.events() }

    package func add(_ text: String) async throws -> StreamStatus {
        let config = try DaemonConfig.Stream(text, file: "request")
        return try await change { [self] in
            guard state.withLock({ $0.running[config.name] }) == nil else {
                throw DaemonError(.alreadyExists, "there is a stream \(config.name) already")
            }
            try open(config)
            return try running(config.name).live.status
        }
    }

    package func remove(_ name: String) async throws {
        try await change { [self] in
            _ = try running(name)
            close(name)
        }
    }

    package func setPaused(_ isPaused: Bool, _ name: String) async throws {
        try await change { [self] in
            let running = try running(name)
            guard running.live.isPaused != isPaused else { return }
            // First what may fail: then it stays paused.
            let sources = isPaused ? [] : try connector.sources(of: running.config, for: running.live)
            for source in running.sources { source.stop() }
            running.live.setPaused(isPaused)
            state.withLock { $0.running[name]?.sources = sources }
            for source in sources { source.start() }
        }
    }

    package func resetMemory(_ name: String) async throws {
        try await change { [self] in worker.forget(try running(name).live.settings.name) }
    }

    package func setClasses(_ classes: [String], _ name: String) async throws {
        try await change { [self] in
            let running = try running(name)
            guard !classes.isEmpty else {
                throw DaemonError(.notPossible, "a stream needs at least one class")
            }
            worker.replace(running.live.settings.name, try model.segmenter(classes: classes))
            state.withLock { $0.running[name]?.config.classes = classes }
        }
    }

    package func record(_ name: String, seconds: Double) async throws {
        guard try running(name).live.record(for: MediaTime(seconds: seconds)) else {
            throw DaemonError(.notPossible, "stream \(name) has no recording set up")
        }
    }

    package var health: DaemonHealth {
        let (isReady, lives) = state.withLock { state in
            (state.isReady, state.order.compactMap { state.running[$0]?.live })
        }
        let now = MediaClock.now
        var problems: [String] = []
        if now - worker.lastBeat > Self.longestFrame { problems.append("the model hangs") }
        if let beat = changeBeat.withLock({ $0 }), now - beat > longestChange {
            problems.append("a change of streams hangs")
        }
        for live in lives where now - live.composerBeat > Self.longestComposing {
            problems.append("stream \(live.settings.name): its output hangs")
        }
        return DaemonHealth(isReady: isReady, isLive: problems.isEmpty, problems: problems)
    }

    /// The model may take this long for a frame; TAViS-L takes two seconds.
    private static let longestFrame = MediaTime.seconds(30)
    private static let longestComposing = MediaTime.seconds(10)

    package var metrics: [MetricFamily] {
        DaemonMetrics.families(
            state.withLock { state in state.order.compactMap { state.running[$0]?.live } },
            hub: hub, uptime: MediaClock.now - started, model: model.name)
    }
}

// MARK: Reload

extension Daemon {
    /// Reads the configuration file again. A file that is wrong changes nothing; streams that it leaves as they are
    /// go on without losing a frame.
    package func reload() async throws -> [ReloadOutcome] {
        guard let configPath else {
            throw DaemonError(.notPossible, "there is no configuration file to read")
        }
        let new = try DaemonConfig(file: configPath)
        return try await change { [self] in
            for stream in new.streams { try model.check(classes: stream.classes) }
            return apply(new)
        }
    }

    private func apply(_ new: DaemonConfig) -> [ReloadOutcome] {
        let old = state.withLock { $0 }
        var outcomes = Self.unchangeable(old.config, new)
        let removed = old.order.filter { name in !new.streams.contains { $0.name == name } }
        let restarted = new.streams.filter {
            Self.action(from: old.running[$0.name]?.config, to: $0) == .restarted
        }
        // All that close come first: what one lets go of, as a mount, may be another's from now on.
        close(removed + restarted.map(\.name))
        outcomes += removed.map { ReloadOutcome(stream: $0, action: .removed) }
        for stream in new.streams { outcomes.append(apply(stream, old.running[stream.name]?.config)) }
        state.withLock { state in
            state.config.streams = new.streams
            let names = new.streams.map(\.name)
            state.order.sort { (names.firstIndex(of: $0) ?? 0) < (names.firstIndex(of: $1) ?? 0) }
        }
        return outcomes
    }

    private static func action(
        from old: DaemonConfig.Stream?, to new: DaemonConfig.Stream
    ) -> ReloadOutcome.Action {
        guard var old else { return .added }
        if old == new { return .unchanged }
        old.classes = new.classes
        return old == new ? .applied : .restarted
    }

    /// Opens what is new or was closed, and exchanges classes.
    private func apply(_ new: DaemonConfig.Stream, _ old: DaemonConfig.Stream?) -> ReloadOutcome {
        let action = Self.action(from: old, to: new)
        do {
            switch action {
            case .unchanged: break
            case .applied:
                worker.replace(new.name, try model.segmenter(classes: new.classes))
                state.withLock { $0.running[new.name]?.config = new }
            default: try open(new)
            }
            return ReloadOutcome(stream: new.name, action: action)
        } catch {
            // What ran before is better than nothing.
            if action == .restarted, let old { try? open(old) }
            return ReloadOutcome(stream: new.name, action: .rejected, why: "\(error)")
        }
    }

    /// What only a restart of the daemon can change.
    private static func unchangeable(_ old: DaemonConfig, _ new: DaemonConfig) -> [ReloadOutcome] {
        var sections: [String] = []
        if old.model != new.model { sections.append("model") }
        if old.http != new.http { sections.append("http") }
        if old.controlSocket != new.controlSocket { sections.append("control") }
        if old.rtsp != new.rtsp { sections.append("rtsp") }
        if old.eventFile != new.eventFile { sections.append("events") }
        if old.logging != new.logging { sections.append("log") }
        return sections.map {
            ReloadOutcome(stream: "(\($0))", action: .rejected, why: "takes effect at the next restart")
        }
    }
}
