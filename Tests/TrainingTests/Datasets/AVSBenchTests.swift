// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

@testable import Training

@Suite("AVSBench's folders")
struct AVSBenchTests {
    private let bench = Bench()

    private func dataset(
        _ layout: DatasetFolder.Layout, _ split: DatasetFolder.Split = .val,
        _ change: (inout DatasetFolder) -> Void = { _ in }
    ) throws -> FolderDataset {
        var folder = DatasetFolder(bench.root.path, layout, split)
        change(&folder)
        return try FolderDataset(folder)
    }

    private func writeSingleSource() throws {
        try bench.write(
            "name,start,category,split\nabc,0,bell,val\nxyz,3,drum,train\nvhUM-UOKpSk,0,bell,train\n",
            "Single-source/s4_meta_data.csv")
        for (clip, place) in [("abc", "val/bell"), ("xyz", "train/drum")] {
            for i in 1...5 {
                try bench.picture("Single-source/s4_data/visual_frames/\(place)/\(clip)/\(clip)_\(i).png")
            }
        }
    }

    /// Clips of 5, 5 and 10 frames.
    private func writeSemanticSet(_ split: String, color: (UInt8, UInt8, UInt8) = (0, 128, 0)) throws {
        try bench.write(
            "uid,label,split\nu0,v1s,\(split)\nu1,v1m,\(split)\nu2,v2,\(split)\n", "metadata.csv")
        for (uid, label, count) in [("u0", "v1s", 5), ("u1", "v1m", 5), ("u2", "v2", 10)] {
            for i in 0..<count { try bench.picture("\(label)/\(uid)/frames/\(i).png") }
            let masks = label == "v1s" && split == "train" ? 1 : count
            try bench.semanticClip("\(label)/\(uid)", masks: masks, color: color)
        }
    }

    @Test("a single-source clip: pictures, truth and windows")
    func singleSource() throws {
        try writeSingleSource()
        try bench.semanticClip("AVSSBench/v1s/abc_0_5000")
        try bench.semanticClip("AVSSBench/v1s/xyz", masks: 1)
        let clips = try dataset(.s4)
        #expect(clips.count == 1 && clips.classes.count == 71 && clips.namesClasses)
        let clip = try clips.clip(0)
        #expect(clip.name == "abc" && clip.frames.count == 5 && clip.publishedSide == 1024)
        #expect(Array(clip.frames[0].truth?[6...9] ?? []) == [1, 1, 0, 0])
        #expect(clip.frames[0].image.pixels.prefix(3) == [200, 10, 10])
        // Starts every 0.75 s.
        #expect(clip.frames.map(\.sound.count) == Array(repeating: 32000, count: 5))
        #expect(abs(clip.frames[3].sound[0]) < 1e-6 && abs(clip.frames[1].sound[7] - 7 / 32768) < 1e-6)
        let train = try dataset(.s4, .train)
        #expect(train.clips.map(\.name) == ["xyz"])
        #expect(try train.clip(0).frames.count == 1)
    }

    @Test("without the semantic release the object release's own masks say where something sounds")
    func objectRelease() throws {
        try writeSingleSource()
        for i in 1...5 { try bench.ids("Single-source/s4_data/gt_masks/val/bell/abc/abc_\(i).png", 255) }
        try bench.sound("Single-source/s4_data/audio_wav/val/bell/abc.wav")
        let clips = try dataset(.s4)
        #expect(!clips.namesClasses)
        let clip = try clips.clip(0)
        #expect(!clip.namesClasses && clip.frames.count == 5)
        #expect(Set(clip.frames[4].truth ?? []) == [0, 1])
    }

    @Test("a semantic set with names of its own, and its parts")
    func semantic() throws {
        try writeSemanticSet("val")
        try bench.write("{\"background\": 1, \"fan\": 3, \"bell\": 2}", "label2idx.json")
        let clips = try dataset(.avss)
        #expect(clips.classes == ["background", "bell", "fan"] && clips.count == 3)
        #expect(try clips.clip(1).frames[4].truth?[0] == 2)
        #expect(try (0..<3).map { try clips.clip($0).frames.count } == [5, 5, 10])
        #expect(try dataset(.avss) { $0.labels = [.v2] }.clips.map(\.name) == ["u2"])
        try bench.write("u1\nu2 \n", "some.txt")
        let some = try dataset(.avss) { $0.list = bench.root.appending(path: "some.txt").path }
        #expect(some.clips.map(\.name) == ["u1", "u2"])
    }

