// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// A short clip whose truth is known: a disc and a square glide past each other; the disc hums for the first half,
/// the square buzzes for the second.
struct DemoClip {
    static let width = 320, height = 240
    static let framesPerSecond = 10
    static let frameCount = 40
    static let sampleRate = 48_000
    private static let radius = 36.0

    private struct Shape {
        var isRound: Bool
        var color: (UInt8, UInt8, UInt8)
        /// In Hz.
        var pitch: Double
        /// Loudness of overtone 1, 2, ….
        var overtones: [Double]
    }

    private static let shapes = [
        Shape(isRound: true, color: (220, 90, 60), pitch: 220, overtones: [1, 0.3]),
        Shape(isRound: false, color: (70, 130, 220), pitch: 660, overtones: [1, 0, 0.6, 0, 0.4, 0, 0.3]),
    ]

    /// Index of the shape that sounds at a time.
    private static func sounding(at seconds: Double) -> Int {
        seconds < Double(frameCount) / Double(framesPerSecond) / 2 ? 0 : 1
    }

    /// Pixels of the sounding shape on a frame, row-major.
    static func truth(frame: Int) -> [Bool] {
        let shape = sounding(at: Double(frame) / Double(framesPerSecond))
        return (0..<width * height).map { covers(shape, frame: frame, x: $0 % width, y: $0 / width) }
    }

    private static func covers(_ index: Int, frame: Int, x: Int, y: Int) -> Bool {
        let share = Double(frame) / Double(frameCount - 1)
        let travel = Double(width) - 4 * radius
        let centre = index == 0 ? 2 * radius + share * travel : Double(width) - 2 * radius - share * travel
        let (dx, dy) = (Double(x) - centre, Double(y) - Double(height) * (index == 0 ? 0.3 : 0.7))
        return shapes[index].isRound
            ? dx * dx + dy * dy < radius * radius : abs(dx) < radius && abs(dy) < radius
    }

    private static func pixels(frame: Int) -> [UInt8] {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(3 * width * height)
        for y in 0..<height {
            for x in 0..<width {
                let shape = shapes.indices.last { covers($0, frame: frame, x: x, y: y) }
                let ground = UInt8(96 + (x / 16 + y / 16) % 2 * 24)
                let (red, green, blue) = shape.map { shapes[$0].color } ?? (ground, ground, ground)
                pixels += [red, green, blue]
            }
        }
        return pixels
    }

    private static func samples() -> [Int16] {
        (0..<frameCount * sampleRate / framesPerSecond).map { index in
            let time = Double(index) / Double(sampleRate)
            let shape = shapes[sounding(at: time)]
            let wave = shape.overtones.enumerated().reduce(0.0) { sum, overtone in
                sum + overtone.element * sin(2 * .pi * shape.pitch * Double(overtone.offset + 1) * time)
            }
            return Int16(8000 * wave / shape.overtones.reduce(0, +))
        }
    }

    /// Writes the clip as mp4.
    static func write(to path: String) throws {
        let (pictures, sound) = (path + ".rgb", path + ".pcm")
        defer {
            try? FileManager.default.removeItem(atPath: pictures)
            try? FileManager.default.removeItem(atPath: sound)
        }
        try save((0..<frameCount).reduce(into: Data()) { $0 += pixels(frame: $1) }, pictures)
        try save(samples().withUnsafeBytes { Data($0) }, sound)
        let pipeline = try Pipeline(
            text: """
                filesrc name=pictures ! rawvideoparse format=rgb width=\(width) height=\(height)
                framerate=\(framesPerSecond)/1 ! videoconvert ! x264enc speed-preset=veryfast bframes=0 ! h264parse
                ! queue ! mux.
                filesrc name=sound ! rawaudioparse pcm-format=s16le sample-rate=\(sampleRate) num-channels=1
                ! audioconvert ! avenc_aac ! aacparse ! queue ! mux.
                mp4mux name=mux ! filesink name=out
                """)
        for (element, file) in [("pictures", pictures), ("sound", sound), ("out", path)] {
            try pipeline.set("location", of: element, to: file)
        }
        try pipeline.setState(.playing)
        try waitForEnd(of: pipeline, path)
        try pipeline.setState(.null)
    }

    private static func save(_ data: Data, _ path: String) throws {
        do {
            try data.write(to: URL(fileURLWithPath: path))
        } catch {
            throw MediaError(.notWritable, path, "cannot be written")
        }
    }

    private static func waitForEnd(of pipeline: Pipeline, _ path: String) throws {
        while true {
            switch pipeline.nextMessage(timeout: .seconds(30)) {
            case .endOfStream: return
            case .error(let error), .missingPlugin(let error): throw error
            case nil: throw MediaError(.stalled, path, "the clip could not be written")
            default: continue
            }
        }
    }
}
