// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streaming
import Testing

@testable import Service

@Suite("Metrics as text")
struct HTTPMetricsTests {
    private static let families = [
        MetricFamily(
            "tavis_frames_dropped_total", .counter, help: "Frames \"lost\".\nC:\\ too.",
            samples: [
                .init(12, labels: [("stream", "a \"b\"\\c\nd"), ("where", "media_in")]),
                .init(1e15, labels: [("stream", "door"), ("where", "späte")]),
            ]),
        MetricFamily("tavis_empty", .gauge, help: "Nothing.", samples: []),
        MetricFamily(
            "tavis_audio_level_decibels", .gauge, help: "Level.",
            samples: [
                .init(-.infinity, labels: [("stream", "a")]), .init(.nan, labels: [("stream", "b")]),
                .init(0.25, labels: [("stream", "c")]), .init(1e300, labels: [("stream", "d")]),
                .init(-3),
            ]),
    ]

    @Test("text, escapes and numbers are what Prometheus reads")
    func text() {
        let expected = #"""
            # HELP tavis_frames_dropped_total Frames "lost".\nC:\\ too.
            # TYPE tavis_frames_dropped_total counter
            tavis_frames_dropped_total{stream="a \"b\"\\c\nd",where="media_in"} 12
            tavis_frames_dropped_total{stream="door",where="späte"} 1000000000000000
            # HELP tavis_audio_level_decibels Level.
            # TYPE tavis_audio_level_decibels gauge
            tavis_audio_level_decibels{stream="a"} -Inf
            tavis_audio_level_decibels{stream="b"} NaN
            tavis_audio_level_decibels{stream="c"} 0.25
            tavis_audio_level_decibels{stream="d"} 1e+300
            tavis_audio_level_decibels -3

            """#
        #expect(PrometheusText.text(of: Self.families) == expected)
    }

    @Test("the interface serves the daemon's metrics and its own")
    func served() async throws {
        let daemon = StandInDaemon("door")
        daemon.state.withLock {
            $0.metrics = [MetricFamily("tavis_up", .gauge, help: "Up.", samples: [.init(1)])]
        }
        try await HTTPTestServer.serve(daemon) { server in
            _ = try await server.get("/v1/streams")
            _ = try await server.get("/nowhere")
            let answer = try await server.get("/metrics")
            #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let expected = """
                # HELP tavis_up Up.
                # TYPE tavis_up gauge
                tavis_up 1
                # HELP tavis_http_requests_total Requests answered, by status code.
                # TYPE tavis_http_requests_total counter
                tavis_http_requests_total{code="200"} 1
                tavis_http_requests_total{code="404"} 1
                # HELP tavis_http_connections Connections open now.
                # TYPE tavis_http_connections gauge
                tavis_http_connections N
                # HELP tavis_http_clients Clients of events and previews now.
                # TYPE tavis_http_clients gauge
                tavis_http_clients{kind="events"} 0
                tavis_http_clients{kind="preview"} 0
                # HELP tavis_http_refused_total Clients turned away or cut off, by reason.
                # TYPE tavis_http_refused_total counter
                tavis_http_refused_total{reason="clients"} 0
                tavis_http_refused_total{reason="stalled"} 0
                tavis_http_refused_total{reason="token"} 0
                tavis_http_refused_total{reason="site"} 0

                """
            // Connections of the requests before may not be closed yet.
            let text = answer.text.replacing(/connections [1-3]\n/, with: "connections N\n")
            #expect(text == expected)
        }
    }

    @Test(
        "promtool finds nothing to object to",
        .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/promtool"), "needs promtool"))
    func promtool() async throws {
        let daemon = StandInDaemon("door")
        let histogram = Histogram()
        for seconds in [0.001, 0.1, 1000] { histogram.add(seconds) }
        let stages = MetricFamily(
            "tavis_stage_seconds", .histogram, help: "Time.",
            samples: histogram.samples([("stage", "a\"b\\")]))
        daemon.state.withLock { $0.metrics = Self.families + [stages] }
        try await HTTPTestServer.serve(daemon) { server in
            _ = try await server.get("/v1/streams")
            let text = try await server.get("/metrics").text
            let (status, output) = try await blocking { try Self.check(text) }
            #expect(status == 0 && output.isEmpty, "\(output)")
            let (wrong, _) = try await blocking { try Self.check(text + "no metric\n") }
            #expect(wrong != 0)
        }
    }

    private static func check(_ text: String) throws -> (Int32, String) {
        let (process, input, output) = (Process(), Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/promtool")
        process.arguments = ["check", "metrics"]
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
        try input.fileHandleForWriting.close()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: said, as: UTF8.self))
    }
}
