// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Media

@Suite("Live inputs", .serialized)
struct LiveInputTests {
    private func input(
        _ source: LiveSource, _ tracks: Set<LiveTrack>, _ caught: Catch,
        _ change: (inout LiveInput.Settings) -> Void = { _ in }
    ) -> LiveInput {
        var settings = LiveInput.Settings(source, tracks: tracks)
        change(&settings)
        let input = LiveInput(settings, name: "test", handlers: caught.handlers)
        input.start()
        return input
    }

    private func rtsp(_ uri: String, user: String? = nil, password: String? = nil) -> LiveSource {
        .rtsp(uri: uri, transport: .tcp, user: user, password: password)
    }

    @Test("made-up pictures and sound come, timed by the media clock")
    func testSources() throws {
        let (pictures, sound) = (Catch(), Catch())
        let inputs = [
            input(.testVideo(pattern: "smpte", width: 64, height: 48, frameRate: 20), [.video], pictures),
            input(.testAudio(wave: "sine", frequency: 440), [.audio], sound),
        ]
        wait(10, "30 frames") { pictures.now.frames >= 30 && sound.now.blocks >= 30 }
        let frame = try #require(pictures.now.lastFrame), block = try #require(sound.now.lastBlock)
        #expect(frame.width == 64 && frame.height == 48 && frame.duration == .milliseconds(50))
        #expect(
            abs((MediaClock.now - frame.pts).seconds) < 1 && abs((MediaClock.now - block.pts).seconds) < 1)
        #expect(block.samples.contains { abs($0) > 0.3 } && block.sampleRate == 48_000)
        for input in inputs { input.stop() }
        #expect(pictures.now.backwards == 0)
        let count = pictures.now.frames
        Thread.sleep(forTimeInterval: 0.2)
        #expect(pictures.now.frames == count)
    }

    @Test("a camera on the network: pictures and sound, each by its own connection")
    func camera() throws {
        let camera = try NetworkCamera()
        defer { camera.stop() }
        let (pictures, sound) = (Catch(), Catch())
        let inputs = [
            input(rtsp(camera.uri), [.video], pictures), input(rtsp(camera.uri), [.audio], sound),
        ]
        wait(15, "pictures and sound") { pictures.now.frames >= 20 && sound.now.blocks >= 10 }
        let frame = try #require(pictures.now.lastFrame)
        let middle = 3 * (frame.width * (frame.height / 2) + frame.width / 2)
        let red = frame.pixels[middle..<middle + 3]
        #expect(frame.width == 96 && red.first ?? 0 > 130 && red.last ?? 255 < 120)
        #expect(pictures.now.farthest < .seconds(2))
        #expect(camera.mount.status.clients ?? 0 >= 1)
        for input in inputs { input.stop() }
    }

    @Test("a server that dies comes back by itself, soon after it is there again")
    func restart() throws {
        let caught = Catch()
        var first: NetworkCamera? = try NetworkCamera()
        let port = try #require(first).server.port
        let input = input(rtsp(try #require(first).uri), [.video], caught) { $0.stallTimeout = .seconds(2) }
        wait(15, "pictures") { caught.now.frames >= 5 }
        first?.stop()
        first = nil
        wait(10, "the loss") { !caught.now.isUp }
        Thread.sleep(forTimeInterval: 2)
        // The old server must let go of the port first.
        var second: NetworkCamera?
        wait(10, "a new server") {
            second = second ?? (try? NetworkCamera(port: port))
            return second != nil
        }
        let start = MediaClock.now
        wait(15, "pictures again") { caught.now.isUp }
        #expect(MediaClock.now - start < .seconds(5))
        #expect(caught.now.ups == 2 && caught.now.backwards == 0)
        input.stop()
        second?.stop()
    }

    @Test("sound that stops is lost by itself and comes back by itself")
    func soundAlone() throws {
        let camera = try NetworkCamera()
        defer { camera.stop() }
        let (pictures, sound) = (Catch(), Catch())
        let inputs = [
            input(rtsp(camera.uri), [.video], pictures),
            input(rtsp(camera.uri), [.audio], sound) { $0.stallTimeout = .seconds(1) },
        ]
        wait(15, "pictures and sound") { pictures.now.frames >= 10 && sound.now.blocks >= 5 }
        camera.muted.withLock { $0 = [.audio] }
        wait(10, "the loss of sound") { !sound.now.isUp }
        #expect(pictures.now.isUp && pictures.now.ups == 1)
        camera.muted.withLock { $0 = [] }
        let start = MediaClock.now
        wait(15, "sound again") { sound.now.isUp }
        #expect(MediaClock.now - start < .seconds(5))
        #expect(pictures.now.ups == 1)
        for input in inputs { input.stop() }
    }

    @Test("pictures that change their size go on")
    func newSize() throws {
        let camera = try NetworkCamera()
        defer { camera.stop() }
        let caught = Catch()
        let input = input(rtsp(camera.uri), [.video], caught)
        wait(15, "pictures") { caught.now.frames >= 5 }
        camera.size.withLock { $0 = (160, 120) }
        let start = MediaClock.now
        wait(10, "larger pictures") { caught.now.lastFrame?.width == 160 }
        #expect(MediaClock.now - start < .seconds(5))
        #expect(caught.now.lastFrame?.height == 120)
        input.stop()
    }

    @Test("a camera that is not there, or says nothing, is tried again, and stopping never waits for it")
    func never() throws {
        let (absent, silent) = (Catch(), Catch())
        let listener = try #require(Listener())
        let inputs = [
            input(rtsp("rtsp://127.0.0.1:9/none"), [.video], absent),
            input(rtsp("rtsp://127.0.0.1:\(listener.port)/silent"), [.video], silent) {
                $0.connectTimeout = .seconds(1)
            },
        ]
        wait(15, "two failures each") { absent.now.errors.count >= 2 && silent.now.errors.count >= 2 }
        #expect(absent.now.errors.allSatisfy { $0.hasPrefix("rtsp://127.0.0.1:9/none: ") })
        #expect(absent.now.ups == 0 && silent.now.ups == 0)
        for input in inputs {
            let start = MediaClock.now
            input.stop()
            #expect(MediaClock.now - start < .seconds(4))
        }
    }

    @Test("a wrong password is an error without the password; the right one opens")
    func login() throws {
        let camera = try NetworkCamera(login: .init(user: "me", password: "s3cret"))
        defer { camera.stop() }
        let (wrong, right) = (Catch(), Catch())
        let inputs = [
            input(rtsp(camera.uri, user: "me", password: "wr0ng"), [.video], wrong),
            input(rtsp(camera.uri, user: "me", password: "s3cret"), [.video], right),
        ]
        wait(15, "one refused, one let in") { !wrong.now.errors.isEmpty && right.now.frames > 3 }
        #expect(wrong.now.ups == 0 && !wrong.now.errors.joined().contains("wr0ng"))
        for input in inputs { input.stop() }
    }

    @Test("pictures are decoded by what GStreamer ranks first, as it does decoders of the hardware")
    func decoder() throws {
        try GStreamer.start()
        guard let other = gst_registry_lookup_feature(gst_registry_get(), "openh264dec") else {
            print("there is one decoder of H.264 only: not tried which of two is used")
            return
        }
        let rank = gst_plugin_feature_get_rank(other)
        defer {
            gst_plugin_feature_set_rank(other, rank)
            gst_object_unref(UnsafeMutableRawPointer(other))
        }
        let camera = try NetworkCamera()
        defer { camera.stop() }
        for (rank, name) in [(1, "avdec_h264-"), (1000, "openh264dec")] {
            gst_plugin_feature_set_rank(other, guint(rank))
            let pipeline = try rtsp(camera.uri).pipeline([.video], latency: .milliseconds(200))
            try pipeline.setState(.playing)
            let sink = try pipeline.element("video_in")
            guard let sample = tavis_app_sink_pull(sink.raw, 10_000_000_000) else {
                Issue.record("no picture by \(name)")
                continue
            }
            tavis_sample_unref(sample)
            // GStreamer numbers what it makes by itself.
            #expect((0..<1000).contains { pipeline.has("\(name)\($0)") }, "\(name)")
        }
    }

    @Test("devices that are not there are named")
    func devices() {
        let (camera, microphone) = (Catch(), Catch())
        let inputs = [
            input(
                .v4l2(device: "/dev/video99", width: 640, height: 480, frameRate: 30), [.video], camera),
            input(.alsa(device: "hw:99"), [.audio], microphone),
        ]
        wait(10, "failures") { !camera.now.errors.isEmpty && !microphone.now.errors.isEmpty }
        #expect(camera.now.errors.first?.contains("/dev/video99") == true)
        #expect(microphone.now.errors.first?.contains("alsa hw:99") == true)
        for input in inputs { input.stop() }
    }

    @Test("a user's own pipeline feeds by its named sinks; one without them is refused by name")
    func ownPipeline() throws {
        let (good, bad) = (Catch(), Catch())
        let text = try String(
            contentsOfFile: "\(#filePath.split(separator: "/Tests/")[0])/config/own.pipeline", encoding: .utf8
        )
        let inputs = [
            input(.pipeline(text: text, name: "mine"), [.video, .audio], good),
            input(.pipeline(text: "videotestsrc ! fakesink", name: "wrong"), [.video], bad),
        ]
        wait(10, "data and an error") {
            good.now.frames > 5 && good.now.blocks > 5 && !bad.now.errors.isEmpty
        }
        #expect(bad.now.errors.first?.contains("video_in") == true)
        for input in inputs { input.stop() }
    }

    @Test("a hundred reconnections in a row leave nothing behind")
    func flat() {
        let caught = Catch()
        let source = LiveSource.pipeline(
            text:
                "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=32,height=32 ! appsink name=video_in",
            name: "short")
        func reconnect(_ times: Int) -> Int {
            let input = input(source, [.video], caught) {
                ($0.backOff.first, $0.backOff.longest) = (.milliseconds(5), .milliseconds(5))
            }
            wait(60, "\(times) connections") { input.counters.connections >= times }
            input.stop()
            return input.counters.connections
        }
        _ = reconnect(5)
        Thread.sleep(forTimeInterval: 0.3)
        let before = Holdings()
        #expect(reconnect(100) >= 100)
        Thread.sleep(forTimeInterval: 0.3)
        let after = Holdings()
        // Other tests run beside this one; each connection has several of both.
        #expect(after.descriptors <= before.descriptors + 60, "\(before) \(after)")
        #expect(after.threads <= before.threads + 60, "\(before) \(after)")
        #expect(caught.now.backwards == 0)
    }

    @Test("times that cannot be right are replaced, and never go backwards")
    func times() {
        var times = LiveTimes()
        #expect(times.place(.seconds(100), at: .seconds(100.2)) == (.seconds(100), true))
        #expect(times.place(.seconds(500), at: .seconds(100.3)) == (.seconds(100.3), false))
        #expect(times.place(.seconds(100.1), at: .seconds(100.4)).time > .seconds(100.3))
        #expect(times.place(nil, at: .seconds(101)) == (.seconds(101), false))
    }

    @Test("waits grow up to the limit and are never the same")
    func backOff() {
        let waits = (1...20).map { BackOff().wait(after: $0).seconds }
        #expect((0.37...0.63).contains(waits[0]) && waits.allSatisfy { $0 <= 3.76 })
        #expect(Set(waits.suffix(10)).count == 10 && waits.suffix(10).allSatisfy { $0 >= 2.24 })
    }
}
