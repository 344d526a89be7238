// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Streaming
import Synchronization

/// Numbers all events of the process and hands them to whoever listens, and to the event file.
package final class EventHub: Sendable {
    private struct State {
        var sequence = 0
        var nextListener = 0
        var listeners: [Int: AsyncStream<LiveEvent>.Continuation] = [:]
    }

    /// What a slow listener may be behind before it loses the oldest.
    private static let buffered = 256

    private let state = Mutex(State())
    private let file: EventSink?

    package init(file: EventSink? = nil) { self.file = file }

    package func tell(_ kind: LiveEvent.Kind, stream: String, _ object: LiveObject?, _ detail: String?) {
        let now = Date().timeIntervalSince1970
        let (event, listeners) = state.withLock { state in
            state.sequence += 1
            let event = LiveEvent(
                sequence: state.sequence, kind: kind, stream: stream, time: now, object: object,
                detail: detail)
            return (event, Array(state.listeners.values))
        }
        for listener in listeners { listener.yield(event) }
        file?.put(event)
    }

    /// Events from now on.
    package func events() -> AsyncStream<LiveEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LiveEvent.self, bufferingPolicy: .bufferingNewest(Self.buffered))
        let id = state.withLock { state in
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
            return state.nextListener
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.listeners.removeValue(forKey: id) }
        }
        return stream
    }

    /// Ends all listening.
    package func close() {
        let listeners = state.withLock { state in
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
        file?.close()
    }
}
