// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A live source that is opened again for ever: after errors, when nothing comes, and when it ends.
///
/// One thread of its own builds the pipeline, takes what comes, and waits between tries. Pictures and sound of one
/// camera are best two inputs, so that each comes back by itself. All times lie on `MediaClock`.
package final class LiveInput: Sendable {
    package struct Settings: Sendable {
        package var source: LiveSource
        package var tracks: Set<LiveTrack>
        /// The source is opened again when nothing came for so long.
        package var stallTimeout = MediaTime.seconds(5)
        /// And when nothing has come at all after so long.
        package var connectTimeout = MediaTime.seconds(10)
        /// Jitter buffer of network sources.
        package var latency = MediaTime.milliseconds(200)
        package var backOff = BackOff()

        package init(_ source: LiveSource, tracks: Set<LiveTrack>) {
            precondition(!tracks.isEmpty, "LiveInput: no tracks")
            (self.source, self.tracks) = (source, tracks)
        }
    }

    package struct Counters: Sendable, Equatable {
        package var connections = 0
        package var frames = 0
        package var blocks = 0
        /// Times that lay too far from the clock to be believed.
        package var discontinuities = 0
    }

    let settings: Settings
    private let name: String
    private let handlers: LiveInputHandlers
    private let state = Mutex(Counters())
    private let isStopped = CancelFlag()
    private let wake = Signal()
    private let ended = Signal()
    private let isStarted = Mutex(false)

    /// What has come for so long counts as a connection that works.
    private static let provenAfter = MediaTime.seconds(5)
    /// A source that hangs while it is closed is left behind after this.
    private static let stopTimeout = MediaTime.seconds(3)

    package init(_ settings: Settings, name: String, handlers: LiveInputHandlers) {
        (self.settings, self.name, self.handlers) = (settings, name, handlers)
    }

    package var counters: Counters { state.withLock { $0 } }

    package func start() {
        let isFirst = isStarted.withLock { isStarted in
            defer { isStarted = true }
            return !isStarted
        }
        guard isFirst else { return }
        let thread = Thread { self.work() }
        thread.start()
        thread.name = "in-\(name)"
    }

    /// Ends for good; nothing is handed out afterwards.
    package func stop() {
        isStopped.set()
        wake.signal()
        guard isStarted.withLock({ $0 }) else { return }
        if ended.wait(for: Self.stopTimeout) { ended.signal() }
    }

    // MARK: Thread

    private func work() {
        var failures = 0
        while !isStopped.isSet {
            handlers.state(.connecting(attempt: failures + 1))
            let start = MediaClock.now
            guard let error = play() else { continue }
            if isStopped.isSet { break }
            failures = MediaClock.now - start > Self.provenAfter + settings.connectTimeout ? 1 : failures + 1
            let wait = settings.backOff.wait(after: failures)
            handlers.state(.down(error, retryIn: wait))
            wake.wait(for: wait)
        }
        handlers.state(.stopped)
        ended.signal()
    }

    /// Plays the source once. Nil at the end of one that begins again.
    private func play() -> MediaError? {
        do {
            var session = try LiveSession(settings)
            state.withLock { $0.connections += 1 }
            try session.run(isStopped: { isStopped.isSet }, take)
            return settings.source.loops
                ? nil : MediaError(.pastEnd, settings.source.name, "the stream has ended")
        } catch {
            return error.about(settings.source.name)
        }
    }

    private func take(_ event: LiveSession.Event) {
        guard !isStopped.isSet else { return }
        switch event {
        case .first: handlers.state(.up)
        case .frame(let frame):
            state.withLock { $0.frames += 1 }
            handlers.video(frame)
        case .block(let block):
            state.withLock { $0.blocks += 1 }
            handlers.audio(block)
        case .discontinuity: state.withLock { $0.discontinuities += 1 }
        }
    }
}
