// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

/// The program itself, on clips that are made for the purpose.
@Suite("tavisd segment")
struct SegmentTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    // MARK: Inputs that work

    @Test("frames, times and sound of the output are the input's", arguments: ["mp4", "mkv", "webm"])
    func faithful(container: String) throws {
        try expectFaithful(try place.clip(), container: container)
    }

    @Test("pictures of one pixel and of odd sizes pass", arguments: [(1, 1), (641, 359), (2, 300)])
    func oddSizes(width: Int, height: Int) throws {
        let input = try place.make(
            "odd.mkv",
            """
            videotestsrc num-buffers=4 ! video/x-raw, format=RGB, width=\(width), height=\(height), framerate=10/1
            ! matroskamux ! filesink name=out
            """)
        let outcome = try place.segment(input, "--output", "out.webm", "--masks", "m")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let mask = try PNGReader.read(place.path("m/000003.png"))
        #expect(mask.width == width && mask.height == height)
        #expect(try Frames(place.path("out.webm")).times.count == 4)
    }

    @Test("a portrait with a rotation tag comes out upright")
    func rotated() throws {
        let input = try place.clip()
        try place.turn(input)
        let outcome = try place.segment(input, "--output", "out.mp4", "--events", "e.jsonl")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let (before, after) = (try Frames(input), try Frames(place.path("out.mp4")))
        #expect(before.width == 48 && before.height == 64)
        #expect(after.width == 48 && after.height == 64)
    }

    @Test("a varying frame rate is kept")
    func variableRate() throws {
        let input = try place.make(
            "vfr.mkv",
            """
            videotestsrc num-buffers=30 ! video/x-raw, width=64, height=48, framerate=30/1
            ! identity drop-probability=0.5 ! vp8enc deadline=1 ! matroskamux ! filesink name=out
            """)
        try expectFaithful(input, container: "mkv", hasAudio: false)
    }

    @Test("sound shorter or longer than the pictures is no problem", arguments: [0.3, 2.0])
    func soundLength(seconds: Double) throws {
        try expectFaithful(try place.clip(audioSeconds: seconds), container: "mp4")
    }

    @Test("any number of channels is heard", arguments: [1, 2, 6])
    func channels(count: Int) throws {
        try expectFaithful(try place.clip(channels: count), container: "mp4")
    }

    @Test("any sample rate is heard", arguments: [8000, 22_050, 44_100, 96_000])
    func rates(rate: Int) throws {
        try expectFaithful(try place.clip("clip.mkv", rate: rate), container: "mkv")
    }

    @Test("a video without sound runs, marks nothing and warns once")
    func noSound() throws {
        let input = try place.make(
            "mute.mkv", "videotestsrc num-buffers=5 ! vp8enc deadline=1 ! matroskamux ! filesink name=out")
        let outcome = try place.segment(input, "--output", "out.mp4", "--events", "e.jsonl")
        #expect(outcome.code == 0)
        #expect(outcome.errorLines.count { $0.contains("has no sound") } == 1)
        let events = try String(contentsOfFile: place.path("e.jsonl"), encoding: .utf8)
        #expect(events.split(separator: "\n").count == 5)
        #expect(events.split(separator: "\n").allSatisfy { $0.contains("\"objects\":[]") })
    }

    @Test("a part is cut out exactly")
    func part() throws {
        let input = try place.clip(frames: 20)
        let outcome = try place.segment(input, "--start", "0.5", "--duration", "1", "--output", "out.mp4")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try Frames(place.path("out.mp4")).times.count == 10)
    }

    @Test("without a named output the video goes to the current folder, and this is said")
    func defaultOutput() throws {
        let outcome = try place.segment(try place.clip("some clip.mp4"))
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.out.contains("some clip-tavis.mp4"))
        #expect(place.contents.contains("some clip-tavis.mp4"))
    }

    @Test("profiles, one mask for all, and a frame rate that is held and told")
    func economy() throws {
        let input = try place.clip(frames: 12)
        let realtime = try place.segment(input, "--profile", "realtime", "--events", "r.jsonl")
        #expect(realtime.code == 0, "\(realtime.errors)")
        let binary = try place.segment(input, "--binary", "--masks", "b", "--audio-hop", "0")
        #expect(binary.code == 0, "\(binary.errors)")
        let held = try place.segment(input, "--frame-rate", "0.5", "--output", "held.mp4")
        #expect(held.code == 0 && held.out.contains("economy level 0 of"), "\(held.out)\(held.errors)")
        for (option, value) in [
            ("--profile", "fast"), ("--image-hop", "-1"), ("--frame-rate", "0"), ("--memory-hop", "x"),
        ] {
            #expect(try place.segment(input, option, value, "--output", "no.mp4").code == 64, "\(option)")
        }
    }

    @Test("without overlay the pictures are those of the input")
    func noOverlay() throws {
        let input = try place.clip()
        #expect(try place.segment(input, "--output", "out.mp4", "--no-overlay").code == 0)
        #expect(try Frames(place.path("out.mp4")).times.count == 8)
    }

    @Test("official windows run")
    func officialWindows() throws {
        let outcome = try place.segment(
            try place.clip(frames: 30), "--windows", "official", "--events", "e.jsonl", "--preprocess",
            "official")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(
            try String(contentsOfFile: place.path("e.jsonl"), encoding: .utf8).contains("\"window_end\":2"))
    }

    // MARK: Inputs that do not

    @Test("a missing file is refused by name")
    func missing() throws { try expectRefused("nothing.mp4", 66, "no such file") }

    @Test("a folder is refused")
    func folder() throws { try expectRefused(place.root, 66, "is a directory") }

    @Test("an empty file is refused")
    func empty() throws {
        try Data().write(to: URL(fileURLWithPath: place.path("empty.mp4")))
        try expectRefused("empty.mp4", 65, "empty")
    }

    @Test("a text file is refused")
    func text() throws {
        try Data("What is this?\n".utf8).write(to: URL(fileURLWithPath: place.path("text.mp4")))
        try expectRefused("text.mp4", 65, "not a media file")
    }

    @Test("a truncated mp4 is refused")
    func truncated() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: try place.clip()))
        try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: place.path("cut.mp4")))
        try expectRefused("cut.mp4", 65, "cut")
    }

    @Test("sound without pictures is refused")
    func onlySound() throws {
        let input = try place.make(
            "sound.wav", "audiotestsrc num-buffers=20 ! wavenc ! filesink name=out")
        try expectRefused(input, 65, "no video")
    }

    @Test("a video without a single frame is refused")
    func noFrames() throws {
        let clip = try place.clip()
        let outcome = try place.segment(clip, "--start", "100", "--output", "out.mp4")
        #expect(outcome.code == 65)
        #expect(outcome.errorLines.count == 1)
        #expect(!place.contents.contains("out.mp4"))
    }

    // MARK: Outputs that do not work

    @Test(
        "an output that cannot be written is refused and leaves nothing",
        arguments: [
            ["--output", "nowhere/out.mp4"], ["--output", "out.avi"], ["--output", "."],
            ["--masks", "clip.mp4/masks"], ["--logits", "clip.mp4"], ["--events", "nowhere/e.jsonl"],
            ["--output", "/proc/out.mp4"],
        ])
    func unwritable(arguments: [String]) throws {
        let input = try place.clip()
        let outcome = try place.start(["segment", input] + arguments).wait()
        #expect(outcome.code > 63)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("tavisd: "))
        #expect(place.contents == ["clip.mp4"])
    }

    @Test(
        "a folder that is not there is named",
        arguments: [["--output", "no/where/out.mp4"], ["--events", "no/where/e"]])
    func missingFolder(arguments: [String]) throws {
        let outcome = try place.start(["segment", try place.clip()] + arguments).wait()
        #expect(outcome.code == 73)
        #expect(
            outcome.errors == "tavisd: no/where: is not a folder; \(arguments[1]) was to go there\n")
        #expect(place.contents == ["clip.mp4"])
    }

    @Test(
        "masks and logits do not mix with those of an earlier run",
        arguments: [("--masks", "png"), ("--logits", "safetensors")])
    func staleFiles(option: String, suffix: String) throws {
        let (long, short) = (try place.clip("long.mp4", frames: 12), try place.clip("short.mp4", frames: 5))
        #expect(try place.segment(long, option, "frames").code == 0)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: place.path("frames/notes.\(suffix)")))
        let before = try place.folder("frames")
        #expect(before.count == 13)

        let refused = try place.segment(short, option, "frames")
        #expect(refused.code == 73 && refused.errorLines.count == 1, "\(refused.errors)")
        #expect(refused.errors.hasPrefix("tavisd: frames: is not empty"))
        #expect(try place.folder("frames") == before)

        // Nothing is removed for a run that cannot begin.
        #expect(
            try place.segment(short, option, "frames", "--overwrite", "--output", "no/out.mp4").code == 73)
        #expect(try place.segment(short, option, "frames", "--overwrite", "--model", "none").code == 65)
        #expect(try place.folder("frames") == before)

        #expect(try place.segment(short, option, "frames", "--overwrite").code == 0)
        #expect(
            try place.folder("frames") == (0..<5).map { "00000\($0).\(suffix)" } + ["notes.\(suffix)"])
    }

    @Test("a full disk is told, and nothing is left under the final name")
    func fullDisk() throws {
        let input = try place.clip(frames: 40, width: 640, height: 480)
        let small = place.path("small")
        try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: true)
        guard try place.tool("mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", small) else {
            print("skipped: a small file system can only be mounted by root")
            return
        }
        defer { _ = try? place.tool("umount", small) }
        let outcome = try place.segment(input, "--output", "small/out.mp4", "--events", "small/e.jsonl")
        #expect(outcome.code == 74, "\(outcome.errors)")
        #expect(outcome.errors.contains("disk is full"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: small) == [])
    }

    // MARK: Stopping

    @Test("a stop by signal closes the file and keeps it, playable", arguments: [SIGINT, SIGTERM])
    func stopped(signal: Int32) throws {
        let input = try place.clip(frames: 400)
        let running = try place.start(
            [
                "segment", input, "--output", "out.mp4", "--events", "e.jsonl", "--audio-hop", "0",
                "--logits", "l",
            ])
        // Until the first frames are out.
        while running.isRunning, !FileManager.default.fileExists(atPath: place.path("l/000003.safetensors")) {
            usleep(10_000)
        }
        running.send(signal)
        let outcome = try running.wait()
        #expect(outcome.code == 128 + signal, "\(outcome.errors)")
        #expect(outcome.out.contains("stopped after"))
        let count = try Frames(place.path("out.mp4")).times.count
        #expect(count > 3 && count < 400)
        let events = try String(contentsOfFile: place.path("e.jsonl"), encoding: .utf8)
        #expect(events.split(separator: "\n").count == count)
        #expect(!place.contents.contains { $0.hasSuffix("partial") })
    }

    // MARK: Usage

    @Test(
        "wrong usage takes one line and says what is right",
        arguments: [
            [], ["a.mp4", "--size", "300"], ["a.mp4", "--start=-1"], ["a.mp4", "--audio-hop", "nan"],
            ["a.mp4", "--duration", "0"], ["a.mp4", "--windows", "sideways"], ["a.mp4", "--bogus"],
        ])
    func usage(arguments: [String]) throws {
        let outcome = try place.start(["segment"] + arguments).wait()
        #expect(outcome.code == 64)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
    }

    @Test("a model folder that is none is refused by name")
    func noModel() throws {
        let outcome = try place.segment(try place.clip(), "--model", "nowhere", "--output", "out.mp4")
        #expect(outcome.code == 65)
        #expect(outcome.errors.contains("nowhere"))
        #expect(place.contents == ["clip.mp4"])
    }

    @Test("the demonstration runs without arguments and tells its scores")
    func demo() throws {
        let outcome = try place.run("demo")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.out.contains("frames/s") && outcome.out.contains("in sight: "))
        #expect(try Frames(place.path("out/demo.mp4")).times.count == 125)
        #expect(!outcome.errors.contains("means nothing"))
        let scores = try #require(outcome.out.firstMatch(of: /M_J ([0-9.]+) %, M_F ([0-9.]+)/))
        let (overlap, fMeasure) = (Double(scores.1) ?? 0, Double(scores.2) ?? 0)
        // What the built-in model reaches, with room for other processors' rounding.
        #expect(overlap > 66 && fMeasure > 0.65, "M_J \(overlap), M_F \(fMeasure)")
    }

    // MARK: Real clips

    @Test(
        "real clips keep frames, times and sound",
        .enabled(if: ProcessInfo.processInfo.environment["TAVIS_SHARED"] != nil, "TAVIS_SHARED is not set"),
        arguments: ["dog.mp4", "driving.mp4"])
    func realClips(name: String) throws {
        let shared = ProcessInfo.processInfo.environment["TAVIS_SHARED"] ?? ""
        let input = "\(shared)/media/\(name)"
        let outcome = try place.segment(input, "--duration", "1.5", "--output", "out.mp4")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let reader = try MediaReader(input, options: .init(duration: .seconds(1.5), readsAudio: false))
        var expected: [MediaTime] = []
        while let frame = try reader.nextVideoFrame() { expected.append(frame.pts) }
        let after = try Frames(place.path("out.mp4"))
        #expect(after.times.count == expected.count)
        for (a, b) in zip(after.times, expected) { #expect(abs(a.nanoseconds - b.nanoseconds) < 100_000) }
        #expect(after.hasAudio)
    }

    // MARK: Helpers

    private func expectFaithful(_ input: String, container: String, hasAudio: Bool = true) throws {
        let output = "out.\(container)"
        let outcome = try place.segment(input, "--output", output)
        #expect(outcome.code == 0, "\(outcome.errors)")
        let (before, after) = (try Frames(input), try Frames(place.path(output)))
        #expect(before.times.count > 0)
        #expect(before.times.count == after.times.count)
        // Matroska counts milliseconds.
        for (a, b) in zip(before.times, after.times) {
            #expect(abs(a.nanoseconds - b.nanoseconds) < 1_000_000)
        }
        #expect(after.hasAudio == hasAudio)
        #expect(after.width == before.width && after.height == before.height)
    }

    private func expectRefused(_ input: String, _ code: Int32, _ reason: String) throws {
        let before = place.contents
        let outcome = try place.segment(input, "--output", "out.mp4", "--events", "e.jsonl")
        #expect(outcome.code == code, "\(outcome.errors)")
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("tavisd: ") && outcome.errors.contains(reason), "\(outcome.errors)")
        #expect(place.contents == before)
    }
}
