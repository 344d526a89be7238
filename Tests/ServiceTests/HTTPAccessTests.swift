// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Logging
import Testing

@testable import Service

@Suite("Who may use the HTTP interface")
struct HTTPAccessTests {
    private static let token = "correct-horse"

    private func failure(_ change: (inout HTTPSettings) -> Void) -> HTTPSettingsError.Code? {
        var settings = HTTPSettings()
        change(&settings)
        do {
            _ = try HTTPServer(
                settings, control: StandInDaemon(), jpeg: StandInPictures.bitmap,
                logger: Logger(label: "test"))
            return nil
        } catch { return error.code }
    }

    @Test(
        "an address that others reach needs a token",
        arguments: ["0.0.0.0", "::", "192.168.1.2", "example.org", "127.evil.example", "127.0.0.1.example"])
    func tokenRequired(address: String) {
        #expect(failure { $0.address = address } == .tokenRequired)
        #expect(
            failure {
                $0.address = address
                $0.token = Self.token
            } == nil)
    }

    @Test("addresses of this machine need none", arguments: ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
    func loopback(address: String) { #expect(failure { $0.address = address } == nil) }

    @Test("settings that cannot work are refused by name")
    func badSettings() {
        #expect(failure { $0.port = nil } == .nowhere)
        #expect(failure { $0.port = 65536 } == .badPort)
        #expect(failure { $0.token = "" } == .badToken)
        #expect(failure { $0.token = "short" } == .badToken)
        #expect(failure { $0.token = "two words here" } == .badToken)
        #expect(failure { $0.token = "zähneputzen" } == .badToken)
        #expect(failure { $0.limits.connections = 0 } == .badLimit)
        #expect(failure { $0.heartbeatSeconds = .nan } == .badLimit)
        #expect(failure { $0.socketPath = "relative/socket" } == .badSocketPath)
        #expect(failure { $0.socketPath = "/" + String(repeating: "x", count: 120) } == .badSocketPath)
    }

    @Test("tokens are equal only when every byte is")
    func equality() {
        #expect(AccessRules.areEqual(Array("abc".utf8), Array("abc".utf8)))
        for other in ["", "ab", "abcd", "abd", "xbc"] {
            #expect(!AccessRules.areEqual(Array(other.utf8), Array("abc".utf8)), "\(other)")
        }
    }

    @Test("without the right token there is 401, but the page and the health's answer are open")
    func token() async throws {
        try await HTTPTestServer.serve(settings: { $0.token = Self.token }) { server in
            let wrong = ["", "Bearer ", "Bearer wrong", "Bearer correct-horse2", "Basic correct-horse"]
            for authorization in wrong {
                let answer = try await server.get("/v1/streams", ["Authorization": authorization])
                #expect(answer.status == 401, "\(authorization)")
                #expect(answer.headers["www-authenticate"] == "Bearer realm=\"tavisd\"")
                #expect(answer.json?["error"] as? String == "a token is needed")
            }
            let paths = ["/metrics", "/events", "/v1/streams/door/snapshot.jpg", "/nowhere"]
            for path in paths { #expect(try await server.get(path).status == 401, "\(path)") }
            for path in ["/", "/healthz", "/readyz", "/healthz?x=1"] {
                #expect(try await server.get(path).status == 200, "\(path)")
            }
            for scheme in ["Bearer", "bearer"] {
                let answer = try await server.get("/v1/streams", ["Authorization": "\(scheme) \(Self.token)"])
                #expect(answer.status == 200)
            }
            #expect(server.daemon.calls.isEmpty)
        }
    }

    @Test("strangers are not told what is amiss")
    func stranger() async throws {
        let daemon = StandInDaemon()
        daemon.state.withLock {
            $0.health = DaemonHealth(isReady: false, isLive: false, problems: ["door hangs"])
        }
        try await HTTPTestServer.serve(daemon, settings: { $0.token = Self.token }) { server in
            let stranger = try await server.get("/healthz")
            #expect(stranger.status == 503)
            #expect(stranger.json == ["is_live": false, "is_ready": false, "problems": [String]()])
            let friend = try await server.get("/readyz", ["Authorization": "Bearer \(Self.token)"])
            #expect(friend.status == 503)
            #expect(friend.json?["problems"] as? [String] == ["door hangs"])
        }
    }

    @Test("a name that was bent to this machine is refused")
    func rebinding() async throws {
        try await HTTPTestServer.serve { server in
            for host in ["evil.example", "evil.example:\(server.port)", "127.0.0.1.evil.example", "[::2]:80"]
            {
                let answer = try await server.get("/v1/streams", ["Host": host])
                #expect(answer.status == 403, "\(host)")
            }
            let own = ["localhost", "LOCALHOST:1", "127.0.0.1:\(server.port)", "[::1]", "[::1]:8990"]
            for host in own {
                #expect(try await server.get("/v1/streams", ["Host": host]).status == 200, "\(host)")
            }
        }
    }

    @Test("pages of other sites may change nothing")
    func crossSite() async throws {
        try await HTTPTestServer.serve { server in
            let foreign = [
                ["Origin": "https://evil.example"], ["Origin": "null"],
                ["Origin": "http://127.0.0.1:1"], ["Sec-Fetch-Site": "cross-site"],
            ]
            for headers in foreign {
                let answer = try await server.ask("POST", "/v1/streams/door/pause", headers)
                #expect(answer.status == 403, "\(headers)")
            }
            #expect(server.daemon.calls.isEmpty)
            let own = ["Origin": "http://127.0.0.1:\(server.port)", "Sec-Fetch-Site": "same-origin"]
            #expect(try await server.ask("POST", "/v1/streams/door/pause", own).status == 200)
            let metrics = try await server.get("/metrics").text
            #expect(metrics.contains("tavis_http_refused_total{reason=\"site\"} 4\n"))
        }
    }
}
