// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Synchronization

/// A camera on the network that plays pictures and sound over and over, 25 pictures a second.
final class FilmCamera: Sendable {
    let server: RTSPServer
    private let mount: RTSPMount
    private let isOpen = Mutex(true)
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - frames: `[height, width, 3]` each, as many as there are sounds.
    ///   - sounds: of each frame, 640 samples at 16 kHz.
    init(_ server: RTSPServer, path: String, width: Int, height: Int, frames: [[UInt8]], sounds: [[Float]]) {
        self.server = server
        mount = RTSPMount(server, path: path, hasAudio: true, bitrate: 4000)
        let thread = Thread { [self] in
            let start = MediaClock.now
            var count = 0
            while isOpen.withLock({ $0 }) {
                let time = start + .milliseconds(Int64(count) * 40)
                let ahead = time - MediaClock.now
                if ahead > .zero { Thread.sleep(forTimeInterval: ahead.seconds) }
                let index = count % frames.count
                mount.take(
                    AudioBlock(pts: time, sampleRate: 16_000, channels: 1, samples: sounds[index]))
                mount.take(
                    VideoFrame(
                        width: width, height: height, pts: time, duration: .milliseconds(40),
                        pixels: frames[index]))
                count += 1
            }
            ended.signal()
        }
        thread.start()
    }

    func stop() {
        isOpen.withLock { $0 = false }
        ended.wait()
        mount.stop()
    }
}

/// What a viewer gets.
final class Viewer: Sendable {
    struct State: Sendable {
        var frames: [VideoFrame] = []
        var blocks: [AudioBlock] = []
    }
    private final class Store: Sendable {
        let state = Mutex(State())
    }

    private let store = Store()
    private let input: LiveInput

    var seen: State { store.state.withLock { $0 } }

    /// One connection for both, so that the server tells how they lie to each other.
    init(_ uri: String) {
        let text = """
            rtspsrc name=source location=\(uri) protocols=tcp latency=300
            source. ! application/x-rtp,media=video ! decodebin ! videoconvert ! video/x-raw,format=RGB
            ! appsink name=video_in sync=false max-buffers=50
            source. ! application/x-rtp,media=audio ! decodebin ! audioconvert
            ! audio/x-raw,format=F32LE,layout=interleaved ! appsink name=audio_in sync=false max-buffers=500
            """
        let handlers = LiveInputHandlers(
            video: { [store] frame in store.state.withLock { $0.frames.append(frame) } },
            audio: { [store] block in store.state.withLock { $0.blocks.append(block) } })
        input = LiveInput(
            .init(.pipeline(text: text, name: "viewer"), tracks: [.video, .audio]), name: "viewer",
            handlers: handlers)
        input.start()
    }

    func stop() { input.stop() }
}

/// Whether it held before the time was over.
@discardableResult
func wait(_ seconds: Double, until holds: () -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    while true {
        if holds() { return true }
        if Date() >= end { return false }
        Thread.sleep(forTimeInterval: 0.05)
    }
}

extension Workplace {
    /// Starts the daemon and waits until it is ready.
    func daemon(_ config: String) throws -> Running {
        try Data(config.utf8).write(to: URL(filePath: path("run.yaml")))
        let running = try start(["run", "--config", "run.yaml"])
        wait(20) { running.said.contains("http interface listens") || !running.isRunning }
        return running
    }

    /// What every configuration begins with: free ports, and a socket for `ctl`.
    var daemonHead: String { "http: {port: 0}\nrtsp: {port: 0}\ncontrol: {socket: \(path("c.sock"))}\n" }

    func ctl(_ arguments: String...) throws -> Outcome {
        try start(["ctl"] + arguments + ["--socket", path("c.sock")]).wait()
    }

    /// Where the daemon serves RTSP, as its log tells.
    static func rtspPort(_ said: String) -> Int? {
        said.split(separator: "\n").first { $0.contains("rtsp server") }
            .flatMap { $0.split(separator: " ").last { $0.hasPrefix("port=") } }
            .flatMap { Int($0.dropFirst(5)) }
    }
}
