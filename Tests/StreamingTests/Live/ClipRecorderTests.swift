// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing
import Training

@testable import Streaming

@Suite("Recording for training")
struct ClipRecorderTests {
    private static let classes = ["background", "loud", "quiet"]
    /// Times of a machine that has run for a while.
    private static let begin = MediaTime.seconds(1000)
    private let folder = FileManager.default.temporaryDirectory.appending(path: "clips-\(UUID().uuidString)")

    private var settings: ClipRecorder.Settings {
        var settings = ClipRecorder.Settings(folder: folder.path, diskBudget: 100_000_000)
        (settings.occasion, settings.length) = (.always, .seconds(4))
        return settings
    }

    /// Frames at 25 per second whose left half is of class 1 where something sounds, and sound at 8 kHz that is 0.5
    /// in the first tenth of every second, else 0.
    private func play(
        _ clips: inout ClipSequence, _ sound: LiveSound, seconds: Range<Int>, sounding: Range<Int> = 0..<1000,
        until asked: MediaTime? = nil, classes: [String] = Self.classes
    ) throws {
        for tick in seconds.lowerBound * 25..<seconds.upperBound * 25 {
            let time = Self.begin + .milliseconds(Int64(tick) * 40)
            let level: Float = tick % 25 * 40 < 100 ? 0.5 : 0
            sound.timeline.withLock {
                $0.append([Float](repeating: level, count: 320), rate: 8000, at: time)
            }
            if tick.isMultiple(of: 5) {
                try clips.take(
                    picture(at: time, isSounding: sounding.contains(tick / 25)), until: asked,
                    classes: classes)
            }
            try clips.rest(at: time)
        }
    }

    private func picture(at time: MediaTime, isSounding: Bool) -> ClipRecorder.Picture {
        let frame = VideoFrame(
            width: 64, height: 48, pts: time, duration: nil, pixels: .init(repeating: 90, count: 64 * 48 * 3))
        let found = SoundingObject(
            id: 7, classIndex: 1, className: "loud", score: 0.9,
            box: Box(x: 0, y: 0, width: 32, height: 48), area: 32 * 48, row: 0)
        let labels = (0..<64 * 48).map { UInt8($0 % 64 < 32 ? 1 : 0) }
        let analysis = FrameAnalysis(
            number: 0, time: time, width: 64, height: 48, gate: .open, level: -10, windowEnd: time,
            objects: isSounding ? [found] : [], labels: isSounding ? labels : [], logits: nil)
        return ClipRecorder.Picture(frame: frame, analysis: analysis, isSounding: isSounding)
    }

