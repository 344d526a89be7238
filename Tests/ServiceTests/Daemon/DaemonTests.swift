// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Foundation
import Logging
import Media
import Streaming
import Synchronization
import Testing

@testable import Service

/// A camera of its own kind: 20 grey frames a second for as long as it is open.
private final class StandInSource: LiveSourceHandle {
    private let stream: LiveStream
    private let isOpen = Mutex(false)
    private let count = Mutex(0)

    var sent: Int { count.withLock { $0 } }

    init(_ stream: LiveStream) { self.stream = stream }

    func start() {
        isOpen.withLock { $0 = true }
        stream.note(.video, .up)
        let thread = Thread { [self] in
            while isOpen.withLock({ $0 }) {
                stream.take(
                    VideoFrame(
                        width: 64, height: 48, pts: MediaClock.now, duration: nil,
                        pixels: [UInt8](repeating: 90, count: 64 * 48 * 3)))
                count.withLock { $0 += 1 }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
        thread.start()
    }

    func stop() {
        isOpen.withLock { $0 = false }
        if stream.settings.name.hasPrefix("slow") { Thread.sleep(forTimeInterval: 1) }
        stream.note(.video, .stopped)
    }
}

/// Streams whose name begins with "bad" can never work, "once" works until its source is opened again, and those that
/// begin with "slow" take their time to close.
private final class StandInConnector: StreamConnector {
    private let opened = Mutex<[String: [StandInSource]]>([:])

    /// All that were ever made of a stream.
    func sources(of name: String) -> [StandInSource] { opened.withLock { $0[name] ?? [] } }

    func sources(of config: DaemonConfig.Stream, for stream: LiveStream) throws -> [any LiveSourceHandle] {
        if config.name.hasPrefix("bad") || config.name == "once" && !sources(of: config.name).isEmpty {
            throw CredentialError(name: "key", detail: "there is no such credential")
        }
        let source = StandInSource(stream)
        opened.withLock { $0[config.name, default: []].append(source) }
        return [source]
    }
    func outputs(of config: DaemonConfig.Stream) throws -> [StreamOutput] { [] }
}

@Suite("The daemon", .serialized)
struct DaemonTests {
    /// A daemon on a configuration file of its own.
    private struct Running {
        let daemon: Daemon
        let connector = StandInConnector()
        let path: String

        init(_ text: String, longestChange: MediaTime = .seconds(120)) throws {
            path = NSTemporaryDirectory() + "/daemon-\(UUID().uuidString).yaml"
            try Data(text.utf8).write(to: URL(filePath: path))
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            daemon = Daemon(
                try DaemonConfig(file: path), model: try ModelHost(.init()), connector: connector,
                hub: EventHub(), configPath: path, logger: logger, longestChange: longestChange)
            try daemon.start()
        }

        func write(_ text: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

        func end() {
            daemon.stop()
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    private static func file(_ streams: String...) -> String { file(streams) }

    private static func file(_ streams: [String]) -> String {
        "streams:\n" + streams.map { "  - {video: {kind: test}, \($0)}\n" }.joined()
    }

    private func wait(_ seconds: Double = 10, until isDone: () -> Bool) async throws {
        let end = Date(timeIntervalSinceNow: seconds)
        while !isDone(), Date() < end { try await Task.sleep(for: .milliseconds(20)) }
        #expect(isDone())
    }

    @Test("streams run, are paused, removed and added; what is not there is said")
    func control() async throws {
        let running = try Running(Self.file("name: a", "name: b"))
        defer { running.end() }
        let daemon = running.daemon
        #expect(daemon.streams().map(\.name) == ["a", "b"] && daemon.health.isReady && daemon.health.isLive)
        try await wait { (daemon.stream("a")?.framesSegmented ?? 0) > 2 }
        #expect(daemon.picture("a", overlaid: true)?.width == 64)
        try await daemon.setPaused(true, "a")
        #expect(daemon.stream("a")?.state == .paused)
        try await daemon.setPaused(false, "a")
        try await wait { daemon.stream("a")?.video.isUp == true && daemon.stream("a")?.state == .running }
        try await daemon.remove("b")
        #expect(daemon.streams().map(\.name) == ["a"])
        let added = try await daemon.add("{\"name\": \"c\", \"video\": {\"kind\": \"test\"}}")
        #expect(added.name == "c" && daemon.streams().map(\.name) == ["a", "c"])
        await #expect(throws: DaemonError(.alreadyExists, "there is a stream c already")) {
            try await daemon.add("{name: c, video: {kind: test}}")
        }
        await #expect(throws: DaemonError(.noSuchStream, "there is no stream z")) {
            try await daemon.remove("z")
        }
        await #expect(throws: ConfigurationError.self) { try await daemon.add("{name: d}") }
        await #expect(throws: CredentialError.self) {
            try await daemon.add("{name: bad, video: {kind: test}}")
        }
        #expect(daemon.stream("bad") == nil)
    }

    @Test("what cannot be resumed stays paused")
    func unresumed() async throws {
        let running = try Running(Self.file("name: once"))
        defer { running.end() }
        let daemon = running.daemon
        try await daemon.setPaused(true, "once")
        await #expect(throws: CredentialError.self) { try await daemon.setPaused(false, "once") }
        #expect(daemon.stream("once")?.state == .paused)
    }

    @Test(
        "streams that are slow to close are closed at once, and one that takes too long is told of"
    )
    func slow() async throws {
        let names = (0..<12).map { "name: slow\($0)" }
        let running = try Running(Self.file(names), longestChange: .milliseconds(200))
        defer { running.end() }
        let daemon = running.daemon
        async let removal: Void = daemon.remove("slow11")
        try await wait { daemon.health.problems == ["a change of streams hangs"] }
        try await removal
        #expect(daemon.health.isLive)
        // One after the other they would take eleven seconds each time.
        try running.write(Self.file(names.dropLast().map { "\($0), audio_hop: 0.5" }))
        var start = MediaClock.now
        let outcomes = try await daemon.reload()
        let restarted = (MediaClock.now - start).seconds
        #expect(outcomes.count == 11 && outcomes.allSatisfy { $0.action == .restarted })
        #expect(daemon.streams().map(\.name) == (0..<11).map { "slow\($0)" })
        start = MediaClock.now
        daemon.stop()
        let stopped = (MediaClock.now - start).seconds
        print("eleven slow streams restarted in \(restarted) s, closed in \(stopped) s")
        #expect(restarted < 6 && stopped < 6 && daemon.streams().isEmpty)
    }

    @Test("a reload says what it did to each stream, and leaves the others alone")
    func reload() async throws {
        let running = try Running(Self.file("name: same", "name: hop", "name: gone", "name: words"))
        defer { running.end() }
        let daemon = running.daemon
        try await wait { (daemon.stream("same")?.video.received ?? 0) > 5 }
        try running.write(
            Self.file(
                "name: new", "name: same", "name: hop, audio_hop: 0.5", "name: words, classes: [bell, dog]")
                + "http: {port: 1}\n")
        let outcomes = try await daemon.reload()
        let actions = Dictionary(uniqueKeysWithValues: outcomes.map { ($0.stream, $0.action) })
        #expect(
            actions == [
                "same": .unchanged, "hop": .restarted, "gone": .removed, "new": .added, "words": .applied,
                "(http)": .rejected,
            ])
        #expect(daemon.streams().map(\.name) == ["new", "same", "hop", "words"])
        try await wait { daemon.stream("words")?.classes == ["bell", "dog"] }
        // The stream that stayed as it was was never opened again, and lost nothing.
        let sources = running.connector.sources(of: "same")
        #expect(sources.count == 1)
        let sent = sources[0].sent
        try await wait { (daemon.stream("same")?.video.received ?? 0) >= sent }
        let status = try #require(daemon.stream("same"))
        #expect(status.video.received - sources[0].sent <= 1)
        #expect(status.framesDropped["late"] == 0 && status.framesDropped["output_behind"] == 0)
    }

    @Test("a wrong file changes nothing; a stream that cannot be opened leaves the others running")
    func badReload() async throws {
        let running = try Running(Self.file("name: a", "name: b"))
        defer { running.end() }
        let daemon = running.daemon
        try running.write("streams: [{name: a}]\nhttp: {port: x}")
        let error = await #expect(throws: ConfigurationError.self) { try await daemon.reload() }
        #expect(error?.lines.count == 2)
        #expect(daemon.streams().map(\.name) == ["a", "b"])
        try running.write(Self.file("name: a", "name: b", "name: bad"))
        let outcomes = try await daemon.reload()
        #expect(outcomes.map(\.action) == [.unchanged, .unchanged, .rejected])
        #expect(outcomes.last?.why == "credential key: there is no such credential")
        #expect(daemon.streams().map(\.name) == ["a", "b"])
    }

    @Test("events are numbered for all listeners, and metrics name what they count")
    func eventsAndMetrics() async throws {
        let running = try Running(Self.file("name: a"))
        let daemon = running.daemon
        let events = daemon.events()
        try await daemon.setPaused(true, "a")
        var iterator = events.makeAsyncIterator()
        let event = try #require(await iterator.next())
        #expect(event.stream == "a" && event.sequence > 0 && event.version == 1)
        let metrics = daemon.metrics
        let names = metrics.map(\.name)
        for name in [
            "tavis_frames_received_total", "tavis_source_up", "tavis_latency_seconds", "tavis_build_info",
            "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
            "process_threads",
        ] {
            #expect(names.contains(name))
        }
        #expect(Set(names).count == names.count)
        let stages = metrics.first { $0.name == "tavis_stage_seconds" }?.samples ?? []
        let named = Set(stages.flatMap(\.labels).filter { $0.name == "stage" }.map(\.value))
        #expect(named == ["receive", "hear", "segment", "overlay"])
        for family in metrics { #expect(family.kind != .counter || family.name.hasSuffix("_total")) }
        running.end()
        while await iterator.next() != nil {}
    }
}

@Suite("Events as JSON Lines")
struct EventSinkTests {
    private func event(_ number: Int) -> LiveEvent {
        LiveEvent(
            sequence: number, kind: .start, stream: "a", time: 1.5,
            object: LiveObject(
                id: 1, class: "bell", state: .sounding, score: 0.5, box: [1, 2, 3, 4], area: 9, ageSeconds: 0,
                evidenceAgeSeconds: 0))
    }

    private func wait(until holds: () -> Bool) {
        let end = MediaClock.now + .seconds(10)
        while !holds(), MediaClock.now < end { Thread.sleep(forTimeInterval: 0.01) }
        #expect(holds())
    }

    @Test("lines are whole, versioned, and follow a file that was moved away")
    func file() throws {
        let path = NSTemporaryDirectory() + "/events-\(UUID().uuidString).jsonl"
        defer { for name in [path, path + ".1"] { try? FileManager.default.removeItem(atPath: name) } }
        let sink = try EventSink(path: path)
        sink.put(event(1))
        wait { sink.written == 1 }
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        sink.put(event(2))
        sink.close()
        let lines = try [path + ".1", path].map { try String(contentsOfFile: $0, encoding: .utf8) }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let decoded = try lines.map { try decoder.decode(LiveEvent.self, from: Data($0.utf8)) }
        #expect(decoded == [event(1), event(2)])
        #expect(lines[0].hasSuffix("\n") && lines[0].contains("\"evidence_age_seconds\":0"))
    }

    @Test("a pipe that nobody reads costs events, which are counted, but never waits")
    func pipe() throws {
        let path = NSTemporaryDirectory() + "/pipe-\(UUID().uuidString)"
        #expect(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        let sink = try EventSink(path: path)
        let start = MediaClock.now
        for number in 0..<3000 { sink.put(event(number)) }
        #expect(MediaClock.now - start < .seconds(2))
        sink.close()
        #expect(sink.dropped > 0 && sink.written > 100 && sink.dropped + sink.written == 3000)
    }

    @Test("a line that is not whole, of a full pipe or of a power cut, spoils no other")
    func torn() throws {
        let path = NSTemporaryDirectory() + "/torn-\(UUID().uuidString)"
        defer { unlink(path) }
        #expect(mkfifo(path, 0o600) == 0)
        // It holds 64 KiB; longer lines than that are written in part.
        let reader = open(path, O_RDWR | O_NONBLOCK)
        var sink = try EventSink(path: path)
        var long = event(1)
        long.detail = String(repeating: "x", count: 70_000)
        sink.put(long)
        wait { sink.dropped == 1 }
        #expect(sink.problem?.contains("took 65536 of a line's") == true)
        var bytes = [UInt8](repeating: 0, count: 100_000)
        #expect(read(reader, &bytes, bytes.count) == 65536)
        for number in 2...3 { sink.put(event(number)) }
        sink.close()
        let count = read(reader, &bytes, bytes.count)
        close(reader)
        let whole = try EventSink.line(event(2)) + EventSink.line(event(3))
        #expect(Data(bytes.prefix(max(0, count))) == Data("\n".utf8) + whole && sink.problem == nil)

        unlink(path)
        try Data("{\"vers".utf8).write(to: URL(filePath: path))
        sink = try EventSink(path: path)
        for number in 2...3 { sink.put(event(number)) }
        sink.close()
        #expect(try Data(contentsOf: URL(filePath: path)) == Data("{\"vers\n".utf8) + whole)
    }

    @Test("where nothing can be written, the path is named")
    func unwritable() {
        let error = #expect(throws: StreamError.self) { try EventSink(path: "/nonexistent/events") }
        #expect(error?.description.hasPrefix("/nonexistent/events: cannot be written") == true)
    }
}
