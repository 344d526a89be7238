// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Media

@Suite("Live outputs", .serialized)
struct LiveOutputTests {
    private final class Folder {
        let path = NSTemporaryDirectory() + "/live-out-\(UUID().uuidString)"
        deinit { try? FileManager.default.removeItem(atPath: path) }
        var files: [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
        }
    }

    private func frame(_ count: Int, at time: MediaTime, width: Int = 96, height: Int = 64) -> VideoFrame {
        var pixels = [UInt8](repeating: 40, count: 3 * width * height)
        for index in pixels.indices where index / (3 * width) == count % height { pixels[index] = 250 }
        return VideoFrame(width: width, height: height, pts: time, duration: nil, pixels: pixels)
    }

    /// Twenty pictures a second for so long, as fast as the output takes them.
    private func play(
        _ output: any LiveOutput, from start: Double, seconds: Double, sound: Bool = true, width: Int = 96
    ) {
        for step in 0..<Int(seconds * 20) {
            let time = MediaTime.seconds(start + Double(step) / 20)
            output.take(frame(step, at: time, width: width))
            if sound { output.take(NetworkCamera.tone(at: time + .milliseconds(50))) }
            Thread.sleep(forTimeInterval: 0.025)
        }
    }

    @Test("files follow one another, are whole, and have pictures and sound")
    func files() throws {
        let folder = Folder()
        let output = PipelineOutput(
            .files(folder: folder.path, container: .mp4, seconds: 2, bytes: nil, diskBudget: 1 << 30),
            stream: "door", hasAudio: true, bitrate: 300)
        play(output, from: 1000, seconds: 7)
        output.stop()
        #expect(output.status.problem == nil && output.status.framesWritten > 130)
        #expect(
            folder.files.count >= 3 && folder.files.allSatisfy { $0.hasPrefix("door-2") }, "\(folder.files)")
        var frames = 0
        for name in folder.files {
            let reader = try MediaReader("\(folder.path)/\(name)")
            #expect(reader.info.hasAudio)
            while try reader.nextVideoFrame() != nil { frames += 1 }
        }
        #expect(frames == output.status.framesWritten)
    }

    @Test("what was written before a kill can be played", arguments: [LiveOutputKind.Container.mp4, .mkv])
    func killed(_ container: LiveOutputKind.Container) throws {
        let folder = Folder()
        let output = PipelineOutput(
            .files(folder: folder.path, container: container, seconds: 600, bytes: nil, diskBudget: 1 << 30),
            stream: "door", hasAudio: true, bitrate: 300)
        play(output, from: 5, seconds: 6)
        let name = try #require(folder.files.first)
        // What the disk would hold after a power cut: a copy while it is being written.
        let copy = "\(folder.path)/copy.\(container.rawValue)"
        try FileManager.default.copyItem(atPath: "\(folder.path)/\(name)", toPath: copy)
        let reader = try MediaReader(copy)
        var frames = 0
        while (try? reader.nextVideoFrame()) != nil, frames < 200 { frames += 1 }
        #expect(frames >= 40, "\(frames) frames")
        output.stop()
    }

    @Test("without sound for a while the pictures go on, with silence")
    func silence() throws {
        let folder = Folder()
        let output = PipelineOutput(
            .files(folder: folder.path, container: .mp4, seconds: 600, bytes: nil, diskBudget: 1 << 30),
            stream: "door", hasAudio: true, bitrate: 300)
        play(output, from: 0, seconds: 1)
        play(output, from: 1, seconds: 3, sound: false)
        play(output, from: 4, seconds: 1)
        output.stop()
        // They come twice as fast as they are timed, and the muxer waits for sound at times.
        #expect(output.status.framesWritten >= 60 && output.status.problem == nil, "\(output.status)")
        let reader = try MediaReader("\(folder.path)/\(try #require(folder.files.first))")
        var end = MediaTime.zero, frames = 0
        while try reader.nextVideoFrame() != nil { frames += 1 }
        while let block = try reader.nextAudioBlock() { end = block.end }
        #expect(frames == output.status.framesWritten && abs(end.seconds - 5) < 0.5)
    }

    @Test("pictures of another size begin another file")
    func newSize() throws {
        let folder = Folder()
        let output = PipelineOutput(
            .files(folder: folder.path, container: .mp4, seconds: 600, bytes: nil, diskBudget: 1 << 30),
            stream: "door", hasAudio: false, bitrate: 300)
        play(output, from: 0, seconds: 1.5)
        play(output, from: 2, seconds: 1.5, width: 128)
        output.stop()
        let widths = try folder.files.map { try MediaReader("\(folder.path)/\($0)").info.video?.width }
        #expect(widths == [96, 128])
    }

    @Test("the oldest files of the stream go when there are too many bytes, and no others")
    func budget() throws {
        let folder = Folder()
        try FileManager.default.createDirectory(atPath: folder.path, withIntermediateDirectories: true)
        let kept = [
            "door-1.mp4", "doors-20260101-000000.mp4", "door-20260101-000000.txt", "door-x-000000.mp4",
        ]
        let own = ["door-20260101-000001.mp4", "door-20260101-000001_1.mp4", "door-20260102-000000.mkv"]
        for name in kept + own {
            try Data(count: 1000).write(to: URL(filePath: "\(folder.path)/\(name)"))
        }
        for name in ["door-20260101-000002.mp4", "doors-20260101-000002.mp4"] {
            try Data().write(to: URL(filePath: "\(folder.path)/\(name)"))
        }
        FileBudget(folder: folder.path, stream: "door", bytes: 10_000).removeEmpty()
        #expect(folder.files == (kept + own + ["doors-20260101-000002.mp4"]).sorted())
        FileBudget(folder: folder.path, stream: "doors", bytes: 10_000).removeEmpty()
        #expect(folder.files == (kept + own).sorted())
        FileBudget(folder: folder.path, stream: "door", bytes: 1500).enforce()
        #expect(folder.files == (kept + ["door-20260102-000000.mkv"]).sorted())
        // From when the clock was wrong.
        try Data(count: 1000).write(to: URL(filePath: "\(folder.path)/door-29990101-000000.mp4"))
        FileBudget(folder: folder.path, stream: "door", bytes: 10).enforce()
        #expect(folder.files == (kept + ["door-20260102-000000.mkv"]).sorted())
    }

    @Test("stamped names are in the order of time; those ahead of it come first")
    func stamps() {
        let now = Date(timeIntervalSince1970: 1_767_312_000)  // 2026-01-02 00:00:00
        let names = [
            "a-20260102-000100", "a-20260102-000059", "a-20270101-000000", "a-20260101-000000",
            "a-20260102-000101", "a-20260102-000100_1",
        ]
        #expect(StampedName.text("a", at: now) == "a-20260102-000000")
        #expect(
            StampedName.ordered(names, of: "a", at: now) == [
                "a-20260102-000100_1", "a-20260102-000101", "a-20270101-000000", "a-20260101-000000",
                "a-20260102-000059", "a-20260102-000100",
            ])
    }

    @Test("a folder that cannot be made is a problem that is told, and mended when it goes")
    func unwritable() throws {
        let folder = Folder()
        try Data().write(to: URL(filePath: folder.path))
        let output = PipelineOutput(
            .files(
                folder: folder.path + "/sub", container: .mp4, seconds: 60, bytes: nil, diskBudget: 1 << 30),
            stream: "a", hasAudio: false, bitrate: 300)
        play(output, from: 0, seconds: 1)
        #expect(output.status.problem?.contains("cannot be made") == true && output.status.restarts > 0)
        try FileManager.default.removeItem(atPath: folder.path)
        play(output, from: 1, seconds: 8)
        #expect(output.status.problem == nil && output.status.framesWritten > 0)
        output.stop()
    }

    @Test("an HLS folder has a playlist of segments that are there")
    func hls() throws {
        let folder = Folder()
        let output = PipelineOutput(
            .hls(folder: folder.path, targetSeconds: 1, keep: 3), stream: "a", hasAudio: true, bitrate: 300)
        play(output, from: 0, seconds: 8)
        output.stop()
        let playlist = try String(contentsOfFile: folder.path + "/playlist.m3u8", encoding: .utf8)
        let segments = playlist.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(playlist.hasPrefix("#EXTM3U") && (1...3).contains(segments.count), "\(playlist)")
        for segment in segments { #expect(folder.files.contains(String(segment))) }
        #expect(folder.files.count <= 7)
    }

    @Test("an output that does not get on takes nothing of its giver's time, and counts what it drops")
    func slow() {
        let output = PipelineOutput(.v4l2(device: "/dev/video99"), stream: "a", hasAudio: false, bitrate: 300)
        let start = MediaClock.now
        for step in 0..<500 { output.take(frame(step, at: .milliseconds(Int64(step) * 40))) }
        #expect(MediaClock.now - start < .milliseconds(500))
        wait(5, "a problem") { output.status.problem != nil }
        #expect(output.status.framesDropped > 400 && output.status.problem?.contains("/dev/video99") == true)
        output.stop()
    }

    @Test("a viewer that reads nothing does not stop the others, nor what gives the pictures")
    func stuckViewer() throws {
        let server = try RTSPServer(address: "127.0.0.1", port: 0)
        let mount = RTSPMount(server, path: "/noise", hasAudio: false, bitrate: 8000)
        // Noise fills the buffers of the kernel within a second or two.
        let pictures = (0..<8).map { _ in (0..<3 * 320 * 240).map { _ in UInt8.random(in: 0...255) } }
        let slowest = Mutex(MediaTime.zero), isOpen = Mutex(true)
        let ended = DispatchSemaphore(value: 0)
        Thread {
            var count = 0
            while isOpen.withLock({ $0 }) {
                let start = MediaClock.now
                mount.take(
                    VideoFrame(
                        width: 320, height: 240, pts: start, duration: nil, pixels: pictures[count % 8]))
                slowest.withLock { $0 = max($0, MediaClock.now - start) }
                count += 1
                Thread.sleep(forTimeInterval: 0.05)
            }
            ended.signal()
        }.start()
        let stuck = try #require(StuckViewer(port: server.port, path: "/noise"))
        let caught = Catch()
        let uri = "rtsp://127.0.0.1:\(server.port)/noise"
        let viewer = LiveInput(
            .init(.rtsp(uri: uri, transport: .tcp, user: nil, password: nil), tracks: [.video]),
            name: "viewer", handlers: caught.handlers)
        viewer.start()
        wait(15, "pictures") { caught.now.frames > 10 }
        #expect(mount.status.clients == 2)
        let (before, start) = (caught.now.frames, MediaClock.now)
        Thread.sleep(forTimeInterval: 12)
        let rate = Double(caught.now.frames - before) / (MediaClock.now - start).seconds
        print(
            "beside a viewer that reads nothing \(rate) frames/s; the longest push \(slowest.withLock { $0 })"
        )
        #expect(rate > 14 && caught.now.ups == 1)
        #expect(slowest.withLock { $0 } < .milliseconds(200))
        withExtendedLifetime(stuck) { viewer.stop() }
        isOpen.withLock { $0 = false }
        ended.wait()
        mount.stop()
    }

    @Test("a port that is taken is an error that names it")
    func takenPort() throws {
        let server = try RTSPServer(address: "127.0.0.1", port: 0)
        let error = #expect(throws: MediaError.self) {
            try RTSPServer(address: "127.0.0.1", port: server.port)
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains(":\(server.port): cannot listen"))
    }

    @Test("a JPEG shows the picture, at most as wide as asked", arguments: [nil, 64])
    func jpeg(_ maxWidth: Int?) throws {
        let encoder = JPEGEncoder(quality: 90)
        let picture = frame(3, at: .zero, width: 96, height: 48)
        let bytes = try encoder.encode(picture, maxWidth: maxWidth)
        _ = try encoder.encode(picture, maxWidth: maxWidth)
        let path = NSTemporaryDirectory() + "/picture-\(UUID().uuidString).jpg"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(bytes).write(to: URL(filePath: path))
        let decoded = try #require(try MediaReader(path).nextVideoFrame())
        #expect(decoded.width == maxWidth ?? 96 && decoded.height == decoded.width / 2)
        let last = decoded.pixels.suffix(3)
        #expect(last.allSatisfy { abs(Int($0) - 40) < 12 })
    }
}
