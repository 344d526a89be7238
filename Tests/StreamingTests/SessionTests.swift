// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Streaming
import TensorEngine
import Testing

/// Whole runs over generated clips, with a synthetic model.
@Suite("Stream session")
struct SessionTests {
    private let folder = Folder()

    @Test("every frame goes out with its time, and the sound with it", arguments: ["mp4", "mkv", "webm"])
    func framesAndTimes(container: String) throws {
        let input = try folder.clip()
        let output = folder.path("out.\(container)")
        let summary = try run(input) { $0.outputs.video = output }
        let (before, after) = (try Self.times(input), try Self.times(output))
        #expect(summary.frames == before.count)
        #expect(before.count == after.count)
        // Matroska counts milliseconds.
        for (a, b) in zip(before, after) { #expect(abs(a.nanoseconds - b.nanoseconds) < 1_000_000) }
        #expect(try MediaReader(output).info.hasAudio)
    }

    @Test("masks, events and logits of a run agree")
    func consistent() throws {
        let input = try folder.clip()
        let (masks, logits, events) = (folder.path("m/deep"), folder.path("l"), folder.path("e.jsonl"))
        let summary = try run(input) { settings in
            (settings.outputs.masks, settings.outputs.logits, settings.outputs.events) = (
                masks, logits, events
            )
        }
        let lines = try String(contentsOfFile: events, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == summary.frames)
        #expect(summary.markedFrames > 0)
        let times = try Self.times(input)
        for (number, line) in lines.enumerated() {
            let event = try JSONDecoder().decode(Event.self, from: Data(line.utf8))
            #expect(event.version == 1 && event.frame == number)
            #expect(event.ptsNs == times[number].nanoseconds)
            let file = try SafetensorsFile(path: logits + "/" + Self.digits(number) + ".safetensors")
            #expect(file.tensors.first?.shape == [6, 56, 56])
            #expect(FileManager.default.fileExists(atPath: masks + "/" + Self.digits(number) + ".png"))
            for object in event.objects { #expect(object.mask.size == [48, 64]) }
        }
    }

    @Test("a stop in the middle keeps what was written, playable")
    func stopped() throws {
        let input = try folder.clip(frames: 40)
        let output = folder.path("out.mp4"), events = folder.path("e.jsonl")
        var settings = StreamSession.Settings()
        (settings.outputs.video, settings.outputs.events) = (output, events)
        let flag = StopFlag()
        let session = try StreamSession(input, settings, stop: flag)
        let summary = try session.run(SyntheticSegmenter()) { state, _ in
            if state.frames == 12 { flag.request() }
        }
        #expect(summary.wasStopped)
        #expect(summary.frames == 12)
        #expect(try Self.times(output).count == 12)
        #expect(try String(contentsOfFile: events, encoding: .utf8).split(separator: "\n").count == 12)
    }

    @Test("after an error nothing is left under the final names")
    func failed() throws {
        let input = try folder.clip()
        var settings = StreamSession.Settings()
        (settings.outputs.video, settings.outputs.events) = (folder.path("out.mp4"), folder.path("e.jsonl"))
        do {
            let session = try StreamSession(input, settings)
            #expect(throws: Failing.Broken.self) { try session.run(Failing()) }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.root) == ["clip.mkv"])
    }

    @Test("frames pushed one by one give the logits of the whole clip")
    func streamingIsOffline() throws {
        let input = try folder.clip(frames: 15)
        _ = try run(input) { $0.outputs.logits = folder.path("l") }
        // Offline: all sound and all frames first, then each frame by itself.
        let reader = try MediaReader(input)
        var timeline = AudioTimeline()
        while let block = try reader.nextAudioBlock() {
            timeline.append(block.samples, rate: block.sampleRate, at: block.pts)
        }
        timeline.finish()
        let model = SyntheticSegmenter()
        var number = 0
        while let frame = try reader.nextVideoFrame() {
            let offline = model.segment(frame)
            let file = try SafetensorsFile(
                path: folder.path("l") + "/" + Self.digits(number) + ".safetensors")
            #expect(try file.tensors.first?.readFloats() == offline.values)
            number += 1
        }
        #expect(number == 15)
    }

    @Test("a folder that cannot be made is an error that names it")
    func noFolder() throws {
        let input = try folder.clip()
        var settings = StreamSession.Settings()
        settings.outputs.masks = input + "/masks"
        #expect {
            _ = try StreamSession(input, settings)
        } throws: {
            "\($0)".hasPrefix(input + "/masks: cannot be made") && !"\($0)".contains("\n")
        }
    }

    private func run(
        _ input: String, _ change: (inout StreamSession.Settings) -> Void
    ) throws -> StreamSession.Summary {
        var settings = StreamSession.Settings()
        settings.economy.audioHop = .milliseconds(100)
        change(&settings)
        return try StreamSession(input, settings).run(SyntheticSegmenter())
    }

    private static func times(_ path: String) throws -> [MediaTime] {
        let reader = try MediaReader(path, options: .init(readsAudio: false))
        var times: [MediaTime] = []
        while let frame = try reader.nextVideoFrame() { times.append(frame.pts) }
        return times
    }

    private static func digits(_ number: Int) -> String {
        String(repeating: "0", count: 6 - String(number).count) + String(number)
    }

    private struct Event: Decodable {
        struct Object: Decodable {
            struct Mask: Decodable { var size: [Int] }
            var mask: Mask
        }
        var version, frame: Int
        var ptsNs: Int64
        var objects: [Object]
        enum CodingKeys: String, CodingKey {
            case version, frame, objects
            case ptsNs = "pts_ns"
        }
    }

    private final class Failing: FrameSegmenter {
        struct Broken: Error {}
        let classNames = ["background", "thing"]
        private var frames = 0
        func hear(_ samples: [Float]) -> HeardSound {
            HeardSound(parts: [.init(probabilities: [0, 1], token: [1])], scene: [0, 1])
        }
        func segment(_ frame: VideoFrame, slots: [Int]?) throws -> Tensor {
            frames += 1
            if frames == 5 { throw Broken() }
            return Tensor([slots?.count ?? 2, 4, 4], filled: 1)
        }
    }
}

/// A folder that goes away with the test.
final class Folder: Sendable {
    let root = NSTemporaryDirectory() + "tavis-session-\(UUID().uuidString)"

    init() { try? FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: root) }

    func path(_ name: String) -> String { "\(root)/\(name)" }

    /// A test picture at 10 frames per second with a tone.
    func clip(frames: Int = 10, width: Int = 64, height: Int = 48) throws -> String {
        let pipeline = try Pipeline(
            text: """
                videotestsrc num-buffers=\(frames) ! video/x-raw, width=\(width), height=\(height), framerate=10/1
                ! vp8enc deadline=1 ! queue ! mux.
                audiotestsrc num-buffers=\(frames * 5) samplesperbuffer=960 ! audio/x-raw, rate=48000, channels=1
                ! opusenc ! queue ! mux. matroskamux name=mux ! filesink name=out
                """)
        let file = path("clip.mkv")
        try pipeline.set("location", of: "out", to: file)
        try pipeline.setState(.playing)
        while true {
            switch pipeline.nextMessage(timeout: .seconds(30)) {
            case .endOfStream:
                try pipeline.setState(.null)
                return file
            case .error(let error): throw error
            case nil: throw MediaError(.stalled, file, "the test clip was not written")
            default: continue
            }
        }
    }
}
