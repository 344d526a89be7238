// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Streaming
import Synchronization
import Testing

@testable import Service

@Suite("Pictures over HTTP")
struct HTTPPictureTests {
    /// Counts what it makes; the bytes tell the grey and the width asked for.
    private final class Encoder: Sendable {
        let made = Mutex(0)

        func encode(_ frame: VideoFrame, _ maxWidth: Int?) throws -> [UInt8] {
            made.withLock { $0 += 1 }
            return Array("grey \(frame.pixels[0]) width \(maxWidth ?? 0)".utf8)
        }
    }

    private func daemon(_ grey: UInt8 = 1) -> StandInDaemon {
        let daemon = StandInDaemon("door", "yard")
        daemon.state.withLock {
            $0.pictures["door"] = StandInPictures.plain(grey)
        }
        return daemon
    }

    @Test("a snapshot is the newest picture, drawn on or clean, and not wider than wished")
    func snapshot() async throws {
        let encoder = Encoder()
        try await HTTPTestServer.serve(daemon(), jpeg: encoder.encode) { server in
            let path = "/v1/streams/door/snapshot.jpg"
            let answer = try await server.get(path)
            #expect(answer.status == 200)
            #expect(answer.headers["content-type"] == "image/jpeg")
            #expect(answer.text == "grey 101 width 0")
            #expect(try await server.get(path + "?clean=1").text == "grey 1 width 0")
            #expect(try await server.get(path + "?width=320").text == "grey 101 width 320")
            for width in ["0", "-5", "x", "", "99999999999999999999", "15", "7681"] {
                #expect(try await server.get(path + "?width=\(width)").status == 400, "\(width)")
            }
            let head = try await server.ask("HEAD", path)
            #expect(head.headers["content-length"] == "16")
        }
    }

    @Test("before the first picture a snapshot is 503")
    func none() async throws {
        try await HTTPTestServer.serve { server in
            let answer = try await server.get("/v1/streams/door/snapshot.jpg")
            #expect(answer.status == 503)
            #expect(answer.headers["retry-after"] == "1")
            #expect(answer.json?["error"] as? String == "there is no picture yet")
        }
    }

