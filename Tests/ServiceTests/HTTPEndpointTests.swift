// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Foundation
import Streaming
import Testing

@testable import Service

@Suite("Endpoints of the HTTP interface")
struct HTTPEndpointTests {
    @Test("health and readiness answer for themselves")
    func health() async throws {
        try await HTTPTestServer.serve { server in
            let good = try await server.get("/healthz")
            #expect(good.status == 200)
            #expect(good.json == ["is_live": true, "is_ready": true, "problems": [String]()])
            server.daemon.state.withLock {
                $0.health = DaemonHealth(isReady: false, isLive: true, problems: ["the model is loading"])
            }
            #expect(try await server.get("/healthz").status == 200)
            let ready = try await server.get("/readyz")
            #expect(ready.status == 503)
            #expect(ready.json?["problems"] as? [String] == ["the model is loading"])
            server.daemon.state.withLock { $0.health.isLive = false }
            #expect(try await server.get("/healthz").status == 503)
        }
    }

    @Test("every answer forbids storing and embedding")
    func headers() async throws {
        try await HTTPTestServer.serve { server in
            for path in ["/v1/streams", "/nowhere", "/"] {
                let headers = try await server.get(path).headers
                #expect(headers["cache-control"] == "no-store")
                #expect(headers["x-content-type-options"] == "nosniff")
                #expect(headers["cross-origin-resource-policy"] == "same-origin")
                #expect(headers["referrer-policy"] == "no-referrer")
            }
        }
    }

