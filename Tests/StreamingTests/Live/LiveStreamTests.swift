// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Synchronization
import TensorEngine
import Testing

@testable import Streaming

/// Keeps what it is given; may hang.
private final class StandInOutput: LiveOutput {
    private struct State {
        var frames: [VideoFrame] = []
        var blocks = 0
        var isStopped = false
    }
    private let state = Mutex(State())

    var frames: [VideoFrame] { state.withLock { $0.frames } }
    var blocks: Int { state.withLock { $0.blocks } }
    var isStopped: Bool { state.withLock { $0.isStopped } }

    func take(_ frame: VideoFrame) { state.withLock { $0.frames.append(frame) } }
    func take(_ block: AudioBlock) { state.withLock { $0.blocks += 1 } }
    func stop() { state.withLock { $0.isStopped = true } }
    var status: LiveOutputStatus {
        var status = LiveOutputStatus(name: "stand-in")
        status.framesWritten = frames.count
        return status
    }
}

/// A model that takes its time, or fails.
private final class SlowSegmenter: FrameSegmenter {
    let classNames = ["background", "loud", "quiet"]
    let inner = SyntheticSegmenter()
    let seconds: Mutex<Double>
    /// Time shrinks with the picture.
    private var share = 1.0

    init(seconds: Double) { self.seconds = Mutex(seconds) }

    func hear(_ samples: [Float]) throws -> HeardSound { inner.hear(samples) }
    func segment(_ frame: VideoFrame, slots: [Int]?) throws -> Tensor {
        Thread.sleep(forTimeInterval: seconds.withLock { $0 } * share * share)
        return inner.segment(frame, slots: slots)
    }
    func use(_ economy: Economy) { share = economy.side }
}

@Suite("Live streams", .serialized)
struct LiveStreamTests {
    private static let size = (width: 32, height: 16)

    /// A picture whose left half is bright.
    private func frame() -> VideoFrame {
        var pixels = [UInt8](repeating: 20, count: 3 * Self.size.width * Self.size.height)
        for y in 0..<Self.size.height {
            for x in 0..<Self.size.width / 2 {
                for channel in 0..<3 { pixels[3 * (y * Self.size.width + x) + channel] = 230 }
            }
        }
        return VideoFrame(
            width: Self.size.width, height: Self.size.height, pts: MediaClock.now, duration: nil,
            pixels: pixels)
    }

    private func sound(_ amplitude: Float) -> AudioBlock {
        let samples = (0..<640).map { amplitude * ($0.isMultiple(of: 2) ? 1 : -1) }
        return AudioBlock(
            pts: MediaClock.now - .milliseconds(40), sampleRate: 16_000, channels: 1, samples: samples)
    }

    /// Plays frames and sound at 25 per second.
    private func play(_ stream: LiveStream, seconds: Double, amplitude: Float = 0.8) {
        for _ in 0..<Int(seconds * 25) {
            stream.take(sound(amplitude))
            stream.take(frame())
            Thread.sleep(forTimeInterval: 0.04)
        }
    }

    private func running(_ make: @escaping SegmentWorker.MakeSegmenter, _ stream: LiveStream) -> SegmentWorker
    {
        let worker = SegmentWorker()
        worker.start()
        worker.add(stream, make)
        stream.note(.video, .up)
        stream.note(.audio, .up)
        return worker
    }

