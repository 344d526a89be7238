// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Media

@Suite struct MediaReaderTests {
    @Test("frames come complete, in order and with their times")
    func frames() throws {
        let scratch = try Scratch()
        let reader = try MediaReader(try scratch.clip())
        let frames = try reader.allFrames()
        #expect(frames.map(\.pts) == (0..<10).map { .milliseconds($0 * 100) })
        #expect(frames.allSatisfy { $0.width == 64 && $0.height == 48 })
        #expect(try reader.nextVideoFrame() == nil)
        #expect(reader.info.audio?.sampleRate == 48000)
        #expect(reader.info.audio?.channels == 2)
        #expect(reader.info.video?.frameRate == .init(10, 1))
    }

    @Test(
        "rate and channels of audio are kept",
        arguments: [(8000, 1), (44100, 2), (48000, 6), (96000, 2), (96000, 1)])
    func audioFormats(rate: Int, channels: Int) throws {
        let scratch = try Scratch()
        let reader = try MediaReader(
            try scratch.clip(audio: "audio/x-raw, rate=\(rate), channels=\(channels)"))
        let blocks = try reader.allAudio()
        #expect(blocks.allSatisfy { $0.sampleRate == rate && $0.channels == channels && !$0.isDiscontinuous })
        #expect(blocks.reduce(0) { $0 + $1.frameCount } == 47 * 1024)
        #expect(blocks.first?.pts == .zero)
    }

    @Test("audio and video may be read in any order, however long each is", arguments: [2, 47, 400])
    func anyOrder(audioBuffers: Int) throws {
        let scratch = try Scratch()
        let clip = try scratch.clip(frames: 20, audioBuffers: audioBuffers)
        let soundFirst = try MediaReader(clip)
        #expect(try soundFirst.allAudio().reduce(0) { $0 + $1.frameCount } == audioBuffers * 1024)
        #expect(try soundFirst.allFrames().count == 20)
        let pictureFirst = try MediaReader(clip)
        #expect(try pictureFirst.allFrames().count == 20)
        #expect(try pictureFirst.allAudio().reduce(0) { $0 + $1.frameCount } == audioBuffers * 1024)
    }

    @Test("a video without audio is read, and says so")
    func silent() throws {
        let scratch = try Scratch()
        let reader = try MediaReader(try scratch.clip(audio: nil))
        #expect(!reader.info.hasAudio)
        #expect(try reader.nextAudioBlock() == nil)
        #expect(try reader.allFrames().count == 10)
    }

    @Test(
        "odd and tiny pictures are read without their padding",
        arguments: [(641, 359), (1, 1), (10, 4), (3, 5)])
    func oddSizes(width: Int, height: Int) throws {
        let scratch = try Scratch()
        let format = "video/x-raw, format=RGB, width=\(width), height=\(height), framerate=10/1"
        let still = try scratch.make(
            "still.png", "videotestsrc pattern=ball num-buffers=1 ! \(format) ! pngenc ! filesink name=out")
        let image = try PNGReader.read(still)
        let frame = try #require(try MediaReader(still).nextVideoFrame())
        #expect(frame.pixels == image.rgb)
        #expect(try ImageFile.decode(MediaSource(still)).pixels == image.rgb)
        #expect((frame.width, frame.height) == (width, height))
    }

    @Test("a portrait video with a rotation tag comes upright")
    func rotation() throws {
        let scratch = try Scratch()
        let clip = try scratch.make(
            "portrait.mp4",
            """
            videotestsrc pattern=gradient num-buffers=5 ! video/x-raw, width=64, height=48, framerate=10/1
            ! x264enc bframes=0 ! mp4mux ! filesink name=out
            """)
        try turn(clip)
        let reader = try MediaReader(clip)
        let frame = try #require(try reader.nextVideoFrame())
        #expect((frame.width, frame.height) == (48, 64))
        #expect((reader.info.video?.width, reader.info.video?.height) == (48, 64))
        #expect(reader.info.video?.rotation == 90)
        // Turned clockwise, what was at the top is at the right.
        let top = try #require(
            try MediaReader(
                try scratch.make(
                    "flat.mp4",
                    """
                    videotestsrc pattern=gradient num-buffers=5 ! video/x-raw, width=64, height=48, framerate=10/1
                    ! x264enc bframes=0 ! mp4mux ! filesink name=out
                    """)
            ).nextVideoFrame())
        let topRow = Int(top.pixels[(2 * 64 + 32) * 3])
        let right = Int(frame.pixels[(32 * 48 + 45) * 3])
        #expect(abs(topRow - right) < 16)
        #expect(abs(Int(frame.pixels[(32 * 48 + 2) * 3]) - right) > 100)
    }

    /// Writes the matrix of a quarter turn clockwise into the header of the only track.
    private func turn(_ path: String) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = try #require(data.range(of: Data("tkhd".utf8))).upperBound
        let matrix: [Int32] = [0, 1 << 16, 0, -1 << 16, 0, 0, 48 << 16, 0, 1 << 30]
        let bytes = matrix.flatMap { value in withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        data.replaceSubrange(header + 40..<header + 76, with: bytes)
        try data.write(to: URL(fileURLWithPath: path))
    }

    @Test("reading starts and stops where it is told, and counts time from there")
    func range() throws {
        let scratch = try Scratch()
        let clip = try scratch.clip(frames: 30, audioBuffers: 150)
        let options = MediaReader.Options(start: .seconds(1), duration: .milliseconds(500))
        let reader = try MediaReader(clip, options: options)
        #expect(try reader.allFrames().map(\.pts) == (0..<5).map { .milliseconds($0 * 100) })
        let samples = try reader.allAudio().reduce(0) { $0 + $1.frameCount }
        #expect(abs(samples - 24000) <= 48)
        #expect(throws: MediaError.self) { try MediaReader(clip, options: .init(start: .seconds(10))) }
        #expect(throws: MediaError.self) { try MediaReader(clip, options: .init(duration: .zero)) }
    }

    @Test("a reader that was cancelled throws instead of waiting")
    func cancel() throws {
        let scratch = try Scratch()
        let reader = try MediaReader(try scratch.clip())
        reader.cancel()
        #expect { try reader.nextVideoFrame() } throws: { ($0 as? MediaError)?.code == .cancelled }
    }

    @Test("a name is never taken for pipeline text")
    func oddName() throws {
        let scratch = try Scratch()
        let clip = try scratch.clip()
        let odd = scratch.file("a ! fakesink \"b' name=x; $(c) ü%41?#.mkv")
        try FileManager.default.moveItem(atPath: clip, toPath: odd)
        #expect(try MediaReader(odd).allFrames().count == 10)
        try copy(odd, to: scratch.file("o ! \"ut'%20?#.mkv"))
        #expect(try MediaReader(scratch.file("o ! \"ut'%20?#.mkv")).allFrames().count == 10)
    }
}

