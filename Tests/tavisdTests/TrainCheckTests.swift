// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

@Suite("tavisd train on folders of data", .serialized)
struct TrainCheckTests {
    private let work: Workplace

    init() throws {
        work = try Workplace()
        let outcome = try work.run("synth", "set", "--seed", "3", "--clips", "20", "--size", "32x32")
        try #require(outcome.code == 0, "\(outcome.errors)")
    }

    // MARK: Files

    /// A configuration for these sources, of which the last is for evaluation.
    private func configure(_ sources: String..., steps: Int = 2) throws {
        try SmallTraining(work).writeConfig("all.yaml", output: "run", steps: steps)
        let text = try String(contentsOfFile: work.path("all.yaml"), encoding: .utf8)
        let learnt = sources.dropLast().map { "  - {\($0)}\n" }.joined()
        let synthetic = [
            "  - kind: synthetic\n    seed: 5\n    level: easy\n    scenes: 100\n",
            "    - kind: synthetic\n      seed: 6\n      level: hard\n      scenes: 3\n",
        ]
        let changed = text.replacing(synthetic[0], with: learnt)
            .replacing(synthetic[1], with: "    - {\(sources.last ?? "")}\n")
            .replacing("every: 20", with: "every: 2")
        try changed.write(toFile: work.path("all.yaml"), atomically: true, encoding: .utf8)
    }

    /// Folder of a clip of the set, by its number; the first 16 are for training.
    private func clip(_ number: Int) -> String {
        work.path("set/v1m/synth_3_" + String(repeating: "0", count: number < 10 ? 5 : 4) + "\(number)")
    }

    private func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    private func paint(_ path: String, _ color: [UInt8]) throws {
        let pixels = (0..<32 * 32).flatMap { _ in color }
        try PNGWriter.write(PNGImage(width: 32, height: 32, kind: .rgb, pixels: pixels), to: path)
    }

