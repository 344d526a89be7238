// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

@testable import Training

/// A small copy of AVSBench's folders with squares for pictures.
private final class Bench {
    let root = FileManager.default.temporaryDirectory.appending(path: "avsbench-\(UUID().uuidString)")
    private let side = 16

    deinit { try? FileManager.default.removeItem(at: root) }

    func write(_ text: String, _ path: String) throws { try write(Data(text.utf8), path) }

    private func write(_ data: Data, _ path: String) throws {
        let file = root.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try data.write(to: file)
    }

    /// - Parameter color: of the left half; the right half is black.
    func picture(_ path: String, _ color: (UInt8, UInt8, UInt8) = (200, 10, 10)) throws {
        var pixels: [UInt8] = []
        for i in 0..<side * side { pixels += i % side < side / 2 ? [color.0, color.1, color.2] : [0, 0, 0] }
        try FileManager.default.createDirectory(
            at: root.appending(path: path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try PNGWriter.write(
            PNGImage(width: side, height: side, kind: .rgb, pixels: pixels),
            to: root.appending(path: path).path)
    }

    /// 16-bit mono at 16 kHz; sample i is i modulo 1000.
    func sound(_ path: String, seconds: Double = 5) throws {
        let count = Int(seconds * 16000)
        func bytes<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian, Array.init)
        }
        var wav = Array("RIFF".utf8) + bytes(UInt32(36 + 2 * count)) + Array("WAVEfmt ".utf8)
        wav += bytes(UInt32(16)) + bytes(UInt16(1)) + bytes(UInt16(1)) + bytes(UInt32(16000))
        wav += bytes(UInt32(32000)) + bytes(UInt16(2)) + bytes(UInt16(16)) + Array("data".utf8)
        wav += bytes(UInt32(2 * count))
        for i in 0..<count { wav += bytes(Int16(i % 1000)) }
        try write(Data(wav), path)
    }

    func semanticClip(_ folder: String, masks: Int = 5, color: (UInt8, UInt8, UInt8) = (128, 0, 0)) throws {
        for i in 0..<masks { try picture("\(folder)/labels_rgb/\(i).png", color) }
        try sound("\(folder)/audio.wav")
    }
}

@Suite("AVSBench's folders")
struct AVSBenchTests {
    private let bench = Bench()

    private func dataset(
        _ subset: AVSBenchDataset.Subset, _ split: AVSBenchDataset.Split = .val, frames: Int = 5
    )
        throws -> AVSBenchDataset
    {
        try AVSBenchDataset(folder: bench.root.path, subset: subset, split: split, frames: frames)
    }

    @Test("a single-source clip: pictures, truth and windows")
    func singleSource() throws {
        try bench.write(
            "name,start,category,split\nabc,0,bell,val\nxyz,3,drum,train\nvhUM-UOKpSk,0,bell,train\n",
            "Single-source/s4_meta_data.csv")
        for i in 1...5 { try bench.picture("Single-source/s4_data/visual_frames/val/bell/abc/abc_\(i).png") }
        try bench.semanticClip("AVSSBench/v1s/abc_0_5000")
        try bench.semanticClip("AVSSBench/v1s/xyz", masks: 1)
        let clips = try dataset(.s4)
        #expect(clips.count == 1 && clips.classes.count == 71)
        let clip = try clips.clip(0)
        #expect(clip.name == "abc" && clip.frames.count == 5)
        #expect(Array(clip.frames[0].truth?[6...9] ?? []) == [1, 1, 0, 0])
        #expect(clip.frames[0].image.pixels.prefix(3) == [200, 10, 10])
        // Starts every 0.75 s.
        #expect(clip.frames.map(\.sound.count) == Array(repeating: 32000, count: 5))
        #expect(
            abs(clip.frames[3].sound[0] - 0 / 32768) < 1e-6 && abs(clip.frames[1].sound[7] - 7 / 32768) < 1e-6
        )
        #expect(try dataset(.s4, .train, frames: 1).entries.map(\.name) == ["xyz"])
    }

    @Test("a semantic set with names of its own")
    func semantic() throws {
        try bench.write("uid,label,split\nu1,v1m,val\nu2,v2,val\n", "metadata.csv")
        try bench.write("{\"background\": 1, \"fan\": 3, \"bell\": 2}", "label2idx.json")
        for (uid, label, count) in [("u1", "v1m", 5), ("u2", "v2", 10)] {
            for i in 0..<count { try bench.picture("\(label)/\(uid)/frames/\(i).png") }
            try bench.semanticClip("\(label)/\(uid)", masks: count, color: (0, 128, 0))
        }
        let clips = try dataset(.avss)
        #expect(clips.classes == ["background", "bell", "fan"])
        #expect(try clips.clip(0).frames[4].truth?[0] == 2)
        #expect(try dataset(.avss, frames: 10).entries.map(\.name) == ["u2"])
    }

    @Test("what is wrong is named with its path")
    func defects() throws {
        #expect { try dataset(.avss) } throws: {
            "\($0)".contains("metadata.csv: not a readable list of clips")
        }
        try bench.write("uid,kind,split\nu1,v1m,val\n", "metadata.csv")
        #expect { try dataset(.avss) } throws: {
            "\($0)".contains("has no column label, but uid, kind, split")
        }
        try bench.write("uid,label,split\nu1,v1m,val\n", "metadata.csv")
        #expect { try dataset(.avss, .test) } throws: { "\($0)".contains("no clip of avss, test") }
        for i in 0..<5 { try bench.picture("v1m/u1/frames/\(i).png") }
        try bench.semanticClip("v1m/u1", color: (1, 2, 3))
        #expect { try dataset(.avss).clip(0) } throws: {
            "\($0)".contains("0.png: colour (1, 2, 3) is no class")
        }
        try bench.sound("v1m/u1/audio.wav", seconds: 0.01)
        #expect { try dataset(.avss).clip(0) } throws: {
            "\($0)".contains("audio.wav: 160 samples at 16 kHz")
        }
    }

    @Test("a name that two folders could have is ambiguous")
    func ambiguous() throws {
        try bench.write("name,start,category,split\nabc,0,bell,val\n", "Single-source/s4_meta_data.csv")
        try bench.semanticClip("AVSSBench/v1s/abc_0")
        try bench.semanticClip("AVSSBench/v1s/abc_5")
        #expect { try dataset(.s4) } throws: { "\($0)".contains("v1s/abc: could be abc_0 or abc_5") }
        try bench.semanticClip("AVSSBench/v1s/abc")
        #expect(try dataset(.s4).entries[0].audio.hasSuffix("v1s/abc/audio.wav"))
    }
}
