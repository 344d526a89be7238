// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Streaming
import Testing

@testable import Service

@Suite("The status page")
struct HTTPPageTests {
    /// Seconds for which the page is shown to whoever wants to look at it; see `docs/http.md`.
    private static let showSeconds = ProcessInfo.processInfo.environment["TAVIS_SHOW_PAGE"].flatMap(
        Double.init)

    @Test("only what carries the word of the moment may run, and nothing comes from elsewhere")
    func policy() async throws {
        try await HTTPTestServer.serve { server in
            let (first, second) = (try await server.get("/"), try await server.get("/"))
            #expect(first.status == 200)
            #expect(first.headers["content-type"] == "text/html; charset=utf-8")
            let policy = try #require(first.headers["content-security-policy"])
            #expect(policy != second.headers["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none'; script-src 'nonce-"))
            #expect(policy.contains("frame-ancestors 'none'"))
            #expect(!policy.contains("unsafe"))
            let nonce = try #require(policy.firstMatch(of: /script-src 'nonce-([^']+)'/)?.1)
            #expect(first.text.contains("<script nonce=\"\(nonce)\">"))
            #expect(first.text.contains("<style nonce=\"\(nonce)\">"))
            #expect(first.text.components(separatedBy: "<script").count == 2)
        }
    }

    @Test("it has no markers left, no markup made of strings, and the colours of the pictures")
    func contents() async throws {
        try await HTTPTestServer.serve { server in
            let page = try await server.get("/").text
            for word in ["{{", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
                #expect(!page.contains(word), "\(word)")
            }
            for word in ["src=\"http", "href=\"http", "@import", "url(http", " style=\"", " onclick=\""] {
                #expect(!page.contains(word), "\(word)")
            }
            #expect(page.contains("\"#e69f00 #56b4e9 #009e73 "))
            #expect(page.hasPrefix("<!doctype html>"))
        }
    }

    @Test(
        "it can be looked at", .enabled(if: showSeconds != nil, "set TAVIS_SHOW_PAGE to a number of seconds"))
    func show() async throws {
        let daemon = ShownDaemon.make()
        let token = ProcessInfo.processInfo.environment["TAVIS_SHOW_TOKEN"]
        try await HTTPTestServer.serve(daemon, settings: { ($0.port, $0.token) = (8990, token) }) { server in
            let end = ContinuousClock.now + .seconds(Self.showSeconds ?? 0)
            for number in 0... where ContinuousClock.now < end {
                ShownDaemon.step(daemon, number)
                try await Task.sleep(for: .milliseconds(100))
                if ContinuousClock.now >= end { break }
            }
            #expect(try await server.get("/").status == 200)
        }
    }
}

/// A daemon with everything on its page.
private enum ShownDaemon {
    static func make() -> StandInDaemon {
        let daemon = StandInDaemon("front-door", "workshop", "yard", "<b>attic</b>", "new")
        daemon.state.withLock { state in
            state.health.problems = []
            for index in 0..<3 { fill(&state.streams[index], index) }
            (state.streams[1].state, state.streams[1].economyLevel) = (.degraded, 2)
            state.streams[1].reasons = ["no sound for 12 s", "too slow: 3.1 of 12.5 frames per second"]
            state.streams[1].audio?.problem = "rtsp://camera-2/: connection refused"
            state.streams[1].outputs[0].problem = "disk full"
            state.streams[1].audioLevel = nil
            state.streams[1].gate = "absent"
            state.streams[2].state = .down
            state.streams[2].reasons = [
                "no pictures since 14:02: the server does not answer (next try in 8 s)"
            ]
            state.streams[2].objects = []
            state.streams[3].state = .paused
        }
        return daemon
    }

    private static func fill(_ status: inout StreamStatus, _ index: Int) {
        (status.state, status.width, status.height) = (.running, 1280, 720)
        (status.sourceFramesPerSecond, status.segmentedFramesPerSecond) = (25, 8.4)
        (status.latencySecondsMedian, status.latencySeconds95, status.maskAgeSeconds) = (0.131, 0.204, 0.118)
        (status.skewSeconds, status.memoryBytes, status.framesSegmented) = (0.021, 48_000_000, 90_000)
        (status.audio, status.audioLevel, status.gate) = (.init(), -24, "open")
        status.framesDropped = ["late": 12, "economy": 341, "format": 0]
        status.outputs = [
            .init(
                name: "recordings", problem: nil, framesWritten: 90_211, framesDropped: 3, restarts: 0,
                clients: nil),
            .init(
                name: "rtsp", problem: nil, framesWritten: 90_211, framesDropped: 0, restarts: 1, clients: 2),
        ]
        let names = [
            "dog barking", "acoustic guitar", "a class with a very long name indeed, longer than the card",
        ]
        status.objects = names.enumerated().map { number, name in
            LiveObject(
                id: number + 1 + index, class: name, state: [.sounding, .silent, .lost][number],
                score: 0.93 - 0.3 * Double(number), box: [1, 2, 3, 4], area: 12, ageSeconds: 12,
                evidenceAgeSeconds: 0)
        }
    }

    /// A tenth of a second later.
    static func step(_ daemon: StandInDaemon, _ number: Int) {
        let level = -30 + 20 * sin(Double(number) / 6)
        daemon.state.withLock { state in
            for name in ["front-door", "workshop"] { state.pictures[name] = picture(number) }
            if let index = state.streams.firstIndex(where: { $0.name == "front-door" }) {
                state.streams[index].audioLevel = level
                state.streams[index].gate = level > -40 ? "open" : "silent"
            }
        }
        guard number % 20 == 5, let object = daemon.stream("front-door")?.objects.first else { return }
        let time = Date().timeIntervalSince1970
        daemon.send(.init(sequence: number, kind: .start, stream: "front-door", time: time, object: object))
        daemon.send(
            .init(sequence: number + 1, kind: .stream, stream: "yard", time: time, detail: "<i>went</i> down")
        )
    }

    /// A disc that crosses a shaded field.
    private static func picture(_ number: Int) -> VideoFrame {
        let (width, height) = (640, 360)
        var pixels = [UInt8](repeating: 0, count: width * height * 3)
        let (centerX, centerY) = (number * 8 % width, 180)
        for y in 0..<height {
            for x in 0..<width {
                let isInside = (x - centerX) * (x - centerX) + (y - centerY) * (y - centerY) < 3600
                let color = isInside ? [230, 159, 0] : [40 + y / 4, 60 + y / 5, 80 + x / 8]
                for channel in 0..<3 { pixels[(y * width + x) * 3 + channel] = UInt8(color[channel]) }
            }
        }
        let pts = MediaTime.milliseconds(Int64(number) * 100)
        return VideoFrame(width: width, height: height, pts: pts, duration: nil, pixels: pixels)
    }
}