@Suite struct BadInputTests {
    private func code(_ input: String, _ options: MediaReader.Options = .init()) -> MediaError.Code? {
        do {
            let reader = try MediaReader(input, options: options)
            _ = try reader.allFrames()
            return nil
        } catch {
            let error = error as? MediaError
            #expect(error?.description.contains("\n") == false)
            #expect(error?.subject == input)
            return error?.code
        }
    }

    @Test("what is no media file gets an error that says so")
    func notMedia() throws {
        let scratch = try Scratch()
        try "Hello, this is a text.\n".write(toFile: scratch.file("t.mp4"), atomically: true, encoding: .utf8)
        try Data().write(to: URL(fileURLWithPath: scratch.file("empty.mp4")))
        let noise = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        try Data(noise).write(to: URL(fileURLWithPath: scratch.file("noise.mp4")))
        #expect(code(scratch.file("t.mp4")) == .notMedia)
        #expect(code(scratch.file("empty.mp4")) == .empty)
        #expect(code(scratch.file("noise.mp4")) == .notMedia)
        #expect(code(scratch.file("missing.mp4")) == .notFound)
        #expect(code(scratch.path) == .notAFile)
        #expect(code("/dev/null") == .notAFile)
        #expect(code("") == .notFound)
    }

    @Test("a truncated mp4 is refused wherever it was cut", arguments: [0.2, 0.5, 0.9, 0.99])
    func truncated(part: Double) throws {
        let scratch = try Scratch()
        for fast in ["true", "false"] {
            let whole = try scratch.make(
                "whole.mp4",
                """
                videotestsrc num-buffers=30 ! video/x-raw, width=64, height=48 ! x264enc
                ! mp4mux faststart=\(fast) ! filesink name=out
                """)
            let data = try Data(contentsOf: URL(fileURLWithPath: whole))
            let cut = scratch.file("cut-\(fast).mp4")
            try data.prefix(Int(Double(data.count) * part)).write(to: URL(fileURLWithPath: cut))
            #expect(code(cut) == .truncated)
        }
    }

    @Test("a file with sound only has no video")
    func soundOnly() throws {
        let scratch = try Scratch()
        let wav = try scratch.make("a.wav", "audiotestsrc num-buffers=5 ! wavenc ! filesink name=out")
        #expect(code(wav) == .noVideo)
    }

    @Test("a container without frames is an error, not a hang", arguments: ["mp4mux", "matroskamux"])
    func noFrames(muxer: String) throws {
        let scratch = try Scratch()
        let clip = try scratch.make(
            "none",
            """
            videotestsrc num-buffers=1 ! video/x-raw, width=64, height=48 ! x264enc
            ! identity drop-probability=1 ! \(muxer) ! filesink name=out
            """)
        let start = ContinuousClock.now
        // GStreamer's discoverer may wait for a first frame until its time is over.
        #expect(code(clip, .init(stallTimeout: .seconds(3))) != nil)
        #expect(ContinuousClock.now - start < .seconds(25))
    }

    @Test("an address that never answers is given up")
    func stalledServer() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withUnsafeMutablePointer(to: &address) { raw in
            raw.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = bind(listener, address, length)
                _ = listen(listener, 4)
                _ = getsockname(listener, address, &length)
            }
            return UInt16(bigEndian: raw.pointee.sin_port)
        }
        let options = MediaReader.Options(stallTimeout: .seconds(1))
        #expect {
            try MediaReader("http://user:secret@127.0.0.1:\(port)/clip.mp4?key=1", options: options)
        } throws: { error in
            !"\(error)".contains("secret") && !"\(error)".contains("key=1")
        }
    }

    @Test("addresses are shown without their passwords")
    func redaction() {
        #expect(MediaSource.redacted("rtsp://me:pw@cam.local/x?token=1") == "rtsp://***@cam.local/x?***")
        #expect(MediaSource.redacted("https://cam.local/x") == "https://cam.local/x")
        #expect(MediaSource.redacted("rtsp://me:p@w@cam/x") == "rtsp://***@cam/x")
    }
}
