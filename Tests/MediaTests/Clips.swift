// SPDX-License-Identifier: Apache-2.0
import Foundation

@testable import Media

/// A directory that goes away with the test.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/tavis-media-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit {
        if ProcessInfo.processInfo.environment["KEEP"] == nil {
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }
    var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }

    /// Runs a pipeline that ends in `filesink name=out`, and returns the path that was written.
    func make(_ name: String, _ text: String) throws -> String {
        let pipeline = try Pipeline(text: text)
        try pipeline.set("location", of: "out", to: file(name))
        try pipeline.setState(.playing)
        let deadline = Deadline(after: .seconds(30))
        while !deadline.isPast {
            switch pipeline.nextMessage(timeout: .milliseconds(100)) {
            case .error(let error): throw error
            case .endOfStream: return file(name)
            default: continue
            }
        }
        throw MediaError(.stalled, name, "test clip")
    }

    /// A test picture at 10 frames per second and a tone, in Matroska.
    func clip(
        _ name: String = "clip.mkv", frames: Int = 10, width: Int = 64, height: Int = 48,
        audio: String? = "audio/x-raw, rate=48000, channels=2", audioBuffers: Int = 47
    ) throws -> String {
        let sound = audio.map {
            "audiotestsrc num-buffers=\(audioBuffers) samplesperbuffer=1024 ! \($0) ! queue ! mux."
        }
        return try make(
            name,
            """
            videotestsrc num-buffers=\(frames) ! video/x-raw, width=\(width), height=\(height), framerate=10/1
            ! vp8enc deadline=1 ! queue ! mux. \(sound ?? "") matroskamux name=mux ! filesink name=out
            """)
    }
}

extension MediaReader {
    func allFrames() throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        while let frame = try nextVideoFrame() { frames.append(frame) }
        return frames
    }

    func allAudio() throws -> [AudioBlock] {
        var blocks: [AudioBlock] = []
        while let block = try nextAudioBlock() { blocks.append(block) }
        return blocks
    }
}

/// Reads `input` and writes what it reads, as the program does.
@discardableResult
func copy(_ input: String, to output: String, options: MediaReader.Options = .init()) throws -> AudioHandling
{
    let reader = try MediaReader(input, options: options)
    let writer = try MediaWriter(path: output, video: .init(reader.info.video!), audioOf: reader)
    while let frame = try reader.nextVideoFrame() { try writer.write(frame) }
    try writer.finish()
    return writer.audio
}

let sharedFolder = ProcessInfo.processInfo.environment["TAVIS_SHARED"]

/// What ffprobe prints for `arguments`, nil where it is not installed.
func ffprobe(_ arguments: [String]) throws -> String? {
    let tool = "/usr/bin/ffprobe"
    guard FileManager.default.isExecutableFile(atPath: tool) else { return nil }
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: tool)
    process.arguments = ["-v", "error"] + arguments
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
}