    /// Leaves the first second of a wave file.
    private func shorten(_ path: String) throws {
        var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)).prefix(44 + 32_000))
        func put(_ value: UInt32, at: Int) {
            for i in 0..<4 { bytes[at + i] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(i))) }
        }
        put(36 + 32_000, at: 4)
        put(32_000, at: 40)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    /// How many defects of a kind the report counts in one part.
    private func count(_ words: String, in report: String) -> Int? {
        let line = report.split(separator: "\n").first { $0.hasPrefix("  ") && $0.contains(words) }
        return line?.split(separator: " ").first.flatMap { Int($0) }
    }

    // MARK: Checks

    @Test("data that is whole passes; frames on which nothing is marked are told, and do no harm")
    func whole() throws {
        try configure("kind: avss, folder: set", "kind: avss, folder: set, split: val")
        try paint(clip(0) + "/labels_rgb/2.png", [0, 0, 0])
        let outcome = try work.run("train", "--config", "all.yaml", "--check", "--paths", "1")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.out.contains("avss-train (set): 16 clips, 80 frames with truth"))
        #expect(outcome.out.contains("avss-val (set): 2 clips, 10 frames with truth"))
        #expect(outcome.out.contains("frames on which nothing is marked (harmless)"))
        #expect(outcome.out.contains("nothing keeps a run from training on this"))
        #expect(!FileManager.default.fileExists(atPath: work.path("run")))
    }

    @Test("every kind of defect is counted, and named with its path")
    func broken() throws {
        try configure("kind: avss, folder: set", "kind: avss, folder: set, split: val")
        try remove(clip(0) + "/audio.wav")
        try shorten(clip(1) + "/audio.wav")
        try remove(clip(2) + "/frames/3.png")
        try paint(clip(3) + "/frames/5.png", [9, 9, 9])
        try paint(clip(4) + "/labels_rgb/0.png", [1, 2, 3])
        try paint(clip(5) + "/labels_rgb/4.png", [1, 2, 3])
        try Data("not a picture".utf8).write(to: URL(fileURLWithPath: clip(6) + "/frames/1.png"))
        try remove(clip(7) + "/labels_rgb")
        let outcome = try work.run("train", "--config", "all.yaml", "--check", "--paths", "1")
        #expect(outcome.code == 65, "\(outcome)")
        for (words, number, detail) in [
            ("clips without audio", 1, "synth_3_000000/audio.wav: no such file"),
            ("clips with short audio", 1, "synth_3_000001/audio.wav: 1.0 s of sound; the last of 5 frames"),
            ("wrong numbers of frames", 2, "synth_3_000002/frames: 4 pictures, expected 5: lacks 3.png"),
            (
                "unknown colours or classes", 2,
                "synth_3_000004/labels_rgb/0.png: colour (1, 2, 3) is no class"
            ),
            ("unreadable files", 1, "synth_3_000006/frames/1.png: "),
            ("missing files or folders", 1, "synth_3_000007/labels_rgb: expected a folder of 5 pictures"),
        ] {
            #expect(count(words, in: outcome.out) == number, "\(words)\n\(outcome.out)")
            #expect(outcome.out.contains(detail), "\(detail)\n\(outcome.out)")
        }
        #expect(outcome.out.contains("    … and 1 more") && outcome.out.contains("8 defects"))
        #expect(!outcome.out.contains("synth_3_000003/frames: "))
    }

    @Test("ambiguous folders, lists that leave nothing, absent folders and other classes are told together")
    func lists() throws {
        try configure(
            "kind: avss, folder: set, list: names.txt", "kind: s4, folder: bench",
            "kind: recordings, folder: nowhere")
        try "nobody\n".write(toFile: work.path("names.txt"), atomically: true, encoding: .utf8)
        for folder in ["Single-source", "AVSSBench/v1s/abc_0", "AVSSBench/v1s/abc_5"] {
            try FileManager.default.createDirectory(
                atPath: work.path("bench/\(folder)"), withIntermediateDirectories: true)
        }
        try "name,start,category,split\nabc,0,bell,train\n".write(
            toFile: work.path("bench/Single-source/s4_meta_data.csv"), atomically: true, encoding: .utf8)
        let outcome = try work.run("train", "--config", "all.yaml", "--check")
        #expect(outcome.code == 65, "\(outcome)")
        #expect(count("lists without a usable clip", in: outcome.out) == 1)
        #expect(outcome.out.contains("set: no clip of avss-train has truth and is in names.txt"))
        #expect(count("ambiguous directories", in: outcome.out) == 1)
        #expect(outcome.out.contains("v1s/abc: could be abc_0 or abc_5"))
        #expect(outcome.out.contains("nowhere/val: expected a folder of recordings"))
        #expect(count("other classes than the first", in: outcome.out) == 1)
        #expect(outcome.out.contains("there are 71 beside 13"))
        let training = try work.run("train", "--config", "all.yaml")
        #expect(training.code == 65 && training.errors.contains("no clip of avss-train"))
        #expect(try work.run("train", "--config", "all.yaml", "--check", "--resume").code == 64)
    }

    // MARK: Training

    @Test("a run trains and measures on folders, recordings among them")
    func trains() throws {
        try configure(
            "kind: avss, folder: set", "kind: recordings, folder: own",
            "kind: avss, folder: set, split: test")
        for number in 0..<2 {
            let own = work.path("own/train/\(number)")
            try FileManager.default.createDirectory(
                atPath: work.path("own/train"), withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: clip(number), toPath: own)
            try FileManager.default.moveItem(atPath: own + "/labels_rgb", toPath: own + "/masks")
            try "{\"fps\": 1, \"start\": 0.9375}".write(
                toFile: own + "/clip.json", atomically: true, encoding: .utf8)
        }
        try FileManager.default.copyItem(
            atPath: work.path("set/label2idx.json"), toPath: work.path("own/label2idx.json"))
        let check = try work.run("train", "--config", "all.yaml", "--check")
        #expect(
            check.code == 0 && check.out.contains("recordings-train (own): 2 clips, 10 frames"), "\(check)")
        let outcome = try work.run("train", "--config", "all.yaml")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("avss-test: "), "\(outcome.errors)")
        #expect(FileManager.default.fileExists(atPath: work.path("run/step-2/model.safetensors")))
    }
}
