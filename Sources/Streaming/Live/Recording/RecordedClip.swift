// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// A clip on its way to disk, in the layout that the README calls *recordings*: `train/NAME/{frames,masks}`,
/// `audio.wav`, and, once all is there, `clip.json`.
final class RecordedClip {
    let name: String
    let start, end: MediaTime
    private let path: String
    private let framesPerSecond: Int
    private let date: Date
    private var lastNumber = -1
    private var masks = 0
    private var samples: [Float] = []

    /// Sound before the first picture, which the model hears with it.
    private static let soundBefore = MediaTime.seconds(2)
    private static let rate = AudioTimeline.sampleRate
    static let split = "train"
    static let description = "clip.json"
    private static let classesFile = "label2idx.json"

    /// - Throws: `MediaError` where its folder cannot be made.
    init(
        in folder: String, stream: String, start: MediaTime, end: MediaTime, framesPerSecond: Int
    ) throws(MediaError) {
        (self.start, self.end, self.framesPerSecond) = (start, end, framesPerSecond)
        date = Date(timeIntervalSinceNow: (start - MediaClock.now).seconds)
        let plain = StampedName.text(stream, at: date), place = "\(folder)/\(Self.split)/"
        var (name, turn) = (plain, 0)
        while FileManager.default.fileExists(atPath: place + name) {
            turn += 1
            name = "\(plain)_\(turn)"
        }
        (self.name, path) = (name, place + name)
        for part in ["frames", "masks"] { try Self.makeFolder("\(path)/\(part)") }
    }

    /// Makes the folder of all clips, with the names of the classes.
    ///
    /// - Parameter classes: background first.
    static func prepare(_ folder: String, classes: [String]) throws(MediaError) {
        try makeFolder("\(folder)/\(split)")
        let file = "\(folder)/\(classesFile)"
        guard !FileManager.default.fileExists(atPath: file) else { return }
        try FileWriter.writeWhole(json(Self.numbers(classes)), to: file)
    }

    /// - Throws: where the folder's clips are of other classes: their numbers would mean something else.
    static func check(_ folder: String, classes: [String]) throws(MediaError) {
        let file = "\(folder)/\(classesFile)"
        let known = FileManager.default.contents(atPath: file)
            .flatMap { try? JSONDecoder().decode([String: Int].self, from: $0) }
        guard known == numbers(classes) else {
            throw MediaError(
                .notWritable, file,
                "is of other classes than the stream's \(classes.count): use a folder of its own")
        }
        guard classes.count <= 256 else {
            throw MediaError(
                .notWritable, folder, "masks tell at most 256 classes apart, the stream has \(classes.count)")
        }
    }

    private static func numbers(_ classes: [String]) -> [String: Int] {
        Dictionary(zip(classes, 0...)) { first, _ in first }
    }

    func add(_ frame: ClipFrame) throws(MediaError) {
        let number = Int(((frame.time - start).seconds * Double(framesPerSecond)).rounded())
        guard number > lastNumber, frame.time < end else { return }
        lastNumber = number
        let file = String(format: "%06d", number)
        try FileWriter.write(frame.jpeg, to: "\(path)/frames/\(file).jpg")
        guard let mask = frame.mask else { return }
        try FileWriter.write(mask, to: "\(path)/masks/\(file).png")
        masks += 1
    }

    /// Takes what has come of its sound.
    func hear(_ sound: LiveSound) {
        let first = Self.index(start - Self.soundBefore) + samples.count, last = Self.index(end)
        sound.timeline.withLock { timeline in
            let range = first..<max(first, min(last, timeline.endIndex))
            let heard = timeline.samples(range)
            // What is missing lies before the oldest that is still known.
            samples += [Float](repeating: 0, count: range.count - heard.count) + heard
        }
    }

    /// Completes it, as far as pictures have come.
    func complete() throws(MediaError) {
        guard lastNumber >= 0 else { return abandon() }
        let seconds = Self.soundBefore.seconds + Double(lastNumber + 1) / Double(framesPerSecond)
        let count = Int((seconds * Double(Self.rate)).rounded())
        samples = Array(samples.prefix(count)) + [Float](repeating: 0, count: max(0, count - samples.count))
        try FileWriter.write(
            WaveFile.bytes(samples, sampleRate: Self.rate), to: "\(path)/audio.wav")
        let description = Description(
            fps: framesPerSecond, start: Self.soundBefore.seconds, drafts: true,
            recorded: date.formatted(.iso8601))
        try FileWriter.writeWhole(Self.json(description), to: "\(path)/\(Self.description)")
    }

    /// Removes what there is of it.
    func abandon() { try? FileManager.default.removeItem(atPath: path) }

    private struct Description: Encodable {
        var fps: Int
        var start: Double
        /// Masks are a model's, which nobody has looked at.
        var drafts: Bool
        var recorded: String
    }

    private static func index(_ time: MediaTime) -> Int { Int((time.seconds * Double(rate)).rounded()) }

    private static func json(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        // Plain values with finite numbers can always be encoded.
        return (try? Array(encoder.encode(value))) ?? []
    }

    private static func makeFolder(_ path: String) throws(MediaError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch { throw MediaError(.notWritable, path, "cannot be made: \(error.localizedDescription)") }
    }
}
