// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Training

@Suite("recordings")
struct RecordingTests {
    private let bench = Bench()

    private func dataset(frames: Int? = nil) throws -> FolderDataset {
        var folder = DatasetFolder(bench.root.path, .recordings, .train)
        (folder.frames, folder.windows) = (frames, .causal)
        return try FolderDataset(folder)
    }

    /// Frames 0 … 11 at 2 per second, every second one with truth.
    private func record(_ name: String, _ description: String = "{\"fps\": 2}") throws {
        for i in 0..<12 {
            try bench.picture("train/\(name)/frames/00000\(i).png")
            if i % 2 == 0 { try bench.ids("train/\(name)/masks/\(i).png", 5) }
        }
        try bench.sound("train/\(name)/audio.wav", seconds: 6)
        try bench.write(description, "train/\(name)/clip.json")
    }

    @Test("frames with truth, each with the sound that a stream has heard by then")
    func whole() throws {
        try record("a")
        let clips = try dataset()
        #expect(clips.count == 1 && clips.classes.count == 71)
        let clip = try clips.clip(0)
        #expect(clip.name == "a" && clip.frames.count == 6 && clip.publishedSide == nil)
        #expect(clip.frames.allSatisfy { $0.truth?[0] == 5 && $0.truth?[15] == 0 })
        #expect(clip.frames.map(\.sound.count) == [400, 16_000, 32_000, 32_000, 32_000, 32_000])
    }

    @Test("long recordings are cut into pieces")
    func pieces() throws {
        try record("a")
        let clips = try dataset(frames: 4)
        #expect(clips.clips.map(\.name) == ["a/0", "a/8"])
        #expect(try (0..<2).map { try clips.clip($0).frames.count } == [4, 2])
        #expect(clips.clips[1].times == [4, 5])
    }

    @Test("a clip may start later in its sound, and its truth may not tell classes")
    func described() throws {
        try record("a", "{\"fps\": 4, \"start\": 1.5, \"masks\": \"binary\"}")
        let clip = try dataset().clip(0)
        #expect(!clip.namesClasses && clip.frames[0].truth?[0] == 1)
        #expect(clip.frames[0].sound.count == 24_000)
    }

    @Test("what is not complete is passed over, what is wrong is named")
    func defects() throws {
        #expect { try dataset() } throws: { "\($0)".contains("train: expected a folder of recordings") }
        try bench.picture("train/unfinished/frames/0.png")
        #expect { try dataset() } throws: { "\($0)".contains("no clip of recordings-train") }
        try record("a", "{\"fps\": 0}")
        #expect { try dataset() } throws: { "\($0)".contains("clip.json: expected fps above 0") }
        try record("a", "fps: 2")
        #expect { try dataset() } throws: { "\($0)".contains("clip.json: expected an object") }
        try record("a")
        try bench.ids("train/a/masks/77.png", 1)
        #expect { try dataset() } throws: { "\($0)".contains("77.png: there is no frame of this number") }
        try bench.remove("train/a/masks/77.png")
        try bench.picture("train/a/frames/0.png")
        #expect { try dataset() } throws: { "\($0)".contains("has the same number") }
    }
}
