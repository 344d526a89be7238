// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import ServiceLifecycle
import Streaming

/// Server-sent events.
extension HTTPResources {
    private enum Item: Sendable {
        case event(LiveEvent)
        case heartbeat
    }

    /// What waits for a client that reads slowly; the oldest are lost.
    private static let maxWaiting = 256

    /// `GET /events`: events of all streams, or of `?stream=NAME`, from now on.
    func events(_ request: Request, _ context: HTTPContext) throws -> Response {
        let wanted = request.uri.queryParameters["stream"].map(String.init)
        if let wanted, control.stream(wanted) == nil {
            throw HTTPProblem(DaemonError(.noSuchStream, "there is no stream \(wanted)"))
        }
        let place = try place(.events)
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream; charset=utf-8", .accelBuffering: "no"],
            body: ResponseBody { writer in
                defer { withExtendedLifetime(place) {} }
                try await request.whileConnected { try await writeEvents(of: wanted, to: &writer) }
                try await writer.finish(nil)
            })
    }

    /// - Throws: 429 where too many clients stay already.
    func place(_ kind: HTTPCounters.ClientKind) throws -> ClientPlace {
        guard let place = counters.place(kind, of: settings.limits.clients) else {
            throw HTTPProblem(
                .tooManyRequests, "too many clients", ["expected at most \(settings.limits.clients)"],
                headers: [.retryAfter: "10"])
        }
        return place
    }

    private func writeEvents(of stream: String?, to writer: inout any ResponseBodyWriter) async throws {
        let (items, source) = AsyncStream.makeStream(
            of: Item.self, bufferingPolicy: .bufferingNewest(Self.maxWaiting))
        let events = control.events()
        try await writer.write(ByteBuffer(string: "retry: 2000\n\n"))
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await event in events where stream == nil || event.stream == stream {
                        source.yield(.event(event))
                    }
                    source.finish()
                }
                group.addTask {
                    while true {
                        try await Task.sleep(for: .seconds(settings.heartbeatSeconds))
                        source.yield(.heartbeat)
                    }
                }
                for await item in items { try await writer.write(Self.text(of: item)) }
                group.cancelAll()
            }
        } onGracefulShutdown: {
            source.finish()
        }
    }

    private static func text(of item: Item) throws -> ByteBuffer {
        switch item {
        case .heartbeat: return ByteBuffer(string: ": still here\n\n")
        case .event(let event):
            let json = String(decoding: try JSONText.encode(event), as: UTF8.self)
            return ByteBuffer(
                string: "id: \(event.sequence)\nevent: \(event.kind.rawValue)\ndata: \(json)\n\n")
        }
    }
}

extension Request {
    /// Runs until done or until the client is gone; the connection is closed after it.
    func whileConnected(_ body: () async throws -> Void) async throws {
        try await self.body.consumeWithCancellationOnInboundClose { _ in try await body() }
    }
}
