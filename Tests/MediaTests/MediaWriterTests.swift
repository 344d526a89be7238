// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Foundation
import Testing

@testable import Media

@Suite struct MediaWriterTests {
    private func frame(_ width: Int, _ height: Int, at pts: MediaTime, for duration: MediaTime) -> VideoFrame
    {
        let pixels = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: 40 + $0 / 3 % width) }
        return VideoFrame(width: width, height: height, pts: pts, duration: duration, pixels: pixels)
    }

    /// At most what rounding to the container's clock may take.
    private func expectSame(_ a: [MediaTime], _ b: [MediaTime], within tolerance: MediaTime) {
        #expect(a.count == b.count)
        let worst = zip(a, b).map { abs(($0 - $1).nanoseconds) }.max() ?? 0
        #expect(worst <= tolerance.nanoseconds, "worst is \(worst) ns")
    }

    @Test("a varying frame rate is kept to the millisecond", arguments: ["mp4", "mkv", "webm"])
    func variableRate(ending: String) throws {
        let scratch = try Scratch()
        let times = [0, 33, 40, 141, 142, 700, 1900, 1950, 5000, 5017].map { MediaTime.milliseconds($0) }
        let out = scratch.file("v.\(ending)")
        let writer = try MediaWriter(path: out, video: .init(width: 64, height: 48))
        for (index, time) in times.enumerated() {
            let next = index + 1 < times.count ? times[index + 1] : time + .milliseconds(20)
            try writer.write(frame(64, 48, at: time, for: next - time))
        }
        try writer.finish()
        let read = try MediaReader(out).allFrames()
        expectSame(read.map(\.pts), times, within: .milliseconds(1))
        // And once more, from file to file.
        let again = scratch.file("w.\(ending)")
        try copy(out, to: again)
        expectSame(try MediaReader(again).allFrames().map(\.pts), times, within: .milliseconds(1))
    }

    @Test(
        "count and times of frames are the input's at usual rates",
        arguments: ["30000/1001", "24000/1001", "25/1", "60/1", "12/1"], ["mp4", "mkv", "webm"])
    func rates(rate: String, ending: String) throws {
        let scratch = try Scratch()
        let clip = try scratch.make(
            "in.mp4",
            """
            videotestsrc num-buffers=40 ! video/x-raw, width=64, height=48, framerate=\(rate)
            ! x264enc bframes=2 speed-preset=ultrafast ! mp4mux ! filesink name=out
            """)
        let out = scratch.file("o.\(ending)")
        try copy(clip, to: out)
        let input = try MediaReader(clip).allFrames()
        let output = try MediaReader(out).allFrames()
        #expect(input.count == 40)
        expectSame(
            output.map(\.pts), input.map(\.pts),
            within: ending == "mp4" ? .milliseconds(0) + .seconds(1e-4) : .milliseconds(1))
    }

    @Test(
        "odd and tiny sizes are written and read back", arguments: [(641, 359), (1, 1), (3, 2), (16, 17)],
        ["mp4", "mkv", "webm"])
    func oddSizes(size: (Int, Int), ending: String) throws {
        let scratch = try Scratch()
        let (width, height) = size
        let out = scratch.file("odd.\(ending)")
        let writer = try MediaWriter(
            path: out, video: .init(width: width, height: height, frameRate: .init(10, 1)))
        for index in 0..<3 {
            try writer.write(
                frame(width, height, at: .milliseconds(Int64(index) * 100), for: .milliseconds(100)))
        }
        try writer.finish()
        let frames = try MediaReader(out).allFrames()
        #expect(frames.count == 3)
        #expect(frames.allSatisfy { $0.width == writer.codedWidth && $0.height == writer.codedHeight })
        #expect(writer.codedWidth - max(16, width) <= 1 && writer.codedHeight - max(16, height) <= 1)
        let (want, got) = (frame(width, height, at: .zero, for: .zero).pixels, frames[0])
        for y in 0..<height {
            for x in 0..<width {
                let difference = Int(got.pixels[(y * got.width + x) * 3]) - Int(want[(y * width + x) * 3])
                guard abs(difference) > 24 else { continue }
                Issue.record("pixel \(x),\(y) is off by \(difference)")
                return
            }
        }
    }

    @Test(
        "audio goes over without being encoded again, sample for sample",
        arguments: [
            ("avenc_aac ! aacparse", "mp4", "AAC"), ("avenc_aac ! aacparse", "mkv", "AAC"),
            ("opusenc", "webm", "Opus"), ("opusenc", "mkv", "Opus"),
            ("vorbisenc", "webm", "Vorbis"), ("flacenc", "mkv", "FLAC"), ("identity", "mkv", "PCM"),
        ])
    func copiedAudio(encoder: String, ending: String, codec: String) throws {
        let scratch = try Scratch()
        let container = ending == "mp4" && codec == "AAC" ? "mp4mux" : "matroskamux"
        let clip = try scratch.make(
            "in",
            """
            videotestsrc num-buffers=20 ! video/x-raw, width=64, height=48, framerate=10/1
            ! x264enc speed-preset=ultrafast bframes=0 ! queue ! mux.
            audiotestsrc wave=ticks num-buffers=94 ! audio/x-raw, rate=48000, channels=2 ! audioconvert
            ! \(encoder) ! queue ! mux. \(container) name=mux ! filesink name=out
            """)
        let out = scratch.file("o.\(ending)")
        #expect(try copy(clip, to: out) == .copied(codec: codec))
        let (before, after) = (try MediaReader(clip).allAudio(), try MediaReader(out).allAudio())
        let (a, b) = (before.flatMap(\.samples), after.flatMap(\.samples))
        #expect(abs(a.count - b.count) <= 2 * 1024)
        let count = min(a.count, b.count)
        let worst = (4096..<count).max { abs(a[$0] - b[$0]) < abs(a[$1] - b[$1]) } ?? 0
        #expect(
            abs(a[worst] - b[worst]) < 1e-3, "sample \(worst) of \(count): \(a[worst]) became \(b[worst])")
        #expect(after.first.map { abs($0.pts.milliseconds) < 25 } == true)
    }

    @Test(
        "audio that the container cannot hold is encoded anew",
        arguments: [(8000, 1), (48000, 6), (96000, 2)], ["mp4", "webm"])
    func encodedAudio(format: (Int, Int), ending: String) throws {
        let scratch = try Scratch()
        let clip = try scratch.clip(
            frames: 20, audio: "audio/x-raw, rate=\(format.0), channels=\(format.1)",
            audioBuffers: format.0 / 512)
        let out = scratch.file("o.\(ending)")
        #expect(try copy(clip, to: out) == .encoded(from: "PCM", to: ending == "mp4" ? "AAC" : "Opus"))
        let reader = try MediaReader(out)
        #expect(reader.info.audio?.channels == format.1)
        let seconds = try reader.allAudio().reduce(0) { $0 + $1.duration.seconds }
        #expect(abs(seconds - Double(format.0 / 512 * 1024) / Double(format.0)) < 0.2)
    }

    @Test("audio that nothing here decodes is copied all the same, and reading says what is missing")
    func undecodable() throws {
        let scratch = try Scratch()
        let clip = try scratch.make(
            "in.mkv",
            """
            videotestsrc num-buffers=20 ! video/x-raw, width=64, height=48, framerate=10/1 ! vp8enc ! queue ! mux.
            audiotestsrc num-buffers=94 ! audio/x-raw, rate=48000, channels=2 ! avenc_ac3 ! queue ! mux.
            matroskamux name=mux ! filesink name=out
            """)
        // No other test has AC-3, so hiding its decoders disturbs none.
        for decoder in ["avdec_ac3", "avdec_ac3_fixed", "a52dec"] {
            guard let factory = gst_element_factory_find(decoder) else { continue }
            gst_plugin_feature_set_rank(factory, 0)
            gst_object_unref(UnsafeMutableRawPointer(factory))
        }
        let reader = try MediaReader(clip)
        #expect(!reader.info.hasAudio)
        #expect(reader.info.undecodableAudio?.contains("AC-3") == true)
        #expect(try copy(clip, to: scratch.file("o.mkv")) == .copied(codec: "AC-3"))
        #expect(try MediaReader(scratch.file("o.mkv")).info.undecodableAudio != nil)
        #expect(try copy(clip, to: scratch.file("o.webm")) == .none)
    }

    @Test("audio longer or shorter than the video goes over whole", arguments: [3, 400])
    func unevenAudio(buffers: Int) throws {
        let scratch = try Scratch()
        let clip = try scratch.clip(frames: 20, audioBuffers: buffers)
        let out = scratch.file("o.mkv")
        try copy(clip, to: out)
        let reader = try MediaReader(out)
        #expect(try reader.allFrames().count == 20)
        #expect(try reader.allAudio().reduce(0) { $0 + $1.frameCount } == buffers * 1024)
    }

    @Test("a start and a duration hold for the copied audio, too", arguments: ["mp4", "mkv"])
    func range(ending: String) throws {
        let scratch = try Scratch()
        let clip = try scratch.make(
            "in.mp4",
            """
            videotestsrc num-buffers=50 ! video/x-raw, width=64, height=48, framerate=10/1
            ! x264enc speed-preset=ultrafast ! queue ! mux.
            audiotestsrc num-buffers=240 ! audio/x-raw, rate=48000, channels=2 ! avenc_aac ! aacparse ! queue ! mux.
            mp4mux name=mux ! filesink name=out
            """)
        let out = scratch.file("o.\(ending)")
        try copy(clip, to: out, options: .init(start: .seconds(2), duration: .seconds(1)))
        let reader = try MediaReader(out)
        expectSame(
            try reader.allFrames().map(\.pts), (0..<10).map { .milliseconds($0 * 100) },
            within: .milliseconds(1))
        let seconds = try reader.allAudio().reduce(0) { $0 + $1.duration.seconds }
        #expect(abs(seconds - 1) < 0.05)
    }

    @Test(
        "an output that ends early is playable, kept, and its sound ends with it",
        arguments: ["mp4", "mkv", "webm"])
    func finishEarly(ending: String) throws {
        let scratch = try Scratch()
        let reader = try MediaReader(try scratch.clip(frames: 50, audioBuffers: 234))
        let out = scratch.file("o.\(ending)")
        let writer = try MediaWriter(path: out, video: .init(reader.info.video!), audioOf: reader)
        for _ in 0..<12 { try writer.write(try #require(try reader.nextVideoFrame())) }
        try writer.finishEarly()
        let result = try MediaReader(out)
        #expect(try result.allFrames().count == 12)
        let seconds = try result.allAudio().last?.end.seconds ?? 0
        #expect(seconds > 1 && seconds < 1.7)
    }

    @Test("nothing is left of an output that was abandoned or got no frames")
    func abandoned() throws {
        let scratch = try Scratch()
        let out = scratch.file("o.mp4")
        do {
            let writer = try MediaWriter(path: out, video: .init(width: 64, height: 48))
            try writer.write(frame(64, 48, at: .zero, for: .milliseconds(40)))
            #expect(!FileManager.default.fileExists(atPath: out))
            writer.abandon()
            #expect(throws: MediaError.self) { try writer.finish() }
        }
        do {
            let writer = try MediaWriter(path: out, video: .init(width: 64, height: 48))
            #expect { try writer.finish() } throws: { ($0 as? MediaError)?.code == .noFrames }
        }
        #expect(scratch.contents == [])
    }

    @Test("an output that cannot be written names its path")
    func unwritable() throws {
        let scratch = try Scratch()
        for path in [
            scratch.file("no/such/o.mp4"), scratch.file("o.avi"), scratch.file("noending"), "/proc/o.mp4",
        ] {
            #expect { try MediaWriter(path: path, video: .init(width: 64, height: 48)) } throws: {
                ($0 as? MediaError)?.subject == path
            }
        }
        try FileManager.default.createDirectory(
            atPath: scratch.file("d.mp4"), withIntermediateDirectories: true)
        #expect {
            try MediaWriter(path: scratch.file("d.mp4"), video: .init(width: 64, height: 48))
        } throws: {
            ($0 as? MediaError)?.code == .notWritable
        }
    }

    @Test(
        "a full disk is an error that names the path, and leaves nothing", arguments: ["mp4", "mkv", "webm"])
    func diskFull(ending: String) throws {
        let scratch = try Scratch()
        let mount = scratch.file("small")
        try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: true)
        guard run("/usr/bin/mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", mount]) else {
            print("skipped: a small file system can only be mounted by root")
            return
        }
        defer { _ = run("/usr/bin/umount", [mount]) }
        let out = "\(mount)/o.\(ending)"
        do {
            let writer = try MediaWriter(path: out, video: .init(width: 320, height: 240))
            var random = SystemRandomNumberGenerator()
            #expect {
                for index in 0..<30 {
                    var noisy = frame(320, 240, at: .milliseconds(Int64(index) * 40), for: .milliseconds(40))
                    for at in noisy.pixels.indices {
                        noisy.pixels[at] = UInt8.random(in: 0...255, using: &random)
                    }
                    try writer.write(noisy)
                }
                try writer.finish()
            } throws: { error in
                let error = error as? MediaError
                return error?.code == .diskFull && error?.subject == out
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: mount) == [])
    }

    private func run(_ tool: String, _ arguments: [String]) -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: tool)
        process.arguments = arguments
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    @Test("a frame of another size is refused")
    func otherSize() throws {
        let scratch = try Scratch()
        let writer = try MediaWriter(path: scratch.file("o.mp4"), video: .init(width: 64, height: 48))
        #expect(throws: MediaError.self) { try writer.write(frame(32, 48, at: .zero, for: .zero)) }
    }
}
