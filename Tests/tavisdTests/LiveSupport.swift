// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Media
import Streaming
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

    /// A grey picture with a steady level of sound, at `/grey` of a server of its own.
    static func grey(port: Int = 0) throws -> FilmCamera {
        let (width, height) = (160, 120)
        return FilmCamera(
            try RTSPServer(address: "127.0.0.1", port: port), path: "/grey", width: width, height: height,
            frames: [[UInt8](repeating: 90, count: 3 * width * height)],
            sounds: [[Float](repeating: 0.1, count: 640)])
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
        var frameCount = 0
        var blocks: [AudioBlock] = []
    }
    private final class Store: Sendable {
        let state = Mutex(State())
    }

    private let store = Store()
    private let input: LiveInput

    var seen: State { store.state.withLock { $0 } }

    /// One connection for both, so that the server tells how they lie to each other.
    ///
    /// - Parameter keepsAll: false only counts the frames.
    init(_ uri: String, keepsAll: Bool = true) {
        let text = """
            rtspsrc name=source location=\(uri) protocols=tcp latency=300
            source. ! capsfilter caps=application/x-rtp,media=video ! decodebin ! videoconvert
            ! video/x-raw,format=RGB ! appsink name=video_in sync=false max-buffers=50
            source. ! capsfilter caps=application/x-rtp,media=audio ! decodebin ! audioconvert
            ! audio/x-raw,format=F32LE,layout=interleaved ! appsink name=audio_in sync=false max-buffers=500
            """
        let handlers = LiveInputHandlers(
            video: { [store] frame in
                store.state.withLock {
                    $0.frameCount += 1
                    if keepsAll { $0.frames.append(frame) }
                }
            },
            audio: { [store] block in
                if keepsAll { store.state.withLock { $0.blocks.append(block) } }
            })
        input = LiveInput(
            .init(.pipeline(text: text, name: "viewer"), tracks: [.video, .audio]), name: "viewer",
            handlers: handlers)
        input.start()
    }

    /// The highest rate over any five seconds, watched until it is above `enough` or the time is over: what else runs
    /// on the machine may hold up all for a while.
    func rate(enough: Double, within seconds: Double) -> Double {
        var counts: [(at: MediaTime, frames: Int)] = []
        var best = 0.0
        wait(seconds) {
            let now = (at: MediaClock.now, frames: seen.frameCount)
            counts.append(now)
            if let start = counts.last(where: { now.at - $0.at >= .seconds(5) }) {
                best = max(best, Double(now.frames - start.frames) / (now.at - start.at).seconds)
            }
            return best > enough
        }
        return best
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
    ///
    /// - Parameter shell: commands that a shell runs before.
    func daemon(_ config: String, shell: String? = nil) throws -> Running {
        try Data(config.utf8).write(to: URL(filePath: path("run.yaml")))
        let running = try start(["run", "--config", "run.yaml"], shell: shell)
        wait(20) { running.said.contains("http interface listens") || !running.isRunning }
        return running
    }

    /// What every configuration begins with: free ports, and a socket for `ctl`.
    var daemonHead: String { "http: {port: 0}\nrtsp: {port: 0}\ncontrol: {socket: \(path("c.sock"))}\n" }

    func ctl(_ arguments: String...) throws -> Outcome {
        try start(["ctl"] + arguments + ["--socket", path("c.sock")]).wait()
    }

    /// What `ctl` tells of all streams.
    func statuses() throws -> [StreamStatus] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(
            [StreamStatus].self, from: Data(try ctl("status", "--json").out.utf8))
    }

    /// At which one of the daemon's servers listens, as its log tells.
    static func port(_ server: String, _ said: String) -> Int? {
        said.split(separator: "\n").first { $0.contains(server) }
            .flatMap { $0.split(separator: " ").last { $0.hasPrefix("port=") } }
            .flatMap { Int($0.dropFirst(5)) }
    }
}

/// Asks the HTTP interface once and never reads the answer.
final class IdleClient {
    private let descriptor: Int32

    init?(port: Int, path: String) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        let request = "GET \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\r\n"
        guard isConnected, send(descriptor, request, request.utf8.count, 0) == request.utf8.count else {
            close(descriptor)
            return nil
        }
    }

    /// Whether an answer has come.
    var isAnswered: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 1
    }

    deinit { close(descriptor) }
}