    @Test("the worker is woken the same way however many frames have come")
    func wakes() {
        let stream = LiveStream(.init(name: "door"))
        // Where on the stack each call arrives.
        let places = Mutex<[UInt]>([])
        stream.onFrame {
            withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1) { onStack in
                places.withLock { $0.append(UInt(bitPattern: onStack.baseAddress)) }
            }
        }
        for _ in 0..<1000 { stream.take(frame()) }
        stream.stop()
        let seen = places.withLock { $0 }
        #expect(seen.count == 1000 && Set(seen).count == 1, "calls go deeper: \(Set(seen).count) depths")
    }

    @Test("frames go out at the source's rate with masks of what is heard, and objects are told")
    func marks() throws {
        let output = StandInOutput(), clean = StandInOutput(), masks = StandInOutput()
        let events = Mutex<[(LiveEvent.Kind, String?)]>([])
        let outputs = [
            StreamOutput(output), StreamOutput(clean, picture: .clean), StreamOutput(masks, picture: .masks),
        ]
        let stream = LiveStream(.init(name: "door"), outputs: outputs) { kind, object, _ in
            events.withLock { $0.append((kind, object?.class)) }
        }
        let worker = running({ SyntheticSegmenter() }, stream)
        play(stream, seconds: 2)
        let status = stream.status
        #expect(status.state == .running, "\(status.reasons)")
        #expect(status.objects.map(\.class) == ["loud", "loud"])
        #expect(status.objects.allSatisfy { $0.state == .sounding })
        #expect(status.gate == "open" && status.framesSegmented > 10)
        #expect(output.frames.count >= 45 && output.blocks == 50)
        let last = try #require(output.frames.last)
        // One is the left half, the other the right one; both are drawn.
        #expect(status.objects.map(\.box) == [[0, 0, 16, 16], [16, 0, 16, 16]])
        let middle = 3 * (8 * Self.size.width)
        #expect(last.pixels[middle + 12] != 230 && last.pixels[middle + 72] != 20)
        #expect(stream.picture(overlaid: false)?.pixels[middle + 12] == 230)
        #expect(clean.frames.last?.pixels[middle + 12] == 230 && clean.frames.last?.pixels[middle + 72] == 20)
        let drawn = try #require(masks.frames.last)
        for (index, object) in status.objects.enumerated() {
            let color = Palette.color(ofObject: object.id), at = middle + [12, 72][index]
            #expect(Array(drawn.pixels[at..<at + 3]) == [color.red, color.green, color.blue])
        }
        // A window of sound, then the time after which what is silent is lost.
        play(stream, seconds: 5, amplitude: 0)
        #expect(stream.status.objects.allSatisfy { $0.state != .sounding })
        let told = events.withLock { $0 }.filter { $0.0 != .stream }
        #expect(told.first?.0 == .start && told.contains { $0.0 == .update } && told.last?.0 == .end)
        worker.stop()
        stream.stop()
        #expect(output.isStopped)
    }

    @Test(
        "a model three times too slow: frames keep their rate and latency, drops are counted, quality gives way and returns"
    )
    func overload() {
        let output = StandInOutput()
        var settings = LiveStream.Settings(name: "slow")
        settings.ladder.ceiling = .milliseconds(80)
        settings.ladder.period = .milliseconds(300)
        settings.ladder.calm = .milliseconds(600)
        settings.maskWait = .milliseconds(30)
        let levels = Mutex<[String]>([])
        let stream = LiveStream(settings, outputs: [StreamOutput(output)]) { _, _, detail in
            if let detail, detail.hasPrefix("economy") { levels.withLock { $0.append(detail) } }
        }
        let seconds = Mutex(0.12)
        let worker = running(
            {
                let slow = SlowSegmenter(seconds: 0)
                slow.seconds.withLock { $0 = seconds.withLock { $0 } }
                return slow
            }, stream)
        play(stream, seconds: 4)
        let status = stream.status
        #expect((status.latencySeconds95 ?? 9) < 0.2, "\(status)")
        #expect(output.frames.count >= 80)
        #expect((status.framesDropped["newer_frame"] ?? 0) > 10)
        #expect(status.economyLevel > 0 && status.state == .degraded)
        seconds.withLock { $0 = 0 }
        worker.replace("slow") { SyntheticSegmenter() }
        play(stream, seconds: 14)
        #expect(stream.status.economyLevel == 0, "\(levels.withLock { $0 })")
        worker.stop()
        stream.stop()
    }

    @Test("a fast model gets the frames that still wait for their masks, a slow one the newest")
    func nextFrame() {
        var settings = LiveStream.Settings(name: "next")
        settings.maskWait = .seconds(10)
        let stream = LiveStream(settings)
        for _ in 0..<5 { stream.take(frame()) }
        // Three are kept.
        #expect(stream.status.framesDropped["newer_frame"] == 2)
        let first = stream.nextArrival(at: MediaClock.now, work: .milliseconds(10))
        let last = stream.nextArrival(at: MediaClock.now, work: .seconds(11))
        #expect(first != nil && last != nil && (first?.time ?? .zero) < (last?.time ?? .zero))
        #expect(stream.status.framesDropped["newer_frame"] == 3)
        #expect(stream.nextArrival(at: MediaClock.now, work: .zero) == nil)
        stream.stop()
    }

    @Test("a source that is down shows a card that says so, never its last picture")
    func down() throws {
        let output = StandInOutput()
        let stream = LiveStream(.init(name: "gone"), outputs: [StreamOutput(output)])
        stream.note(.video, .up)
        stream.take(frame())
        Thread.sleep(forTimeInterval: 0.3)
        let live = try #require(output.frames.last)
        let error = MediaError(.stalled, "rtsp://camera/1", "nothing came for 5.0 s")
        stream.note(.video, .down(error, retryIn: .seconds(1)))
        Thread.sleep(forTimeInterval: 0.8)
        let card = try #require(output.frames.last)
        #expect(card.pixels != live.pixels && card.width == live.width && card.pts > live.pts)
        #expect(stream.status.state == .down)
        #expect(stream.status.reasons == ["no picture: rtsp://camera/1: nothing came for 5.0 s"])
        stream.note(.video, .up)
        #expect(stream.status.video.reconnects == 1)
        stream.stop()
    }

    @Test("a model that fails is told once and tried again; frames go on without masks")
    func failing() {
        let output = StandInOutput()
        let told = Mutex<[String]>([])
        let stream = LiveStream(.init(name: "bad"), outputs: [StreamOutput(output)]) { _, _, detail in
            if let detail { told.withLock { $0.append(detail) } }
        }
        let isBroken = Mutex(true)
        let worker = running(
            {
                let segmenter = SyntheticSegmenter()
                if isBroken.withLock({ $0 }) { segmenter.logitDefect = .nan }
                return segmenter
            }, stream)
        play(stream, seconds: 1)
        #expect(stream.status.reasons.contains { $0.contains("not finite") })
        #expect(told.withLock { $0 }.count { $0.contains("the model fails") } == 1)
        #expect(output.frames.count >= 20)
        isBroken.withLock { $0 = false }
        play(stream, seconds: 3)
        #expect(stream.status.objects.map(\.class) == ["loud", "loud"])
        worker.stop()
        stream.stop()
    }

    @Test("a paused stream takes nothing and says so; resumed, it goes on")
    func paused() {
        let output = StandInOutput()
        let stream = LiveStream(.init(name: "p"), outputs: [StreamOutput(output)])
        let worker = running({ SyntheticSegmenter() }, stream)
        stream.setPaused(true)
        play(stream, seconds: 0.5)
        #expect(stream.status.state == .paused && stream.status.framesSegmented == 0)
        #expect(stream.status.video.received == 0)
        stream.setPaused(false)
        play(stream, seconds: 0.5)
        #expect(stream.status.framesSegmented > 0 && stream.status.audioLevel != nil)
        Thread.sleep(forTimeInterval: 0.2)
        stream.setPaused(true)
        #expect(stream.status.audioLevel == nil && stream.status.gate == "absent")
        worker.stop()
        stream.stop()
    }

    @Test("one worker serves several streams in turn")
    func several() {
        let streams = (0..<3).map { LiveStream(.init(name: "s\($0)")) }
        let worker = SegmentWorker()
        worker.start()
        for stream in streams { worker.add(stream) { SlowSegmenter(seconds: 0.02) } }
        for _ in 0..<40 {
            for stream in streams {
                stream.take(sound(0.8))
                stream.take(frame())
            }
            Thread.sleep(forTimeInterval: 0.04)
        }
        let counts = streams.map(\.status.framesSegmented)
        #expect((counts.min() ?? 0) > 5 && (counts.max() ?? 0) < 2 * (counts.min() ?? 0), "\(counts)")
        worker.stop()
        for stream in streams { stream.stop() }
    }
}
