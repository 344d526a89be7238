// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

/// A folder that goes away with the test, clips made in it, and the program run in it.
final class Workplace: Sendable {
    let root = NSTemporaryDirectory() + "tavis-program-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: root) }

    func path(_ name: String) -> String { "\(root)/\(name)" }
    var contents: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []).sorted() }
    func folder(_ name: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(name)).sorted()
    }

    // MARK: Clips

    /// Runs a pipeline that ends in `filesink name=out`.
    func make(_ name: String, _ text: String) throws -> String {
        let pipeline = try Pipeline(text: text)
        try pipeline.set("location", of: "out", to: path(name))
        try pipeline.setState(.playing)
        while true {
            switch pipeline.nextMessage(timeout: .seconds(30)) {
            case .endOfStream:
                try pipeline.setState(.null)
                return path(name)
            case .error(let error), .missingPlugin(let error): throw error
            case nil: throw MediaError(.stalled, name, "the test clip was not written")
            default: continue
            }
        }
    }

    /// A moving test picture at 10 frames per second, with a tone.
    func clip(
        _ name: String = "clip.mp4", frames: Int = 8, width: Int = 64, height: Int = 48, rate: Int = 48_000,
        channels: Int = 1, audioSeconds: Double? = nil
    ) throws -> String {
        let samples = Int((audioSeconds ?? Double(frames) / 10) * Double(rate))
        let muxer = name.hasSuffix(".mp4") ? "mp4mux" : "matroskamux"
        return try make(
            name,
            """
            videotestsrc pattern=ball num-buffers=\(frames) ! video/x-raw, width=\(width), height=\(height),
            framerate=10/1 ! videoconvert ! x264enc speed-preset=ultrafast bframes=0
            ! video/x-h264, profile=high-4:4:4 ! h264parse ! queue ! mux.
            audiotestsrc num-buffers=\(max(1, samples / 100)) samplesperbuffer=100
            ! audio/x-raw, rate=\(rate), channels=\(channels)\(channels > 2 ? ", channel-mask=(bitmask)0x3f" : "")
            ! audioconvert ! \(name.hasSuffix(".mp4") ? "avenc_aac" : "identity") ! queue ! mux.
            \(muxer) name=mux ! filesink name=out
            """)
    }

    /// Sets the clockwise quarter turn in the header of an mp4's first track.
    func turn(_ file: String) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: file))
        let header = try #require(data.range(of: Data("tkhd".utf8)))
        // After the name: version and flags, times, ids, layer, volume; then nine numbers in 16.16 and 2.30.
        let at = header.upperBound + 40
        let matrix: [UInt32] = [0, 0x1_0000, 0, 0xffff_0000, 0, 0, 48 << 16, 0, 0x4000_0000]
        let bytes = matrix.flatMap { number in
            (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        }
        data.replaceSubrange(at..<at + 36, with: bytes)
        try data.write(to: URL(fileURLWithPath: file))
    }

    // MARK: Running

    /// Runs another program; false where it fails or is not there.
    func tool(_ name: String, _ arguments: String...) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [name] + arguments
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return process.terminationStatus == 0
    }

    struct Outcome {
        var code: Int32
        var out: String
        var errors: String
        var errorLines: [Substring] { errors.split(separator: "\n") }
    }

    /// The program that was built with these tests.
    static var program: String {
        let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return tests.deletingLastPathComponent().appendingPathComponent("tavisd").path
    }

    func start(_ arguments: [String], shell: String? = nil) throws -> Running {
        try Running(arguments, in: root, shell: shell)
    }

    /// - Parameter shell: commands that a shell runs before it becomes the program.
    func run(_ arguments: String..., shell: String? = nil) throws -> Outcome {
        try start(arguments, shell: shell).wait()
    }

    func segment(_ input: String, _ arguments: String...) throws -> Outcome {
        try start(["segment", input] + arguments).wait()
    }

    final class Running {
        private let process = Process()
        private let out: String
        private let errors: String

        init(_ arguments: [String], in folder: String, shell: String?) throws {
            let name = folder + "/.run-\(UUID().uuidString)"
            (out, errors) = (name + ".out", name + ".err")
            process.executableURL = URL(fileURLWithPath: shell == nil ? Workplace.program : "/bin/sh")
            process.arguments =
                shell.map { ["-c", "\($0); exec \"$0\" \"$@\"", Workplace.program] + arguments } ?? arguments
            process.currentDirectoryURL = URL(fileURLWithPath: folder)
            process.standardInput = FileHandle.nullDevice
            for path in [out, errors] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
            process.standardOutput = FileHandle(forWritingAtPath: out)
            process.standardError = FileHandle(forWritingAtPath: errors)
            try process.run()
        }

        /// What it has said on the error output so far.
        var said: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }
        var identifier: Int32 { process.processIdentifier }
        func send(_ signal: Int32) { kill(process.processIdentifier, signal) }
        var isRunning: Bool { process.isRunning }

        func wait() throws -> Outcome {
            process.waitUntilExit()
            defer { for path in [out, errors] { try? FileManager.default.removeItem(atPath: path) } }
            // A signal that ended the program is no exit code.
            let code =
                process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
            return Outcome(
                code: code, out: try String(contentsOfFile: out, encoding: .utf8),
                errors: try String(contentsOfFile: errors, encoding: .utf8))
        }
    }
}

/// Times and sizes of all frames of a video.
struct Frames {
    var times: [MediaTime] = []
    var width = 0, height = 0
    var hasAudio: Bool

    init(_ path: String) throws {
        let reader = try MediaReader(path, options: .init(readsAudio: false))
        hasAudio = reader.info.hasAudio
        while let frame = try reader.nextVideoFrame() {
            times.append(frame.pts)
            (width, height) = (frame.width, frame.height)
        }
    }
}
