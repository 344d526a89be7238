// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Testing

@testable import Service

@Suite("Connections of the HTTP interface")
struct HTTPConnectionTests {
    @Test("who asks for nothing, or does not finish asking, is cut off")
    func idle() async throws {
        try await HTTPTestServer.serve(settings: { $0.limits.idleSeconds = 0.2 }) { server in
            let port = server.port
            let beginnings = [
                "", "GET /healthz HT", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
                "POST /v1/streams HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nname",
            ]
            for beginning in beginnings {
                let start = ContinuousClock.now
                let rest = try await blocking {
                    let client = try HTTPTestClient(port: port)
                    try client.send(beginning)
                    return try client.readToEnd()
                }
                #expect(!rest.starts(with: Array("HTTP/1.1 2".utf8)))
                #expect(ContinuousClock.now - start < .seconds(5), "\(beginning)")
            }
            #expect(server.daemon.calls.isEmpty)
        }
    }

    @Test("who waits for an answer is not idle; a client that has waited long enough says how long")
    func patience() async throws {
        let daemon = StandInDaemon()
        daemon.state.withLock { $0.delay = .seconds(2) }
        try await HTTPTestServer.serve(daemon, settings: { $0.limits.idleSeconds = 0.2 }) { server in
            let port = server.port
            let answer = try await blocking {
                try ControlClient(.loopback(port: port)).send("POST", "/v1/reload")
            }
            #expect(answer.status == 200)
            let error = await #expect(throws: ControlError.self) {
                try await blocking {
                    try ControlClient(.loopback(port: port), timeoutSeconds: 1).send("POST", "/v1/reload")
                }
            }
            #expect(error?.detail == "127.0.0.1:\(port): no answer within 1 s")
        }
    }

    @Test("a connection too many waits until another is closed")
    func limit() async throws {
        try await HTTPTestServer.serve(settings: { $0.limits.connections = 2 }) { server in
            let port = server.port
            let request = server.request("GET", "/healthz", [:])
            let connect: @Sendable () throws -> HTTPTestClient = {
                let client = try HTTPTestClient(port: port)
                try client.send(request)
                return client
            }
            var served: [HTTPTestClient] = []
            for _ in 0..<2 {
                let client = try await blocking(connect)
                #expect(try await blocking { try client.readAnswer().status } == 200)
                served.append(client)
            }
            let waiting = try await blocking(connect)
            #expect(try await blocking { !waiting.hasSomething(within: 0.3) })
            served.removeFirst()
            #expect(try await blocking { try waiting.readAnswer().status } == 200)
            withExtendedLifetime(served) {}
        }
    }

    @Test("a client that does not read holds up no shutdown")
    func shutdown() async throws {
        let daemon = StandInDaemon("door")
        daemon.state.withLock { $0.pictures["door"] = StandInPictures.plain(1) }
        let large: HTTPServer.JPEGEncoder = { _, _ in [UInt8](repeating: 7, count: 32 << 20) }
        let change: @Sendable (inout HTTPSettings) -> Void = { $0.limits.graceSeconds = 0.2 }
        let start = ContinuousClock.now
        try await HTTPTestServer.serve(daemon, jpeg: large, settings: change) { server in
            let (preview, _) = try await server.open("/v1/streams/door/preview.mjpg")
            let (snapshot, _) = try await server.open("/v1/streams/door/snapshot.jpg")
            Self.keepOpen([preview, snapshot], for: 20)
        }
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("cancelling its task ends it as well")
    func cancelling() async throws {
        let daemon = StandInDaemon("door")
        daemon.state.withLock { $0.pictures["door"] = StandInPictures.plain(1) }
        let (places, listening) = AsyncStream.makeStream(of: HTTPPlace.self)
        let large: HTTPServer.JPEGEncoder = { _, _ in [UInt8](repeating: 7, count: 32 << 20) }
        var settings = HTTPSettings()
        settings.port = 0
        let server = try HTTPServer(
            settings, control: daemon, jpeg: large,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onListening: { listening.yield($0) })
        let running = Task { try await server.run() }
        let place = try #require(await places.first { _ in true })
        let there = HTTPTestServer(daemon: daemon, places: [place])
        let clients = [
            try await there.open("/events").client,
            try await there.open("/v1/streams/door/preview.mjpg").client,
        ]
        let start = ContinuousClock.now
        running.cancel()
        _ = await running.result
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(throws: (any Error).self) { try HTTPTestClient(port: there.port) }
        Self.keepOpen(clients, for: 20)
    }

    /// Clients close when they are let go of; these shall outlive the server.
    private static func keepOpen(_ clients: [HTTPTestClient], for seconds: Double) {
        DispatchQueue.global().asyncAfter(deadline: .now() + seconds) { withExtendedLifetime(clients) {} }
    }
}