    @Test("for training, a single-source clip of the semantic set ends with its only truth")
    func annotated() throws {
        try writeSemanticSet("train")
        let clips = try dataset(.avss, .train) { $0.frames = 10 }
        #expect(try (0..<3).map { try clips.clip($0).frames.count } == [1, 5, 10])
        #expect(try dataset(.avss, .train) { $0.frames = 3 }.clip(2).frames.count == 3)
    }

    @Test("the open vocabulary parts clips by what is marked on them")
    func openVocabulary() throws {
        try writeSemanticSet("train")
        // Bear in mind: (0, 128, 0) is class 2, which is seen; (128, 0, 0) is class 1, which is not.
        try bench.semanticClip("v2/u2", masks: 10, color: (128, 0, 0))
        #expect(try dataset(.avss, .train) { $0.vocabulary = .seen }.clips.map(\.name) == ["u0", "u1"])
        #expect(try dataset(.avss, .train) { $0.vocabulary = .unseen }.clips.map(\.name) == ["u2"])
        #expect(OpenVocabulary.seen.count == 40 && OpenVocabulary.unseen.count == 30)
        try bench.write("{\"background\": 0, \"bell\": 1}", "label2idx.json")
        #expect {
            try dataset(.avss, .train) { $0.vocabulary = .seen }
        } throws: { "\($0)".contains("AVSBench's 71 classes; there are 2") }
    }

    @Test("windows by the official rules and as a stream has them")
    func windows() throws {
        try writeSemanticSet("val")
        func starts(_ rule: FrameWindows) throws -> [Float] {
            let clip = try dataset(.avss) { ($0.windows, $0.labels) = (rule, [.v1m]) }.clip(0)
            return clip.frames.map { ($0.sound[0] * 32767).rounded() }
        }
        // Sample n is n modulo 1000: 0.75 s are 12 000 samples, 0.6 s 9600, and 0.9375 s + 2 frames − 2 s 15 000.
        #expect(try starts(.official(.toEnd)) == [0, 0, 0, 0, 0])
        #expect(try starts(.official(.beforeEnd)) == [0, 600, 200, 800, 400])
        let clip = try dataset(.avss) { ($0.windows, $0.labels) = (.causal, [.v1m]) }.clip(0)
        #expect(clip.frames.map(\.sound.count) == [15_000, 31_000, 32_000, 32_000, 32_000])
        #expect((clip.frames[2].sound.last! * 32767).rounded() == 999)
    }

    @Test("what is wrong is named with its path")
    func defects() throws {
        #expect { try dataset(.avss) } throws: {
            "\($0)".contains("metadata.csv: expected a list of clips")
        }
        try bench.write(Data([0x75, 0xff]), "metadata.csv")
        #expect { try dataset(.avss) } throws: {
            "\($0)".hasSuffix("metadata.csv: not a readable list of clips")
        }
        try bench.write("uid,label,split\n\"u1\"2,v1m,val\n", "metadata.csv")
        #expect { try dataset(.avss) } throws: { "\($0)".contains("metadata.csv: a quotation mark") }
        try bench.write("uid,kind,split\nu1,v1m,val\n", "metadata.csv")
        #expect { try dataset(.avss) } throws: {
            "\($0)".contains("has no column label, but uid, kind, split")
        }
        try bench.write("uid,label,split\nu1,v1m,val\n", "metadata.csv")
        #expect { try dataset(.avss, .test) } throws: { "\($0)".contains("no clip of avss-test") }
        for i in 0..<5 { try bench.picture("v1m/u1/frames/\(i).png") }
        try bench.semanticClip("v1m/u1", color: (1, 2, 3))
        #expect { try dataset(.avss).clip(0) } throws: {
            "\($0)".contains("0.png: colour (1, 2, 3) is no class")
        }
        try bench.sound("v1m/u1/audio.wav", seconds: 0.01)
        #expect { try dataset(.avss).clip(0) } throws: {
            "\($0)".contains("audio.wav: 160 samples at 16 kHz")
        }
        try bench.write("uid,label,split\nu1,v9,val\n", "metadata.csv")
        #expect { try dataset(.avss) } throws: { "\($0)".contains("expected v1s, v1m or v2") }
    }

    @Test("a name that two folders could have is ambiguous")
    func ambiguous() throws {
        try bench.write("name,start,category,split\nabc,0,bell,val\n", "Single-source/s4_meta_data.csv")
        try bench.semanticClip("AVSSBench/v1s/abc_0")
        try bench.semanticClip("AVSSBench/v1s/abc_5")
        #expect { try dataset(.s4) } throws: { "\($0)".contains("v1s/abc: could be abc_0 or abc_5") }
        try bench.semanticClip("AVSSBench/v1s/abc")
        #expect(try dataset(.s4).clips[0].audio.hasSuffix("v1s/abc/audio.wav"))
    }
}
