// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

/// The program's synthetic data sets.
@Suite("tavisd synth")
struct SynthCommandTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    /// Bytes of all files below a folder, by their paths in it.
    private func files(_ folder: String) throws -> [String: Data] {
        let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        return try names.reduce(into: [:]) { files, name in
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: "\(folder)/\(name)", isDirectory: &isFolder),
                !isFolder.boolValue
            else { return }
            files[name] = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
        }
    }

    @Test("the layout is AVSBench's: tables, audio, five frames and their labels")
    func layout() throws {
        let outcome = try place.run("synth", "set", "--seed", "7", "--clips", "12", "--size", "64x48")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.out.contains("12 clips"))
        let all = try files(place.path("set"))
        let lines = String(decoding: try #require(all["metadata.csv"]), as: UTF8.self).split(separator: "\n")
        #expect(lines[0] == "uid,label,split" && lines.count == 13)
        let splits = lines.dropFirst().map { $0.split(separator: ",")[2] }
        #expect(Set(splits) == ["train", "val", "test"] && splits.count { $0 == "train" } == 10)
        let ids = try JSONDecoder().decode([String: Int].self, from: try #require(all["label2idx.json"]))
        #expect(ids["background"] == 0 && Set(ids.values) == Set(0...12))
        for line in lines.dropFirst() {
            let clip = "v1m/\(line.split(separator: ",")[0])"
            let sound = try AudioFile.read(place.path("set/\(clip)/audio.wav"))
            #expect(sound.sampleRate == 16_000 && sound.channels.count == 1 && sound.frameCount == 80_000)
            for frame in 0..<5 {
                let picture = try PNGReader.read(place.path("set/\(clip)/frames/\(frame).png"))
                let labels = try PNGReader.read(place.path("set/\(clip)/labels_rgb/\(frame).png"))
                #expect(picture.width == 64 && picture.height == 48 && picture.kind == .rgb)
                #expect(labels.width == 64 && labels.height == 48 && labels.kind == .rgb)
            }
        }
        #expect(all.count == 3 + 12 * 11)
    }

    @Test("the same seed gives the same files, videos too; another seed gives others")
    func repeats() throws {
        for (name, seed) in [("a", "3"), ("b", "3"), ("c", "4")] {
            let outcome = try place.run(
                "synth", name, "--seed", seed, "--clips", "2", "--size", "48x32", "--format", "both")
            #expect(outcome.code == 0, "\(outcome.errors)")
        }
        let (a, b, c) = (
            try files(place.path("a")), try files(place.path("b")), try files(place.path("c"))
        )
        #expect(a.count == 3 + 2 * (11 + 1 + 125))
        let different = a.filter { b[$0.key] != $0.value }.keys.sorted().map { name in
            guard let one = a[name], let other = b[name] else { return "\(name): missing" }
            let first = zip(one, other).enumerated().first { $1.0 != $1.1 }?.offset
            return "\(name): \(one.count) and \(other.count) bytes, first unlike \(first ?? -1)"
        }
        #expect(different.isEmpty && a.count == b.count, "\(different.prefix(5))")
        #expect(Set(a.keys) != Set(c.keys))
    }

    @Test("a video has 125 frames, sound in time, and a truth for each frame")
    func video() throws {
        let outcome = try place.run(
            "synth", "set", "--seed", "1", "--clips", "1", "--size", "96x64", "--format", "both", "--level",
            "easy")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let clip = place.path("set/v1m/synth_1_000000")
        let frames = try Frames(clip + "/clip.mp4")
        #expect(frames.times.count == 125 && frames.width == 96 && frames.height == 64 && frames.hasAudio)
        #expect(frames.times[100] == .seconds(4))
        let truth = try FileManager.default.contentsOfDirectory(atPath: clip + "/truth").sorted()
        #expect(truth.count == 125 && truth.first == "000000.png" && truth.last == "000124.png")
        let last = try PNGReader.read(clip + "/truth/000124.png")
        guard case .palette = last.kind else {
            Issue.record("the truth is \(last.kind)")
            return
        }
        #expect(last.pixels.allSatisfy { $0 <= 12 })
        #expect(try delay(of: clip + "/clip.mp4", behind: clip + "/audio.wav") < 0.05)
    }

    /// Seconds from the first loud sample of one file to that of another.
    private func delay(of later: String, behind earlier: String) throws -> Double {
        func onset(_ path: String) throws -> Double {
            let clip = try AudioFile.read(path)
            let samples = try #require(clip.channels.first)
            let peak = samples.reduce(0) { max($0, abs($1)) }
            let first = try #require(samples.firstIndex { abs($0) > 0.2 * peak })
            return Double(first) / Double(clip.sampleRate)
        }
        return abs(try onset(later) - onset(earlier))
    }

    @Test("a description tells the kinds of clips and what scores without listening or looking")
    func describes() throws {
        let outcome = try place.run("synth", "--describe", "--clips", "30")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(
            outcome.out.contains("M_J without listening:") && outcome.out.contains("M_J without looking:"))
        #expect(place.contents.isEmpty)
    }

    @Test("what cannot be done is said in one line, and nothing is left behind")
    func refusals() throws {
        try FileManager.default.createDirectory(
            atPath: place.path("there"), withIntermediateDirectories: true)
        for (arguments, code, words) in [
            (["synth", "there"], 73, "exists already"), (["synth", "x", "--clips", "0"], 64, "--clips"),
            (["synth", "x", "--size", "5x5"], 64, "--size"), (["synth", "x", "--size", "64"], 64, "--size"),
            (["synth", "x", "--level", "brutal"], 64, "--level"), (["synth"], 64, "folder"),
            (["synth", "/proc/x", "--clips", "1"], 73, "/proc/x"),
        ] as [([String], Int32, String)] {
            let outcome = try place.start(arguments).wait()
            #expect(outcome.code == code && outcome.errorLines.count == 1, "\(arguments): \(outcome)")
            #expect(outcome.errors.contains(words), "\(outcome.errors)")
        }
        #expect(place.contents == ["there"])
    }
}