    @Test("streams are told in the order of the daemon, with keys in snake_case")
    func streams() async throws {
        let daemon = StandInDaemon("yard", "door")
        daemon.state.withLock {
            $0.streams[1].audioLevel = -.infinity
            $0.streams[1].framesDropped = ["mediaIn": 3]
            $0.streams[1].latencySeconds95 = 0.25
        }
        try await HTTPTestServer.serve(daemon) { server in
            let answer = try await server.get("/v1/streams")
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "application/json; charset=utf-8")
            #expect(answer.list?.map { $0["name"] as? String } == ["yard", "door"])
            let door = try await server.get("/v1/streams/door").json
            #expect(door?["audio_level"] as? String == "-Infinity")
            #expect(door?["frames_dropped"] as? [String: Int] == ["mediaIn": 3])
            #expect(door?["latency_seconds95"] as? Double == 0.25)
            #expect(door?["state"] as? String == "starting")
        }
    }

    @Test("a stream that does not exist is 404 everywhere")
    func noStream() async throws {
        try await HTTPTestServer.serve { server in
            let requests = [
                ("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"),
                ("POST", "/reset-memory"),
                ("GET", "/objects"), ("GET", "/snapshot.jpg"), ("GET", "/preview.mjpg"),
            ]
            for (method, path) in requests {
                let answer = try await server.ask(method, "/v1/streams/attic" + path)
                #expect(answer.status == 404, "\(method) \(path)")
                #expect(answer.json?["error"] as? String == "no such stream")
                #expect(answer.detail == ["there is no stream attic"])
            }
            #expect(try await server.get("/events?stream=attic").status == 404)
            let classes = try await server.ask("PUT", "/v1/streams/attic/classes", body: "[\"dog\"]")
            #expect(classes.status == 404)
            let record = try await server.ask("POST", "/v1/streams/attic/record", body: "{\"seconds\": 1}")
            #expect(record.status == 404)
        }
    }

    @Test("a stream is added, found under its encoded name, and removed")
    func addAndRemove() async throws {
        try await HTTPTestServer.serve { server in
            let added = try await server.ask("POST", "/v1/streams", body: "name: back/yärd")
            #expect(added.status == 201)
            #expect(added.headers["location"] == "/v1/streams/back%2Fy%C3%A4rd")
            #expect(added.json?["name"] as? String == "back/yärd")
            let path = try #require(added.headers["location"])
            #expect(try await server.get(path).status == 200)
            let removed = try await server.ask("DELETE", path)
            #expect(removed.status == 204)
            #expect(removed.body.isEmpty)
            #expect(try await server.get(path).status == 404)
            #expect(server.daemon.calls == ["add name: back/yärd", "remove back/yärd"])
        }
    }

    @Test("a stream is paused, resumed, and made to forget")
    func control() async throws {
        try await HTTPTestServer.serve { server in
            let paused = try await server.ask("POST", "/v1/streams/door/pause")
            #expect(paused.status == 200)
            #expect(paused.json?["state"] as? String == "paused")
            let resumed = try await server.ask("POST", "/v1/streams/door/resume")
            #expect(resumed.json?["state"] as? String == "running")
            #expect(try await server.ask("POST", "/v1/streams/door/reset-memory").status == 200)
            #expect(server.daemon.calls == ["pause door", "resume door", "reset door"])
        }
    }

    @Test("classes are a list of names")
    func classes() async throws {
        try await HTTPTestServer.serve { server in
            let path = "/v1/streams/door/classes"
            let answer = try await server.ask("PUT", path, body: "[\"dog\", \"bell\"]")
            #expect(answer.status == 200)
            #expect(answer.json?["classes"] as? [String] == ["dog", "bell"])
            #expect(try await server.ask("PUT", path, body: "[\"dog\"").status == 400)
            #expect(try await server.ask("PUT", path).status == 400)
            for other in ["{\"dog\": 1}", "[1]", "\"dog\"", "[null]"] {
                let answer = try await server.ask("PUT", path, body: other)
                #expect(answer.status == 422, "\(other)")
                #expect(answer.detail == [#"expected ["dog", "violin"]"#])
            }
            #expect(server.daemon.calls == ["classes dog+bell door"])
        }
    }

    @Test("a recording has a length within bounds")
    func record() async throws {
        try await HTTPTestServer.serve { server in
            let path = "/v1/streams/door/record"
            let answer = try await server.ask("POST", path, body: "{\"seconds\": 2.5}")
            #expect(answer.status == 202)
            #expect(answer.json?["is_recording"] as? Bool == true)
            for other in [
                "{}", "{\"seconds\": \"2\"}", "{\"seconds\": 0}", "{\"seconds\": -1}", "{\"seconds\": 1e9}",
                "{\"seconds\": 1, \"minutes\": 2}", "[]",
            ] {
                #expect(try await server.ask("POST", path, body: other).status == 422, "\(other)")
            }
            #expect(try await server.ask("POST", path, body: "ten").status == 400)
            #expect(server.daemon.calls == ["record 2.5 door"])
        }
    }

    @Test("objects are told with where they are")
    func objects() async throws {
        let daemon = StandInDaemon("door")
        let bell = LiveObject(
            id: 7, class: "bell", state: .sounding, score: 0.5, box: [1, 2, 3, 4], area: 12, ageSeconds: 2,
            evidenceAgeSeconds: 1)
        daemon.state.withLock { $0.streams[0].objects = [bell] }
        try await HTTPTestServer.serve(daemon) { server in
            let objects = try await server.get("/v1/streams/door/objects").list
            #expect(
                objects == [
                    [
                        "id": 7, "class": "bell", "state": "sounding", "score": 0.5, "box": [1, 2, 3, 4],
                        "area": 12, "age_seconds": 2, "evidence_age_seconds": 1,
                    ]
                ])
        }
    }

    @Test("a reload tells what became of each stream, or every line that is wrong")
    func reload() async throws {
        try await HTTPTestServer.serve { server in
            let good = try await server.ask("POST", "/v1/reload")
            #expect(good.status == 200)
            #expect(
                good.list == [
                    ["stream": "door", "action": "applied"],
                    ["stream": "yard", "action": "rejected", "why": "no such file"],
                ])
            let problems = [
                ConfigurationError.Problem(line: 3, key: "http.port", expected: "a number", found: "\"x\""),
                ConfigurationError.Problem(line: 9, expected: "a name", found: "nothing"),
            ]
            let error = ConfigurationError(file: "tavisd.yaml", problems: problems)
            server.daemon.state.withLock { $0.failure = error }
            let bad = try await server.ask("POST", "/v1/reload")
            #expect(bad.status == 422)
            #expect(bad.detail == error.lines)
            #expect(bad.detail.first == "tavisd.yaml:3: http.port: expected a number, found \"x\"")
        }
    }

    @Test("what the daemon refuses has its status code")
    func refusals() async throws {
        try await HTTPTestServer.serve { server in
            let codes: [(DaemonError.Code, Int)] = [
                (.noSuchStream, 404), (.alreadyExists, 409), (.notPossible, 409), (.busy, 503),
            ]
            for (code, status) in codes {
                server.daemon.state.withLock { $0.failure = DaemonError(code, "because") }
                let answer = try await server.ask("POST", "/v1/streams", body: "name: door")
                #expect(answer.status == status)
                #expect(answer.detail == ["because"])
                #expect(answer.headers["retry-after"] == (status == 503 ? "1" : nil))
            }
            struct Secret: Error { var password = "hunter2" }
            server.daemon.state.withLock { $0.failure = Secret() }
            let unforeseen = try await server.ask("POST", "/v1/reload")
            #expect(unforeseen.status == 500)
            #expect(unforeseen.json == ["error": "internal error", "detail": [String]()])
        }
    }

    @Test("unknown paths are 404, other methods 405 with those there are, unknown methods never a success")
    func pathsAndMethods() async throws {
        try await HTTPTestServer.serve { server in
            #expect(try await server.get("/v1/nothing").json?["error"] as? String == "no such path")
            let answer = try await server.ask("DELETE", "/v1/streams")
            #expect(answer.status == 405)
            #expect(answer.headers["allow"] == "GET, HEAD, POST")
            #expect(answer.json?["error"] as? String == "the method is not allowed here")
            #expect(try await server.ask("POST", "/healthz").status == 405)
            #expect(try await server.ask("GET", "/v1/reload").status == 405)
            #expect(try await server.ask("PROPFIND", "/v1/streams").status == 404)
            #expect(try await server.ask("BREW", "/v1/streams").status == 400)
            let head = try await server.ask("HEAD", "/v1/streams")
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
            #expect(server.daemon.calls.isEmpty)
        }
    }

    @Test("bodies and headers have a largest size")
    func tooLarge() async throws {
        try await HTTPTestServer.serve { server in
            let body = String(repeating: "x", count: (64 << 10) + 1)
            let answer = try await server.ask("POST", "/v1/streams", body: body)
            #expect(answer.status == 413)
            #expect(answer.json?["error"] as? String == "the body is too large")
            #expect(try await server.ask("POST", "/v1/streams", body: String(body.dropLast())).status == 201)
            let header = String(repeating: "x", count: 20 << 10)
            #expect([400, 431].contains(try await server.get("/healthz", ["X-Long": header]).status))
        }
    }

    @Test("a body that is no text, and a request that is none, are 400")
    func malformed() async throws {
        try await HTTPTestServer.serve { server in
            let port = server.port
            let status = try await blocking {
                let client = try HTTPTestClient(port: port)
                try client.send("this is no request\r\n\r\n")
                return try client.readHead().status
            }
            #expect(status == 400)
            #expect(try await server.get("/v1/streams/%ff%fe").status == 400)
            let chunked = try await blocking {
                let client = try HTTPTestClient(port: port)
                try client.send(
                    "POST /v1/streams HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
                )
                return try client.readHead().status
            }
            #expect(chunked == 400)
            let latin1 = try await blocking {
                let client = try HTTPTestClient(port: port)
                try client.send("POST /v1/streams HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
                try client.send([0xE4, 0x20])
                return try client.readAnswer()
            }
            #expect(latin1.status == 400)
            #expect(latin1.json?["error"] as? String == "the body is not UTF-8")
            #expect(server.daemon.calls.isEmpty)
        }
    }

    @Test("a connection serves one request after another")
    func keepAlive() async throws {
        try await HTTPTestServer.serve { server in
            let text = server.request("GET", "/healthz", [:])
            let port = server.port
            let statuses = try await blocking {
                let client = try HTTPTestClient(port: port)
                try client.send(text + text)
                let first = [try client.readAnswer().status, try client.readAnswer().status]
                try client.send(text)
                return first + [try client.readAnswer().status]
            }
            #expect(statuses == [200, 200, 200])
        }
    }
}
