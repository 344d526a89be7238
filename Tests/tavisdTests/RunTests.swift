// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing
import Training

/// Tells which of some pictures one is that was coded and painted on.
private struct PictureFinder {
    private static let step = 8
    private let samples: [[Int]]

    init(_ pictures: [[UInt8]], width: Int, height: Int) {
        samples = pictures.map { Self.samples($0, width: width, height: height) }
    }

    func number(of frame: VideoFrame) -> Int {
        let own = Self.samples(frame.pixels, width: frame.width, height: frame.height)
        let distances = samples.map { zip(own, $0).reduce(0) { $0 + min(60, abs($1.0 - $1.1)) } }
        return distances.indices.min { distances[$0] < distances[$1] } ?? 0
    }

    private static func samples(_ pixels: [UInt8], width: Int, height: Int) -> [Int] {
        stride(from: 0, to: height, by: step).flatMap { y in
            stride(from: 0, to: width, by: step).map { Int(pixels[3 * (y * width + $0) + 1]) }
        }
    }
}

@Suite("The daemon as a program", .serialized)
struct RunTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    @Test("a camera's pictures come out again with what sounds marked, at their rate, with their sound")
    func marks() throws {
        let film = SyntheticFilm(seed: 9, level: .medium, width: 320, height: 240)
        let frames = (0..<SyntheticFilm.frameCount).map(film.picture)
        let samples = film.samples
        let sounds = frames.indices.map { Array(samples[$0 * 640..<($0 + 1) * 640]) }
        let camera = FilmCamera(
            try RTSPServer(address: "127.0.0.1", port: 0), path: "/film", width: film.width,
            height: film.height, frames: frames, sounds: sounds)
        defer { camera.stop() }
        let daemon = try place.daemon(
            place.daemonHead + """
                streams:
                  - name: film
                    video: {kind: rtsp, uri: "rtsp://127.0.0.1:\(camera.server.port)/film"}
                    outputs: [{kind: rtsp, mount: /out, bitrate: 4000}]
                """)
        let port = try #require(Workplace.port("rtsp server", daemon.said), "\(daemon.said)")
        wait(20) { (try? place.ctl("status").out.contains("film: running")) ?? false }
        let viewer = Viewer("rtsp://127.0.0.1:\(port)/out")
        wait(20) { !viewer.seen.frames.isEmpty }
        Thread.sleep(forTimeInterval: 15)
        let rate = viewer.rate(enough: 22, within: 100)
        let status = try place.statuses().first
        viewer.stop()
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
        let seen = viewer.seen
        let finder = PictureFinder(frames, width: film.width, height: film.height)
        let numbered = seen.frames.map { (number: finder.number(of: $0), frame: $0) }
        #expect(rate > 22, "\(seen.frames.count) frames, \(String(describing: status))")
        #expect(seen.blocks.contains { $0.samples.contains { abs($0) > 0.05 } })
        #expect(status?.state == .running || status?.state == .degraded)
        let overlap = Self.overlap(numbered, frames: frames, film: film)
        print("overlay against truth over RTSP: M_J \(overlap) % on \(numbered.count) frames")
        #expect(numbered.count > 100 && overlap > 45, "M_J \(overlap)")
    }

    /// Mean overlap of what was painted with what sounds, in percent, over frames on which something sounds.
    private static func overlap(
        _ seen: [(number: Int, frame: VideoFrame)], frames: [[UInt8]], film: SyntheticFilm
    ) -> Double {
        var overlaps: [Double] = []
        for (number, frame) in seen {
            let truth = film.truth(frame: number), plain = frames[number]
            var both = 0, either = 0
            for pixel in truth.indices {
                let change = (0..<3).reduce(0) { sum, channel in
                    sum + abs(Int(frame.pixels[3 * pixel + channel]) - Int(plain[3 * pixel + channel]))
                }
                let (isPainted, isTrue) = (change > 100, truth[pixel] != 0)
                if isPainted || isTrue { either += 1 }
                if isPainted && isTrue { both += 1 }
            }
            if truth.contains(where: { $0 != 0 }) { overlaps.append(Double(both) / Double(max(1, either))) }
        }
        return overlaps.isEmpty ? 0 : 100 * overlaps.reduce(0, +) / Double(overlaps.count)
    }

    @Test("sound and pictures stay together within 40 ms on their way through")
    func skew() throws {
        // A white picture and a beep, once a second.
        let (width, height) = (160, 120)
        let frames = (0..<25).map { [UInt8](repeating: $0 == 0 ? 255 : 10, count: 3 * width * height) }
        let sounds = (0..<25).map { index in
            (0..<640).map { index == 0 ? 0.8 * sin(Float($0) * 0.4) : Float(0) }
        }
        let camera = FilmCamera(
            try RTSPServer(address: "127.0.0.1", port: 0), path: "/flash", width: width, height: height,
            frames: frames, sounds: sounds)
        defer { camera.stop() }
        let daemon = try place.daemon(
            place.daemonHead + """
                streams:
                  - name: flash
                    video: {kind: rtsp, uri: "rtsp://127.0.0.1:\(camera.server.port)/flash"}
                    outputs: [{kind: rtsp, mount: /out, picture: clean}]
                """)
        let port = try #require(Workplace.port("rtsp server", daemon.said), "\(daemon.said)")
        wait(20) { (try? place.ctl("status").out.contains("25 frames/s")) ?? false }
        let viewer = Viewer("rtsp://127.0.0.1:\(port)/out")
        wait(30) { viewer.seen.frames.count > 200 }
        viewer.stop()
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
        let seen = viewer.seen
        let flashes = Self.onsets(
            seen.frames.map { ($0.pts.seconds, Float($0.pixels[$0.pixels.count / 2]) / 255) })
        let beeps = Self.onsets(
            seen.blocks.flatMap { block in
                (0..<block.frameCount).map {
                    (
                        block.pts.seconds + Double($0) / Double(block.sampleRate),
                        abs(block.samples[$0 * block.channels])
                    )
                }
            })
        let skews = flashes.compactMap { flash in
            beeps.map { $0 - flash }.min { abs($0) < abs($1) }.flatMap { abs($0) < 0.5 ? $0 : nil }
        }.sorted()
        let middle = try #require(skews.isEmpty ? nil : skews[skews.count / 2], "\(flashes) \(beeps)")
        print("sound against pictures through the daemon: \(middle * 1000) ms")
        #expect(abs(middle) <= 0.04 && skews.count >= 4, "\(skews)")
    }

    /// Times at which a level rises over one half, at least half a second apart.
    private static func onsets(_ levels: [(time: Double, level: Float)]) -> [Double] {
        var result: [Double] = []
        for (time, level) in levels where level > 0.4 && time - (result.last ?? -9) > 0.5 {
            result.append(time)
        }
        return result
    }

    @Test("ctl pauses, resumes, reloads good and bad files, adds and removes; the daemon ends cleanly")
    func control() throws {
        let stream = "streams:\n  - {name: a, video: {kind: test, width: 64, height: 48}}\n"
        let daemon = try place.daemon(place.daemonHead + stream)
        wait(15) { (try? place.ctl("status").out.contains("a: running")) ?? false }
        #expect(try place.ctl("pause", "a").code == 0)
        #expect(try place.ctl("status").out.hasPrefix("a: paused"))
        #expect(try place.ctl("resume", "a").code == 0)
        #expect(try place.ctl("pause", "b").errors.contains("there is no stream b"))
        try Data("{name: b, video: {kind: test}, audio: {kind: test}}".utf8).write(
            to: URL(filePath: place.path("b.yaml")))
        #expect(try place.ctl("add", "b.yaml").code == 0)
        #expect(try place.ctl("remove", "b").code == 0)
        try Data((place.daemonHead + stream + "  - {name: c, video: {kind: test}}\n").utf8).write(
            to: URL(filePath: place.path("run.yaml")))
        let taken = try place.ctl("reload")
        #expect(taken.code == 0 && taken.out == "a: unchanged\nc: added\n")
        let locked = "{name: d, video: {kind: rtsp, uri: \"rtsp://127.0.0.1:9/d\", credential: key}}"
        try Data((place.daemonHead + stream + "  - \(locked)\n").utf8).write(
            to: URL(filePath: place.path("run.yaml")))
        let partly = try place.ctl("reload")
        #expect(
            partly.code == 1 && partly.out.hasPrefix("c: removed\na: unchanged\nd: rejected: credential key"))
        try Data("streams: 1".utf8).write(to: URL(filePath: place.path("run.yaml")))
        let refused = try place.ctl("reload")
        #expect(refused.code != 0 && refused.errors.contains("run.yaml:1: streams: expected"))
        #expect(try place.ctl("status").out.split(separator: "\n").count == 1)
        daemon.send(SIGTERM)
        let outcome = try daemon.wait()
        #expect(outcome.code == 0 && outcome.errors.contains("stopped"), "\(outcome.errors)")
    }

    @Test("streams that exchange their mounts are both seen after the reload, each at its new one")
    func mounts() throws {
        func config(_ first: String, _ second: String) -> String {
            place.daemonHead + """
                streams:
                  - name: a
                    video: {kind: test, width: 64, height: 48}
                    audio: {kind: test}
                    outputs: [{kind: rtsp, mount: \(first)}]
                  - name: b
                    video: {kind: test, width: 96, height: 64}
                    audio: {kind: test}
                    outputs: [{kind: rtsp, mount: \(second)}]
                """
        }
        let daemon = try place.daemon(config("/x", "/y"))
        let port = try #require(Workplace.port("rtsp server", daemon.said), "\(daemon.said)")
        try Data(config("/y", "/x").utf8).write(to: URL(filePath: place.path("run.yaml")))
        #expect(try place.ctl("reload").out == "a: restarted\nb: restarted\n")
        for (mount, width) in [("/x", 96), ("/y", 64)] {
            let viewer = Viewer("rtsp://127.0.0.1:\(port)\(mount)")
            #expect(wait(20) { !viewer.seen.frames.isEmpty }, "\(mount): \(daemon.said)")
            viewer.stop()
            #expect(viewer.seen.frames.first?.width == width)
        }
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
    }

    @Test(
        "what cannot work ends at once, with a line that names it and a code",
        arguments: [
            ("streams: [{name: a}]", Int32(78), "streams[0].video"),
            ("model: {bundle: /nonexistent}\nstreams: []", 65, "/nonexistent"),
            ("http: {port: 0, credential: x}\nstreams: []", 78, "credential x"),
            ("http: {port: 0}\nevents: {file: /nonexistent/e}\nstreams: []", 73, "/nonexistent/e"),
        ])
    func refused(_ config: String, _ code: Int32, _ message: String) throws {
        try Data(config.utf8).write(to: URL(filePath: place.path("run.yaml")))
        let outcome = try place.run("run", "--config", "run.yaml")
        #expect(outcome.code == code && outcome.errors.contains(message), "\(outcome.code) \(outcome.errors)")
    }

    @Test("stopped for five seconds and let go on, a stream is live again soon")
    func frozen() throws {
        let camera = try FilmCamera.grey()
        defer { camera.stop() }
        let daemon = try place.daemon(
            place.daemonHead + """
                streams:
                  - {name: grey, video: {kind: rtsp, uri: "rtsp://127.0.0.1:\(camera.server.port)/grey"}}
                """)
        func isLive() -> Bool {
            (try? place.ctl("status").out.contains(/grey: running.* 2[3-6] frames\/s/)) ?? false
        }
        wait(20) { isLive() }
        daemon.send(SIGSTOP)
        Thread.sleep(forTimeInterval: 5)
        daemon.send(SIGCONT)
        let start = MediaClock.now
        wait(20) { isLive() }
        let seconds = (MediaClock.now - start).seconds
        print("after five seconds of standstill live again in \(seconds) s")
        // The rate is a mean over the last three seconds.
        #expect(seconds < 5, "\(daemon.said)")
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
    }

    @Test("it is ready within two seconds, and with its stream paused has almost nothing to do")
    func idle() throws {
        let start = MediaClock.now
        let daemon = try place.daemon(
            place.daemonHead + "streams: [{name: a, video: {kind: test}, audio: {kind: test}}]")
        let ready = (MediaClock.now - start).seconds
        wait(20) { (try? place.ctl("status").out.contains("a: running")) ?? false }
        let busy = try Self.load(of: daemon.identifier)
        // Each keeps what was freed in it.
        let heaps = try Self.heaps(of: daemon.identifier)
        #expect(heaps <= ProcessInfo.processInfo.activeProcessorCount)
        #expect(try place.ctl("pause", "a").code == 0)
        wait(10) { (try? place.ctl("status").out.contains("a: paused")) ?? false }
        let idle = try Self.load(of: daemon.identifier)
        print("ready after \(ready) s; of one core \(busy * 100) % in use, paused \(idle * 100) %")
        #expect(ready < 2)
        #expect(idle < 0.03 && busy > idle)
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
    }

    /// Share of one core's time that a process takes, over three seconds.
    private static func load(of process: Int32) throws -> Double {
        func ticks() throws -> Int {
            let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
            // After the name, which may hold anything, the third field is the state; user and system time are 14 and 15.
            let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 12 ? (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0) : 0
        }
        let before = try ticks()
        Thread.sleep(forTimeInterval: 3)
        return Double(try ticks() - before) / Double(sysconf(Int32(_SC_CLK_TCK))) / 3
    }

    /// How many heaps glibc made for threads: each begins at a multiple of 64 MiB and keeps all up to the next for itself.
    private static func heaps(of process: Int32) throws -> Int {
        let size = 64 << 20
        let maps = try String(contentsOfFile: "/proc/\(process)/maps", encoding: .utf8).split(separator: "\n")
        let regions = maps.map { line in
            let fields = line.split(separator: " ")
            let ends = fields[0].split(separator: "-").map { Int($0, radix: 16) ?? 0 }
            return (start: ends[0], end: ends[1], isKept: fields[1] == "---p")
        }
        return zip(regions, regions.dropFirst()).count { used, kept in
            used.start % size == 0 && !used.isKept && kept.isKept && used.end == kept.start
                && kept.end == used.start + size
        }
    }

    private static let hasPromtool = ["promtool", "curl"].allSatisfy {
        FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)")
    }

    @Test(
        "promtool has nothing to say about the metrics of a daemon at work",
        .enabled(if: hasPromtool, "needs promtool and curl"))
    func metrics() throws {
        let daemon = try place.daemon(
            place.daemonHead + """
                streams:
                  - name: a
                    video: {kind: test, width: 64, height: 48}
                    audio: {kind: test}
                    outputs: [{kind: rtsp, mount: /out}, {kind: hls, folder: \(place.path("hls"))}]
                  - {name: gone, video: {kind: rtsp, uri: "rtsp://127.0.0.1:9/none"}}
                """)
        let port = try #require(
            Workplace.port("http interface listens address", daemon.said), "\(daemon.said)")
        #expect(wait(20) { (try? place.statuses().first?.framesSegmented ?? 0 > 10) ?? false })
        let (metrics, opinion) = (place.path("metrics"), place.path("opinion"))
        let isAccepted = try place.tool(
            "sh", "-c",
            """
            curl -sf http://127.0.0.1:\(port)/metrics >'\(metrics)' &&
                promtool check metrics <'\(metrics)' >'\(opinion)' 2>&1
            """)
        let said = try String(contentsOfFile: opinion, encoding: .utf8)
        #expect(isAccepted && said.isEmpty, "\(said)")
        let text = try String(contentsOfFile: metrics, encoding: .utf8)
        for stage in ["receive", "hear", "segment", "overlay"] {
            let count = text.firstMatch(
                of: try Regex("tavis_stage_seconds_count\\{stream=\"a\",stage=\"\(stage)\"\\} [1-9]"))
            #expect(count != nil, "\(stage)")
        }
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
    }

    @Test("a hundred clients that never read cost no frame")
    func listeners() throws {
        let daemon = try place.daemon(
            place.daemonHead + """
                streams:
                  - name: a
                    video: {kind: test, width: 320, height: 240, frame_rate: 25}
                    audio: {kind: test}
                    outputs: [{kind: rtsp, mount: /out}]
                """)
        let rtsp = try #require(Workplace.port("rtsp server", daemon.said), "\(daemon.said)")
        let http = try #require(
            Workplace.port("http interface listens address", daemon.said), "\(daemon.said)")
        wait(20) { (try? place.ctl("status").out.contains("25 frames/s")) ?? false }
        let clients = (0..<100).compactMap {
            IdleClient(port: http, path: $0 % 2 == 0 ? "/events" : "/v1/streams/a/preview.mjpg")
        }
        #expect(clients.count == 100)
        #expect(wait(10) { clients.allSatisfy(\.isAnswered) })
        let viewer = Viewer("rtsp://127.0.0.1:\(rtsp)/out", keepsAll: false)
        #expect(wait(10) { viewer.seen.frameCount > 25 })
        let rate = viewer.rate(enough: 23, within: 40)
        print("with a hundred clients \(rate) frames/s")
        #expect(rate > 23)
        viewer.stop()
        withExtendedLifetime(clients) { daemon.send(SIGTERM) }
        #expect(try daemon.wait().code == 0)
    }

    @Test("files and events are whole after SIGTERM, and readable after kill -9")
    func files() throws {
        let config =
            place.daemonHead + """
                events: {file: \(place.path("events.jsonl"))}
                streams:
                  - name: a
                    video: {kind: test, width: 160, height: 120, pattern: ball}
                    audio: {kind: test}
                    outputs: [{kind: files, folder: \(place.path("files")), seconds: 60, disk_budget_megabytes: 100}]
                """
        for signal in [SIGTERM, SIGKILL] {
            try? FileManager.default.removeItem(atPath: place.path("files"))
            let daemon = try place.daemon(config)
            wait(15) { (try? place.ctl("status").out.contains("a: running")) ?? false }
            Thread.sleep(forTimeInterval: 7)
            daemon.send(signal)
            _ = try daemon.wait()
            let name = try #require(try place.folder("files").first)
            let frames = try Frames(place.path("files/\(name)"))
            #expect(frames.times.count > 50 && frames.width == 160, "\(frames.times.count)")
        }
        let lines = try String(contentsOfFile: place.path("events.jsonl"), encoding: .utf8).split(
            separator: "\n")
        #expect(!lines.isEmpty)
        for line in lines { _ = try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
}
