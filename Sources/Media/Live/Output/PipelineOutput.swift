// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// An output with a pipeline and a thread of its own: files, HLS, a device, a window.
///
/// It is opened with the first picture, and again after errors, for ever, and when the pictures' size changes. What its
/// pipeline has no time for is dropped here.
package final class PipelineOutput: LiveOutput {
    fileprivate enum Item: Sendable {
        case frame(VideoFrame)
        case block(AudioBlock)
    }

    fileprivate struct Waiting: Sendable {
        var items: [Item] = []
        var frames = 0
        var blocks = 0
        var isClosed = false
    }

    private let kind: LiveOutputKind
    private let stream: String
    private let hasAudio: Bool
    private let bitrate: Int
    private let waiting = Monitor(Waiting())
    private let ended = Signal()
    private let told: Mutex<LiveOutputStatus>

    fileprivate static let queuedFrames = 8
    /// About two seconds.
    fileprivate static let queuedBlocks = 200
    private static let budgetInterval = MediaTime.seconds(5)
    private static let stopTimeout = MediaTime.seconds(8)
    private static let tick = MediaTime.milliseconds(500)
    /// What went wrong is over when it went well for so long: a full disk takes a few pictures again and again.
    private static let wellAfter = MediaTime.seconds(2)

    package init(_ kind: LiveOutputKind, stream: String, hasAudio: Bool, bitrate: Int) {
        (self.kind, self.stream, self.hasAudio, self.bitrate) = (kind, stream, hasAudio, bitrate)
        told = Mutex(LiveOutputStatus(name: kind.name))
        let thread = Thread { self.work() }
        thread.start()
        thread.name = "out-\(stream)"
    }

    package var status: LiveOutputStatus { told.withLock { $0 } }

    package func take(_ frame: VideoFrame) { put(.frame(frame)) }
    package func take(_ block: AudioBlock) { if hasAudio, kind.takesSound { put(.block(block)) } }

    package func stop() {
        let isFirst = waiting.change { waiting in
            defer { waiting.isClosed = true }
            return !waiting.isClosed
        }
        if isFirst { ended.wait(for: Self.stopTimeout) }
    }

    private func put(_ item: Item) {
        let dropped = waiting.change { waiting -> Item? in
            guard !waiting.isClosed else { return nil }
            waiting.items.append(item)
            waiting.count(item, 1)
            return waiting.tooMuch()
        }
        if let dropped { count(dropped: dropped) }
    }

    private func count(dropped item: Item) {
        told.withLock { if case .frame = item { $0.framesDropped += 1 } else { $0.audioDropped += 1 } }
    }

    // MARK: Thread

    private func work() {
        var session: OutputSession?
        var failures = 0
        var retryAt: MediaTime?
        var openSince: MediaTime?
        var budgetAt = MediaClock.now
        while true {
            let (item, isClosed) = next()
            if isClosed { break }
            if MediaClock.now >= budgetAt {
                budget?.enforce()
                budgetAt = MediaClock.now + Self.budgetInterval
            }
            guard let item else { continue }
            if let time = retryAt, MediaClock.now < time {
                count(dropped: item)
                continue
            }
            do {
                try handle(item, &session)
                openSince = session == nil ? nil : openSince ?? MediaClock.now
                if failures > 0, let openSince, MediaClock.now > openSince + Self.wellAfter {
                    (failures, retryAt) = (0, nil)
                    told.withLock { $0.problem = nil }
                }
            } catch {
                (session, openSince) = (nil, nil)
                failures += 1
                count(dropped: item)
                retryAt = MediaClock.now + BackOff().wait(after: failures)
                told.withLock { ($0.problem, $0.restarts) = (error.description, $0.restarts + 1) }
            }
        }
        session?.close()
        ended.signal()
    }

    /// No item where none came for a while.
    private func next() -> (Item?, isClosed: Bool) {
        waiting.wait(for: Self.tick) { waiting -> (Item?, isClosed: Bool)? in
            if waiting.isClosed { return (nil, true) }
            guard !waiting.items.isEmpty else { return nil }
            let item = waiting.items.removeFirst()
            waiting.count(item, -1)
            return (item, false)
        } ?? (nil, false)
    }

    private func handle(_ item: Item, _ session: inout OutputSession?) throws(MediaError) {
        switch item {
        case .frame(let frame):
            if let open = session, open.size != frame.codedSize {
                open.close()
                session = nil
                told.withLock { $0.restarts += 1 }
            }
            if session == nil { session = try opened(with: frame) }
            try session?.push(frame)
            told.withLock { $0.framesWritten += 1 }
        case .block(let block):
            guard let session else { return }
            if try !session.push(block) { told.withLock { $0.audioDropped += 1 } }
        }
    }

    private func opened(with frame: VideoFrame) throws(MediaError) -> OutputSession {
        budget?.removeEmpty()
        budget?.enforce()
        return try OutputSession(kind, stream: stream, hasAudio: hasAudio, bitrate: bitrate, first: frame)
    }

    private var budget: FileBudget? {
        guard case .files(let folder, _, _, _, let bytes) = kind else { return nil }
        return FileBudget(folder: folder, stream: stream, bytes: bytes)
    }
}

extension PipelineOutput.Waiting {
    fileprivate mutating func count(_ item: PipelineOutput.Item, _ change: Int) {
        if case .frame = item { frames += change } else { blocks += change }
    }

    /// Takes out the oldest of a kind of which there is too much.
    fileprivate mutating func tooMuch() -> PipelineOutput.Item? {
        let isFrame = frames > PipelineOutput.queuedFrames
        guard isFrame || blocks > PipelineOutput.queuedBlocks else { return nil }
        let oldest = items.firstIndex { if case .frame = $0 { isFrame } else { !isFrame } }
        guard let oldest else { return nil }
        let item = items.remove(at: oldest)
        count(item, -1)
        return item
    }
}
