// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Foundation
import Media
import Streaming
import Synchronization

@testable import Service

/// A daemon without streams behind it: does what it is told and remembers it.
final class StandInDaemon: DaemonControl {
    struct State {
        var streams: [StreamStatus] = []
        var health = DaemonHealth(isReady: true, isLive: true, problems: [])
        var metrics: [MetricFamily] = []
        /// What was asked for, in order.
        var calls: [String] = []
        /// Thrown by the next call that changes something.
        var failure: (any Error & Sendable)?
        var pictures: [String: VideoFrame] = [:]
        /// How often a picture was drawn on.
        var drawn = 0
        var listeners: [Int: AsyncStream<LiveEvent>.Continuation] = [:]
        var sequence = 0
        /// What a reload takes.
        var delay = Duration.zero
    }

    let state = Mutex(State())

    init(_ names: String...) {
        state.withLock { $0.streams = names.map { StreamStatus(name: $0) } }
    }

    var calls: [String] { state.withLock(\.calls) }

    // MARK: DaemonControl

    func streams() -> [StreamStatus] { state.withLock(\.streams) }
    func stream(_ name: String) -> StreamStatus? { streams().first { $0.name == name } }

    func add(_ text: String) async throws -> StreamStatus {
        try note("add \(text)")
        let status = StreamStatus(name: String(text.split(separator: " ").last ?? ""))
        state.withLock { $0.streams.append(status) }
        return status
    }

    func remove(_ name: String) async throws {
        try change("remove", name) { _ in }
        state.withLock { $0.streams.removeAll { $0.name == name } }
    }

    func setPaused(_ isPaused: Bool, _ name: String) async throws {
        try change(isPaused ? "pause" : "resume", name) { $0.state = isPaused ? .paused : .running }
    }

    func resetMemory(_ name: String) async throws { try change("reset", name) { $0.objects = [] } }

    func setClasses(_ classes: [String], _ name: String) async throws {
        try change("classes \(classes.joined(separator: "+"))", name) { $0.classes = classes }
    }

    func record(_ name: String, seconds: Double) async throws {
        try change("record \(seconds)", name) { $0.isRecording = true }
    }

    func reload() async throws -> [ReloadOutcome] {
        try note("reload")
        try await Task.sleep(for: state.withLock(\.delay))
        return [
            ReloadOutcome(stream: "door", action: .applied),
            ReloadOutcome(stream: "yard", action: .rejected, why: "no such file"),
        ]
    }

    func picture(_ name: String, overlaid: Bool) -> VideoFrame? {
        state.withLock { state in
            var picture = state.pictures[name]
            if overlaid {
                // What is drawn makes the first pixel lighter.
                picture?.pixels[0] &+= 100
                state.drawn += 1
            }
            return picture
        }
    }

    func events() -> AsyncStream<LiveEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LiveEvent.self, bufferingPolicy: .bufferingNewest(64))
        let number = state.withLock {
            $0.sequence += 1
            $0.listeners[$0.sequence] = continuation
            return $0.sequence
        }
        continuation.onTermination = { _ in self.state.withLock { $0.listeners[number] = nil } }
        return stream
    }

    var metrics: [MetricFamily] { state.withLock(\.metrics) }
    var health: DaemonHealth { state.withLock(\.health) }

    // MARK: Stand-in's own

    func send(_ event: LiveEvent) {
        // Yielding may end a listener, which takes the lock.
        for listener in state.withLock({ Array($0.listeners.values) }) { listener.yield(event) }
    }

    var listenerCount: Int { state.withLock(\.listeners.count) }

    private func note(_ call: String) throws {
        try state.withLock { state in
            state.calls.append(call)
            defer { state.failure = nil }
            if let failure = state.failure { throw failure }
        }
    }

    private func change(_ call: String, _ name: String, _ body: (inout StreamStatus) -> Void) throws {
        try note("\(call) \(name)")
        try state.withLock { state in
            guard let index = state.streams.firstIndex(where: { $0.name == name }) else {
                throw DaemonError(.noSuchStream, "there is no stream \(name)")
            }
            body(&state.streams[index])
        }
    }
}

/// Pictures for tests, and an encoder that needs no library.
enum StandInPictures {
    /// One grey all over.
    static func plain(_ value: UInt8, pts: Int64 = 0, width: Int = 8, height: Int = 4) -> VideoFrame {
        VideoFrame(
            width: width, height: height, pts: .milliseconds(pts), duration: nil,
            pixels: [UInt8](repeating: value, count: width * height * 3))
    }

    /// A Windows bitmap, which browsers show wherever they expect a JPEG; wide pictures lose columns and rows.
    static func bitmap(_ frame: VideoFrame, _ maxWidth: Int?) -> [UInt8] {
        let step = maxWidth.map { max(1, (frame.width + $0 - 1) / $0) } ?? 1
        let (width, height) = (frame.width / step, frame.height / step)
        let rowBytes = (width * 3 + 3) / 4 * 4
        var bytes = Array("BM".utf8)
        func append(_ values: Int...) {
            for value in values { withUnsafeBytes(of: UInt32(truncatingIfNeeded: value)) { bytes += $0 } }
        }
        append(54 + rowBytes * height, 0, 54, 40, width, -height, 1 | 24 << 16, 0, rowBytes * height)
        append(2835, 2835, 0, 0)
        for y in 0..<height {
            var row = [UInt8](repeating: 0, count: rowBytes)
            for x in 0..<width {
                let from = (y * step * frame.width + x * step) * 3
                for channel in 0..<3 { row[x * 3 + channel] = frame.pixels[from + 2 - channel] }
            }
            bytes += row
        }
        return bytes
    }
}
