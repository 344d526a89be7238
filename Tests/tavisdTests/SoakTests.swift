// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Streaming
import Testing
import Training

/// The daemon for a long time left alone, then half as long in a world that does not keep still. `make soak` runs it,
/// or any run with the environment's `TAVIS_SOAK` set to a number of seconds.
@Suite("Day and night", .serialized)
struct SoakTests {
    private static let seconds = ProcessInfo.processInfo.environment["TAVIS_SOAK"].flatMap(Double.init) ?? 0

    /// What the daemon holds of the machine.
    private struct Holdings: CustomStringConvertible {
        var kibibytes = 0, threads = 0, descriptors = 0

        init(of process: Int32) {
            let lines = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
            for line in lines.split(separator: "\n") {
                let number = line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
                if line.hasPrefix("VmRSS:") { kibibytes = number }
                if line.hasPrefix("Threads:") { threads = number }
            }
            descriptors =
                ((try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd")) ?? []).count
        }

        /// The most of each: what is held goes up and down with connections.
        static func most(_ all: some Sequence<Holdings>) -> Holdings {
            var most = Holdings(of: 0)
            for one in all {
                most.kibibytes = max(most.kibibytes, one.kibibytes)
                most.threads = max(most.threads, one.threads)
                most.descriptors = max(most.descriptors, one.descriptors)
            }
            return most
        }

        var description: String { "\(kibibytes / 1024) MiB, \(threads) threads, \(descriptors) descriptors" }
    }

    /// A camera that is switched off and on.
    private final class Camera {
        private var film: FilmCamera?
        private var port = 0
        let pictures: [[UInt8]]
        let sounds: [[Float]]
        let size: (width: Int, height: Int)

        init() throws {
            let film = SyntheticFilm(seed: 1, level: .medium, width: 320, height: 240)
            pictures = (0..<SyntheticFilm.frameCount).map(film.picture)
            let samples = film.samples
            sounds = pictures.indices.map { Array(samples[$0 * 640..<($0 + 1) * 640]) }
            size = (film.width, film.height)
            try switchOn()
        }

        var address: String { "rtsp://127.0.0.1:\(port)/film" }

        func switchOn() throws {
            let server = try RTSPServer(address: "127.0.0.1", port: port)
            port = server.port
            film = FilmCamera(
                server, path: "/film", width: size.width, height: size.height, frames: pictures,
                sounds: sounds)
        }

        func switchOff() {
            film?.stop()
            film = nil
        }
    }

    @Test("left alone, it stays as it is", .enabled(if: SoakTests.seconds > 0, "TAVIS_SOAK is not set"))
    func calm() throws {
        let place = try Workplace(), camera = try Camera()
        let daemon = try place.daemon(
            place.daemonHead + """
                events: {file: \(place.path("events.jsonl"))}
                streams:
                  - name: film
                    video: {kind: rtsp, uri: "\(camera.address)"}
                    outputs:
                      - {kind: rtsp, mount: /out}
                      - {kind: hls, folder: \(place.path("hls"))}
                  - name: test
                    video: {kind: test, width: 320, height: 240, frame_rate: 15}
                    audio: {kind: test}
                    outputs: [{kind: files, folder: \(place.path("files")), disk_budget_megabytes: 50}]
                """)
        let port = try #require(Workplace.port("rtsp server", daemon.said), "\(daemon.said)")
        let viewer = Viewer("rtsp://127.0.0.1:\(port)/out", keepsAll: false)
        let start = Date()
        var seen: [Holdings] = []
        var medians: [Double] = [], latencies: [Double] = []
        while -start.timeIntervalSinceNow < Self.seconds, daemon.isRunning {
            Thread.sleep(forTimeInterval: 2)
            seen.append(Holdings(of: daemon.identifier))
            let streams = try place.statuses()
            medians.append(streams.compactMap(\.latencySecondsMedian).max() ?? 0)
            latencies.append(streams.compactMap(\.latencySeconds95).max() ?? 0)
        }
        let watched = Double(viewer.seen.frameCount) / -start.timeIntervalSinceNow
        viewer.stop()
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
        camera.switchOff()

        // What is kept is filled in the first third.
        let third = seen.count / 3
        let early = Holdings.most(seen[third..<(2 * third)]), late = Holdings.most(seen[(2 * third)...])
        let middle = medians[third..<(2 * third)].sorted()[third / 2]
        let before = latencies[third..<(2 * third)].sorted()[third / 2], after = latencies.last ?? 0
        print(
            """
            soak, alone: \(Int(Self.seconds)) s; in the second third at most \(early), half of the frames out after \
            \(middle) s, 95 of 100 after \(before) s; in the last \(late), \(medians.last ?? 0) s, \(after) s; \
            \(watched) frames seen a second
            """)
        // In a few minutes buffers of codecs and caches still settle.
        let growth = Self.seconds < 600 ? 1.04 : 1.01
        #expect(Double(late.kibibytes) <= Double(early.kibibytes) * growth, "\(seen)")
        // Threads of ended tasks wait half a second for another: as many as a look at them catches.
        #expect(late.threads <= early.threads + 2 && late.descriptors <= early.descriptors, "\(seen)")
        #expect(after < max(0.3, before * 1.5))
        #expect(watched > 20)
    }

    /// What each frame leaves behind shows after hours at a camera's pace: here a thousand come in a second. Threads have small
    /// stacks, so that what goes deeper with each frame ends sooner.
    @Test("a day's frames leave nothing behind", .enabled(if: SoakTests.seconds > 0, "TAVIS_SOAK is not set"))
    func manyFrames() throws {
        let place = try Workplace()
        let daemon = try place.daemon(
            place.daemonHead + """
                streams:
                  - name: many
                    profile: realtime
                    video: {kind: test, width: 64, height: 48, frame_rate: 1000}
                    audio: {kind: none}
                """, shell: "ulimit -s 1024")
        let start = Date()
        var seen: [Holdings] = []
        while -start.timeIntervalSinceNow < Self.seconds / 2, daemon.isRunning {
            Thread.sleep(forTimeInterval: 1)
            seen.append(Holdings(of: daemon.identifier))
        }
        let frames = try place.statuses().first?.video.received ?? 0
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
        let third = seen.count / 3
        let early = Holdings.most(seen[third..<(2 * third)]), late = Holdings.most(seen[(2 * third)...])
        print("soak, many: \(frames) frames in \(Int(Self.seconds / 2)) s; \(early), at the end \(late)")
        #expect(Double(frames) > 100 * Self.seconds, "a busy machine? \(frames) frames")
        #expect(late.kibibytes < early.kibibytes + 1024, "\(seen)")
    }

    @Test("nothing grows, all comes back", .enabled(if: SoakTests.seconds > 0, "TAVIS_SOAK is not set"))
    func soak() throws {
        let place = try Workplace(), camera = try Camera()
        let daemon = try place.daemon(
            place.daemonHead + """
                events: {file: \(place.path("events.jsonl"))}
                streams:
                  - name: film
                    video: {kind: rtsp, uri: "\(camera.address)", stall_timeout: 2}
                    outputs:
                      - {kind: rtsp, mount: /out}
                      - {kind: files, folder: \(place.path("files")), seconds: 10, disk_budget_megabytes: 10}
                      - {kind: hls, folder: \(place.path("hls"))}
                    record: {folder: \(place.path("clips")), seconds: 5, disk_budget_megabytes: 10}
                  - name: test
                    video: {kind: test, width: 160, height: 120, frame_rate: 15}
                    audio: {kind: test}
                  - name: gone
                    video: {kind: rtsp, uri: "rtsp://127.0.0.1:9/none"}
                """)
        let port = try #require(Workplace.port("rtsp server", daemon.said), "\(daemon.said)")
        let end = Date(timeIntervalSinceNow: Self.seconds / 2)
        var seen: [Holdings] = []
        var returns: [Double] = []
        var round = 0
        let longRound = Self.seconds < 600 ? nil : 2
        while Date() < end, daemon.isRunning {
            #expect(wait(30) { isUp(place) && isFast(place) }, "round \(round): \(daemon.said.suffix(500))")
            try disturb(place, round)
            let viewer = Viewer("rtsp://127.0.0.1:\(port)/out", keepsAll: false)
            #expect(wait(15) { viewer.seen.frameCount > 50 }, "round \(round): nothing to see")
            viewer.stop()
            seen.append(Holdings(of: daemon.identifier))
            camera.switchOff()
            #expect(wait(20) { !isUp(place) }, "round \(round): not missed")
            // A minute once, two seconds else.
            Thread.sleep(forTimeInterval: round == longRound ? 60 : 2)
            try camera.switchOn()
            let start = MediaClock.now
            #expect(wait(20) { isUp(place) }, "round \(round): not back")
            returns.append((MediaClock.now - start).seconds)
            round += 1
        }
        daemon.send(SIGTERM)
        let outcome = try daemon.wait()
        camera.switchOff()
        #expect(outcome.code == 0, "\(outcome.errors.suffix(2000))")
        try judge(seen, returns)
    }

    private func isUp(_ place: Workplace) -> Bool {
        let film = try? place.statuses().first { $0.name == "film" }
        return film?.video.isUp == true && film?.audio?.isUp == true
    }

    private func isFast(_ place: Workplace) -> Bool {
        (try? place.statuses().first { $0.name == "film" }?.sourceFramesPerSecond ?? 0 > 15) ?? false
    }

    /// What people do to a daemon.
    private func disturb(_ place: Workplace, _ round: Int) throws {
        try Data("{name: more, video: {kind: test, width: 64, height: 48}}".utf8).write(
            to: URL(filePath: place.path("more.yaml")))
        for arguments in [
            ["add", "more.yaml"], ["pause", "test"], ["reset-memory", "film"],
            ["record", "film", "--seconds", "2"],
            ["resume", "test"], ["reload"],
        ] {
            let outcome = try place.start(["ctl"] + arguments + ["--socket", place.path("c.sock")]).wait()
            #expect(outcome.code == 0, "round \(round), \(arguments): \(outcome.errors)")
        }
    }

    private func judge(_ seen: [Holdings], _ returns: [Double]) throws {
        // The first rounds fill what is kept: buffers, caches, code of GStreamer's elements.
        let early = Holdings.most(seen.dropFirst(2).prefix(max(2, seen.count / 3)))
        let late = Holdings.most(seen.suffix(max(2, seen.count / 3)))
        print(
            """
            soak: \(seen.count) rounds; early \(early); late \(late); live again after \
            \(returns.map { ($0 * 10).rounded() / 10 }) s
            """)
        #expect(seen.count >= 4)
        #expect(late.kibibytes < early.kibibytes + 24 * 1024, "\(seen)")
        #expect(late.threads <= early.threads + 4, "\(seen)")
        #expect(late.descriptors <= early.descriptors + 8, "\(seen)")
        #expect(returns.allSatisfy { $0 <= 5 }, "\(returns)")
    }
}
