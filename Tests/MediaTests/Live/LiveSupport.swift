// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

@testable import Media

/// Waits until something holds, at most so long.
func wait(_ seconds: Double, _ what: String = "", until holds: () -> Bool) {
    let end = Date(timeIntervalSinceNow: seconds)
    while !holds(), Date() < end { Thread.sleep(forTimeInterval: 0.02) }
    #expect(holds(), "\(what) did not happen within \(seconds) s")
}

/// Keeps what an input hands out.
final class Catch: Sendable {
    struct State: Sendable {
        var frames = 0, blocks = 0
        var lastFrame: VideoFrame?
        var lastBlock: AudioBlock?
        var isUp = false
        var ups = 0
        var errors: [String] = []
        var backwards = 0
        var farthest = MediaTime.zero
    }
    let state = Mutex(State())
    var now: State { state.withLock { $0 } }

    var handlers: LiveInputHandlers {
        LiveInputHandlers(
            video: { [self] frame in
                state.withLock { state in
                    if let last = state.lastFrame, frame.pts <= last.pts { state.backwards += 1 }
                    state.farthest = max(state.farthest, MediaClock.now - frame.pts)
                    (state.frames, state.lastFrame) = (state.frames + 1, frame)
                }
            },
            audio: { [self] block in
                state.withLock { state in (state.blocks, state.lastBlock) = (state.blocks + 1, block) }
            },
            state: { [self] new in
                state.withLock { state in
                    switch new {
                    case .up: (state.isUp, state.ups) = (true, state.ups + 1)
                    case .down(let error, _):
                        state.isUp = false
                        state.errors.append(error.description)
                    case .connecting, .stopped: break
                    }
                }
            })
    }
}

/// A camera on the network: a mount of a server of its own, fed with 20 pictures a second and a tone.
final class NetworkCamera: Sendable {
    let server: RTSPServer
    let mount: RTSPMount
    private let isOpen = Mutex(true)
    private let ended = DispatchSemaphore(value: 0)
    /// Pictures, or sound, stop coming.
    let muted = Mutex<Set<LiveTrack>>([])
    let size: Mutex<(width: Int, height: Int)>

    init(port: Int = 0, size: (width: Int, height: Int) = (96, 64), login: RTSPServer.Login? = nil) throws {
        server = try RTSPServer(address: "127.0.0.1", port: port, login: login)
        mount = RTSPMount(server, path: "/camera", hasAudio: true, bitrate: 500)
        self.size = Mutex(size)
        let thread = Thread { [self] in feed() }
        thread.start()
    }

    var uri: String { "rtsp://127.0.0.1:\(server.port)/camera" }

    func stop() {
        isOpen.withLock { $0 = false }
        ended.wait()
        mount.stop()
    }

    private func feed() {
        var count = 0
        while isOpen.withLock({ $0 }) {
            let now = MediaClock.now, muted = muted.withLock { $0 }
            if !muted.contains(.video) { mount.take(picture(at: now, count)) }
            if !muted.contains(.audio) { mount.take(Self.tone(at: now)) }
            count += 1
            Thread.sleep(forTimeInterval: 0.05)
        }
        ended.signal()
    }

    /// Red, with a bright line that moves.
    private func picture(at time: MediaTime, _ count: Int) -> VideoFrame {
        let (width, height) = size.withLock { $0 }
        var pixels = [UInt8]()
        pixels.reserveCapacity(3 * width * height)
        for y in 0..<height {
            for _ in 0..<width { pixels += y == count % height ? [255, 255, 255] : [200, 30, 30] }
        }
        return VideoFrame(
            width: width, height: height, pts: time, duration: .milliseconds(50), pixels: pixels)
    }

    static func tone(at time: MediaTime, rate: Int = 16_000) -> AudioBlock {
        AudioBlock(
            pts: time - .milliseconds(50), sampleRate: rate, channels: 1,
            samples: (0..<rate / 20).map { 0.3 * sin(Float($0) * 0.1) })
    }
}

/// What the process holds of the system.
struct Holdings: CustomStringConvertible {
    var descriptors: Int
    var threads: Int
    var kibibytes: Int

    init() {
        func count(_ folder: String) -> Int {
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).count
        }
        (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"))
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ")
        kibibytes = (pages?.dropFirst().first.flatMap { Int($0) } ?? 0) * 4
    }

    var description: String { "\(kibibytes) KiB, \(threads) threads, \(descriptors) descriptors" }
}
