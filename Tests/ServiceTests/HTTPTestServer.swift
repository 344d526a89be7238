// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import ServiceLifecycle

@testable import Service

/// A running HTTP interface over a stand-in.
struct HTTPTestServer: Sendable {
    let daemon: StandInDaemon
    let places: [HTTPPlace]

    var port: Int {
        places.compactMap { if case .tcp(_, let port) = $0 { port } else { nil } }.first ?? 0
    }

    /// Serves at a free port while `body` runs, then shuts down gracefully.
    static func serve(
        _ daemon: StandInDaemon = StandInDaemon("door", "yard"),
        jpeg: @escaping HTTPServer.JPEGEncoder = StandInPictures.bitmap,
        settings change: (inout HTTPSettings) -> Void = { _ in },
        _ body: @escaping @Sendable (HTTPTestServer) async throws -> Void
    ) async throws {
        var settings = HTTPSettings()
        settings.port = 0
        change(&settings)
        let (places, listening) = AsyncStream.makeStream(of: HTTPPlace.self)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = try HTTPServer(settings, control: daemon, jpeg: jpeg, logger: logger) {
            listening.yield($0)
        }
        let group = ServiceGroup(services: [server], logger: logger)
        let expected = (settings.port == nil ? 0 : 1) + (settings.socketPath == nil ? 0 : 1)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { listening.finish() }
                try await group.run()
            }
            var found: [HTTPPlace] = []
            for await place in places {
                found.append(place)
                if found.count == expected { break }
            }
            if found.count == expected {
                try await body(HTTPTestServer(daemon: daemon, places: found))
                await group.triggerGracefulShutdown()
            }
            try await tasks.waitForAll()
        }
    }

    /// Sends one request on a connection of its own.
    func ask(
        _ method: String, _ path: String, _ headers: [String: String] = [:], body: String? = nil
    ) async throws -> HTTPTestClient.Answer {
        let text = request(method, path, headers, body: body)
        let port = port
        return try await blocking {
            let client = try HTTPTestClient(port: port)
            try client.send(text)
            return try client.readAnswer(isHead: method == "HEAD")
        }
    }

    func get(_ path: String, _ headers: [String: String] = [:]) async throws -> HTTPTestClient.Answer {
        try await ask("GET", path, headers)
    }

    /// A connection on which a GET was sent and whose answer's head was read.
    func open(_ path: String) async throws -> (client: HTTPTestClient, head: HTTPTestClient.Answer) {
        let text = request("GET", path, [:])
        let port = port
        return try await blocking {
            let client = try HTTPTestClient(port: port)
            try client.send(text)
            return (client, try client.readHead())
        }
    }

    func request(_ method: String, _ path: String, _ headers: [String: String], body: String? = nil) -> String
    {
        var headers = headers
        if headers["Host"] == nil { headers["Host"] = "127.0.0.1:\(port)" }
        if let body, headers["Content-Length"] == nil { headers["Content-Length"] = "\(body.utf8.count)" }
        let lines = headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }.joined()
        return "\(method) \(path) HTTP/1.1\r\n\(lines)\r\n\(body ?? "")"
    }
}