    private var recorded: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "train").path)
        return (names ?? []).sorted()
    }

    private func dataset() throws -> FolderDataset {
        var part = DatasetFolder(folder.path, .recordings, .train)
        part.takesDrafts = true
        part.windows = .causal
        return try FolderDataset(part)
    }

    @Test("clips follow each other, and training reads pictures, masks and the sound of their time")
    func always() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        try play(&clips, sound, seconds: 0..<10)
        try clips.close()
        let dataset = try dataset()
        #expect(dataset.classes == Self.classes && dataset.count == 3)
        for (index, count) in [20, 20, 10].enumerated() {
            let clip = try dataset.clip(index)
            #expect(clip.frames.count == count)
            for (number, frame) in clip.frames.enumerated() {
                #expect(frame.image.width == 64 && frame.image.height == 48)
                #expect(frame.truth == (0..<64 * 48).map { UInt8($0 % 64 < 32 ? 1 : 0) })
                // The window ends with the frame: its newest sound tells what part of the second this is.
                let isLoud = number % 5 == 0
                let newest = frame.sound.suffix(1600 / 4).map { abs($0) }.reduce(0, +) / 400
                guard index > 0 || number > 10 else { continue }
                #expect(isLoud || newest < 0.4, "\(index) \(number): \(newest)")
                #expect((frame.sound.map { abs($0) }.max() ?? 0) > 0.4)
            }
        }
    }

    @Test("something that sounds begins a clip, with what was before")
    func events() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var settings = settings
        settings.occasion = .events
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        try play(&clips, sound, seconds: 0..<5, sounding: 0..<0)
        #expect(recorded.isEmpty)
        try play(&clips, sound, seconds: 5..<15, sounding: 5..<6)
        #expect(recorded.count == 1)
        let clip = try dataset().clip(0)
        let marked = clip.frames.map { $0.truth?.contains(1) ?? false }
        // Two seconds of before, one of sound, one of after.
        #expect(marked.count == 20)
        #expect(marked == (0..<20).map { (10..<15).contains($0) })
    }

    @Test("a request records for as long as it asks, in clips of the usual length")
    func request() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var settings = settings
        settings.occasion = .request
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        try play(&clips, sound, seconds: 0..<5)
        #expect(recorded.isEmpty)
        try play(&clips, sound, seconds: 5..<15, until: Self.begin + .seconds(8))
        let counts = try (0..<dataset().count).map { try dataset().clip($0).frames.count }
        // From 3 s, two before the request, to 8 s.
        #expect(counts == [20, 5])
    }

    @Test("drafts are passed over unless asked for, and the check counts them")
    func drafts() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        try play(&clips, sound, seconds: 0..<6)
        try clips.close()
        let part = DatasetFolder(folder.path, .recordings, .train)
        let check = DatasetCheck(part, examples: 3)
        #expect(check.drafts == 2 && !check.isUsable)
        #expect(check.text.contains("2 recordings are drafts that nobody has looked at, passed over"))
        #expect(throws: DatasetError.self) { try FolderDataset(part) }
        var all = part
        all.takesDrafts = true
        #expect(DatasetCheck(all, examples: 3).isUsable)
    }

    @Test("a folder of other classes is an error that names its list, and is left alone")
    func otherClasses() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        try play(&clips, sound, seconds: 0..<3)
        try clips.close()
        var other = ClipSequence(settings, stream: "yard", sound: sound)
        let error = #expect(throws: MediaError.self) {
            try play(&other, sound, seconds: 3..<4, classes: ["background", "dog"])
        }
        #expect(error?.description.contains("label2idx.json") == true)
        #expect(recorded.count == 1)
    }

    @Test(
        "the oldest clips and what a kill left go, those of other streams never")
    func budget() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        for name in ["door-20200101-000000", "yard-20200101-000000", "notes"] {
            try FileManager.default.createDirectory(
                at: folder.appending(path: "train/\(name)/frames"), withIntermediateDirectories: true)
        }
        // Whole ones; the second is from when the clock was wrong.
        for name in ["door-20210101-000000", "door-29990101-000000"] {
            let place = folder.appending(path: "train/\(name)")
            try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
            try Data(count: 300_000).write(to: place.appending(path: "audio.wav"))
            try Data("{}".utf8).write(to: place.appending(path: "clip.json"))
        }
        _ = ClipBudget(folder: folder.path, stream: "door", bytes: 450_000)
        #expect(recorded.filter { $0.hasPrefix("door-") } == ["door-20210101-000000"])
        var settings = settings
        settings.diskBudget = 450_000
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        // 192 KB of sound and 40 files of a block each.
        try play(&clips, sound, seconds: 0..<20)
        try clips.close()
        #expect(recorded.contains("yard-20200101-000000") && recorded.contains("notes"))
        #expect(!recorded.contains("door-20210101-000000"))
        let own = recorded.filter { $0.hasPrefix("door-") }
        #expect((1...2).contains(own.count))
    }

    @Test("what cannot be written is told, leaves nothing behind, and is tried again")
    func notWritable() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data().write(to: folder)
        let sound = LiveSound()
        var clips = ClipSequence(settings, stream: "door", sound: sound)
        #expect(throws: MediaError.self) { try play(&clips, sound, seconds: 0..<1) }
        clips.fail(at: .zero)
        #expect(!clips.isWell)
        try FileManager.default.removeItem(at: folder)
        try play(&clips, sound, seconds: 1..<8)
        #expect(clips.isWell)
        #expect(try dataset().count == 1)
    }

    @Test("a live stream records when asked, as it is seen and heard")
    func live() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var streamSettings = LiveStream.Settings(name: "door")
        var settings = settings
        settings.occasion = .request
        streamSettings.recording = settings
        let stream = LiveStream(streamSettings)
        let worker = SegmentWorker()
        worker.start()
        worker.add(stream) { SyntheticSegmenter() }
        stream.note(.video, .up)
        var hasRecorded = false
        for tick in 0..<75 {
            if tick == 25 { #expect(!stream.status.isRecording && stream.record(for: .seconds(1))) }
            if tick > 25, stream.status.isRecording { hasRecorded = true }
            let time = MediaClock.now
            stream.take(
                AudioBlock(
                    pts: time - .milliseconds(40), sampleRate: 16_000, channels: 1,
                    samples: (0..<640).map { $0.isMultiple(of: 2) ? 0.8 : -0.8 }))
            stream.take(
                VideoFrame(
                    width: 64, height: 48, pts: time, duration: nil,
                    pixels: (0..<64 * 48 * 3).map { $0 / 3 % 64 < 32 ? 230 : 20 }))
            Thread.sleep(forTimeInterval: 0.04)
        }
        worker.stop()
        stream.stop()
        #expect(hasRecorded)
        let told = try #require(stream.status.outputs.first { $0.name.hasPrefix("clips") })
        #expect(told.problem == nil && told.framesWritten > 5)
        let clip = try dataset().clip(0)
        #expect(clip.frames.count >= 5)
        let last = try #require(clip.frames.last)
        #expect(last.truth?.first == 1 && (last.sound.map { abs($0) }.max() ?? 0) > 0.7)
        #expect(!LiveStream(.init(name: "none")).record(for: .seconds(1)))
    }
}
