// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streaming
import Testing

@testable import Service

@Suite("Server-sent events")
struct HTTPEventTests {
    private func event(_ sequence: Int, _ stream: String, _ detail: String? = nil) -> LiveEvent {
        LiveEvent(sequence: sequence, kind: .stream, stream: stream, time: 12.5, detail: detail)
    }

    @Test("an event has its number, kind and data on one line")
    func form() async throws {
        try await HTTPTestServer.serve { server in
            let (client, head) = try await server.open("/events")
            #expect(head.status == 200)
            #expect(head.headers["content-type"] == "text/event-stream; charset=utf-8")
            let text = try await blocking { () -> String in
                _ = try client.read(to: "retry: 2000\n\n")
                server.daemon.send(event(41, "door", "two\nlines"))
                return try client.read(to: "}\n\n")
            }
            let json =
                #"{"detail":"two\nlines","kind":"stream","sequence":41,"stream":"door","time":12.5,"version":1}"#
            #expect(text.contains("id: 41\nevent: stream\ndata: \(json)\n\n"))
        }
    }

    @Test("events of one stream alone can be had")
    func filter() async throws {
        try await HTTPTestServer.serve { server in
            let (client, _) = try await server.open("/events?stream=yard")
            let text = try await blocking { () -> String in
                _ = try client.read(to: "retry: 2000\n\n")
                server.daemon.send(event(1, "door"))
                server.daemon.send(event(2, "yard"))
                return try client.read(to: "}\n\n")
            }
            #expect(text.contains("id: 2\n"))
            #expect(!text.contains("id: 1\n"))
        }
    }

    @Test("who hears nothing gets a comment now and then")
    func heartbeat() async throws {
        try await HTTPTestServer.serve(settings: { $0.heartbeatSeconds = 0.05 }) { server in
            let (client, _) = try await server.open("/events")
            let text = try await blocking { () -> String in
                _ = try client.read(to: ": still here\n\n")
                return try client.read(to: ": still here\n\n")
            }
            #expect(text.contains(": still here\n\n"))
        }
    }

    @Test("a client that leaves is forgotten, and so are all when the daemon stops")
    func leaving() async throws {
        let daemon = StandInDaemon("door")
        try await HTTPTestServer.serve(daemon) { server in
            var (client, _): (HTTPTestClient?, _) = try await server.open("/events")
            #expect(try await eventually { daemon.listenerCount == 1 })
            #expect(try await server.get("/metrics").text.contains("tavis_http_clients{kind=\"events\"} 1\n"))
            _ = client
            client = nil
            #expect(try await eventually { daemon.listenerCount == 0 })
            #expect(
                try await eventually {
                    try await server.get("/metrics").text.contains("tavis_http_clients{kind=\"events\"} 0\n")
                })
            let (staying, _) = try await server.open("/events")
            #expect(try await eventually { daemon.listenerCount == 1 })
            Task { try await blocking { try staying.readToEnd() } }
        }
        #expect(daemon.listenerCount == 0)
    }

    @Test("a place too many is 429, and free again when somebody leaves")
    func limit() async throws {
        try await HTTPTestServer.serve(settings: { $0.limits.clients = 2 }) { server in
            let (first, _) = try await server.open("/events")
            var (second, _): (HTTPTestClient?, _) = try await server.open("/events")
            let third = try await server.get("/events")
            #expect(third.status == 429)
            #expect(third.headers["retry-after"] == "10")
            #expect(third.detail == ["expected at most 2"])
            #expect(try await server.get("/v1/streams").status == 200)
            #expect(try await server.get("/v1/streams/door/preview.mjpg").status == 429)
            _ = second
            second = nil
            #expect(try await eventually { try await server.open("/events").head.status == 200 })
            let metrics = try await server.get("/metrics").text
            #expect(!metrics.contains("tavis_http_refused_total{reason=\"clients\"} 0\n"))
            withExtendedLifetime(first) {}
        }
    }

    @Test("a hundred clients that only listen leave requests quick")
    func manyClients() async throws {
        let daemon = StandInDaemon("door", "yard")
        daemon.state.withLock {
            $0.pictures["door"] = StandInPictures.plain(9, width: 640, height: 360)
        }
        try await HTTPTestServer.serve(daemon) { server in
            var clients: [HTTPTestClient] = []
            for _ in 0..<50 {
                clients.append(try await server.open("/events").client)
                clients.append(try await server.open("/v1/streams/door/preview.mjpg").client)
            }
            let start = ContinuousClock.now
            for _ in 0..<50 { #expect(try await server.get("/v1/streams").status == 200) }
            let each = (ContinuousClock.now - start) / 50
            #expect(each < .milliseconds(100), "each took \(each)")
            let metrics = try await server.get("/metrics").text
            #expect(metrics.contains("tavis_http_clients{kind=\"events\"} 50\n"))
            #expect(metrics.contains("tavis_http_clients{kind=\"preview\"} 50\n"))
            #expect(metrics.contains("tavis_http_connections 101\n"))
            withExtendedLifetime(clients) {}
        }
    }
}