    @Test("a client that has the picture is told so")
    func tag() async throws {
        try await HTTPTestServer.serve(daemon()) { server in
            let path = "/v1/streams/door/snapshot.jpg"
            let tag = try #require(try await server.get(path).headers["etag"])
            let same = try await server.get(path, ["If-None-Match": tag])
            #expect(same.status == 304)
            #expect(same.body.isEmpty)
            server.daemon.state.withLock {
                $0.pictures["door"] = StandInPictures.plain(2, pts: 40)
            }
            #expect(
                try await eventually { try await server.get(path, ["If-None-Match": tag]).status == 200 })
        }
    }

    @Test("an encoder that fails is an internal error, not the end")
    func broken() async throws {
        struct Broken: Error {}
        try await HTTPTestServer.serve(daemon(), jpeg: { _, _ in throw Broken() }) { server in
            #expect(try await server.get("/v1/streams/door/snapshot.jpg").status == 500)
            let (client, head) = try await server.open("/v1/streams/door/preview.mjpg")
            #expect(head.status == 200)
            _ = try? await blocking { try client.readToEnd() }
            #expect(try await server.get("/healthz").status == 200)
        }
    }

    @Test("a preview sends each new picture once, each followed by the boundary")
    func preview() async throws {
        let encoder = Encoder()
        let change: @Sendable (inout HTTPSettings) -> Void = { $0.previewSeconds = 0.01 }
        try await HTTPTestServer.serve(daemon(), jpeg: encoder.encode, settings: change) { server in
            let (client, head) = try await server.open("/v1/streams/door/preview.mjpg?width=160")
            #expect(
                head.headers["content-type"] == "multipart/x-mixed-replace; boundary=tavisd-picture")
            let (first, second) = try await blocking { () -> (String, String) in
                _ = try client.read(to: "--tavisd-picture\r\n")
                let first = try client.read(to: "\r\n--tavisd-picture\r\n")
                server.daemon.state.withLock {
                    $0.pictures["door"] = StandInPictures.plain(2, pts: 40)
                }
                return (first, try client.read(to: "\r\n--tavisd-picture\r\n"))
            }
            let type = "Content-Type: image/jpeg\r\nContent-Length: 18\r\n\r\n"
            #expect(first.contains(type) && first.contains("grey 101 width 160"))
            #expect(second.contains(type) && second.contains("grey 102 width 160"))
        }
    }

    @Test("a preview ends with its stream")
    func ending() async throws {
        try await HTTPTestServer.serve(daemon()) { server in
            let (client, _) = try await server.open("/v1/streams/door/preview.mjpg")
            server.daemon.state.withLock { $0.streams.removeAll { $0.name == "door" } }
            let rest = try await blocking { try client.readToEnd() }
            #expect(String(decoding: rest, as: UTF8.self).hasSuffix("0\r\n\r\n"))
        }
    }

    @Test("many who look at the same share one picture")
    func shared() async throws {
        let encoder = Encoder()
        let daemon = daemon()
        try await HTTPTestServer.serve(daemon, jpeg: encoder.encode) { server in
            var clients: [HTTPTestClient] = []
            for _ in 0..<20 {
                clients.append(try await server.open("/v1/streams/door/preview.mjpg").client)
            }
            for client in clients {
                _ = try await blocking { try client.read(to: "grey 101 width 0") }
            }
            // Well under two seconds go by, after which one would be made anew.
            #expect(encoder.made.withLock(\.self) <= 2)
            #expect(daemon.state.withLock(\.drawn) <= 2)
        }
    }

    @Test("who reads nothing is sent little, and is cut off in the end")
    func stalled() async throws {
        let daemon = daemon()
        // Every look finds a new picture of half a megabyte.
        let noise: HTTPServer.JPEGEncoder = { _, _ in [UInt8](repeating: 7, count: 512 << 10) }
        let change: @Sendable (inout HTTPSettings) -> Void = {
            $0.previewSeconds = 0.005
            $0.limits.stallSeconds = 1
        }
        try await HTTPTestServer.serve(daemon, jpeg: noise, settings: change) { server in
            let ticking = Task {
                for pts in 1... {
                    try await Task.sleep(for: .milliseconds(5))
                    daemon.state.withLock {
                        $0.pictures["door"] = StandInPictures.plain(1, pts: Int64(pts))
                    }
                }
            }
            defer { ticking.cancel() }
            let (client, _) = try await server.open("/v1/streams/door/preview.mjpg")
            #expect(
                try await eventually {
                    let metrics = try await server.get("/metrics").text
                    return metrics.contains("tavis_http_clients{kind=\"preview\"} 0\n")
                        && metrics.contains("tavis_http_refused_total{reason=\"stalled\"} 1\n")
                })
            let waiting = try await blocking { try client.readToEnd().count }
            #expect(waiting < 8 << 20, "\(waiting) bytes were under way")
        }
    }

    @Test("a cache of pictures stays small")
    func bounded() async throws {
        let encoder = Encoder()
        let cache = PictureCache(daemon(), jpeg: encoder.encode, freshSeconds: 60)
        var tags: Set<String> = []
        for width in 100..<200 {
            let key = PictureCache.Key(stream: "door", isOverlaid: true, maxWidth: width)
            tags.insert(try #require(try await cache.newest(key)).tag)
        }
        #expect(tags.count == 100)
        let newest = PictureCache.Key(stream: "door", isOverlaid: true, maxWidth: 199)
        let oldest = PictureCache.Key(stream: "door", isOverlaid: true, maxWidth: 100)
        #expect(tags.contains(try #require(try await cache.newest(newest)).tag))
        #expect(!tags.contains(try #require(try await cache.newest(oldest)).tag))
        #expect(encoder.made.withLock(\.self) == 101)
    }
}
