// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// Decides when clips of a stream begin and end. Used by one thread.
struct ClipSequence {
    private let settings: ClipRecorder.Settings
    private let stream: String
    private let sound: LiveSound
    private let encoder = JPEGEncoder(quality: 95)
    private var budget: ClipBudget?
    /// The pictures of the last `before`.
    private var recent: [ClipFrame] = []
    private var current: RecordedClip?
    /// Complete but for sound that may still come.
    private var closing: [RecordedClip] = []
    private var lastEnd = MediaTime(nanoseconds: .min)
    private var failures = 0
    private var retryAt: MediaTime?
    private(set) var framesWritten = 0

    /// Sound may come this much later than pictures.
    private static let soundDelay = MediaTime.seconds(1)

    init(_ settings: ClipRecorder.Settings, stream: String, sound: LiveSound) {
        (self.settings, self.stream, self.sound) = (settings, stream, sound)
    }

    /// Whether a clip is open.
    var isOpen: Bool { current != nil }

    /// Whether the last clip could be written.
    var isWell: Bool { failures == 0 }

    mutating func take(
        _ picture: ClipRecorder.Picture, until asked: MediaTime?, classes: [String]
    ) throws {
        let time = picture.frame.pts
        let frame = try ClipFrame(picture, encoder, maxWidth: settings.maxWidth)
        if let clip = current, time >= clip.end { end(clip) }
        if let current {
            try current.add(frame)
            framesWritten += 1
        } else if isWanted(picture, asked), !classes.isEmpty, retryAt.map({ MediaClock.now >= $0 }) ?? true {
            try begin(at: time, with: recent + [frame], until: asked, classes)
        }
        recent.append(frame)
        recent.removeAll { time - $0.time > settings.before }
    }

    /// Takes the sound that has come, and completes clips that have all of theirs.
    mutating func rest(at now: MediaTime) throws {
        for clip in closing { clip.hear(sound) }
        current?.hear(sound)
        // The source may have stopped.
        if let clip = current, now >= clip.end + Self.soundDelay { end(clip) }
        while let clip = closing.first, now >= clip.end + Self.soundDelay {
            closing.removeFirst()
            try complete(clip)
        }
    }

    mutating func close() throws {
        try rest(at: MediaClock.now)
        for clip in closing + (current.map { [$0] } ?? []) { try complete(clip) }
        (closing, current) = ([], nil)
    }

    /// Gives up what is open; clips are tried again later.
    mutating func fail(at now: MediaTime) {
        for clip in closing + (current.map { [$0] } ?? []) { clip.abandon() }
        (closing, current) = ([], nil)
        failures += 1
        retryAt = now + BackOff().wait(after: failures)
    }

    private func isWanted(_ picture: ClipRecorder.Picture, _ asked: MediaTime?) -> Bool {
        if let asked, picture.frame.pts < asked { return true }
        return switch settings.occasion {
        case .always: true
        case .events: picture.isSounding
        case .request: false
        }
    }

    private mutating func begin(
        at time: MediaTime, with frames: [ClipFrame], until asked: MediaTime?, _ classes: [String]
    ) throws {
        let frames = frames.filter { $0.time >= lastEnd && time - $0.time <= settings.before }
        guard let first = frames.first else { return }
        let full = first.time + settings.length
        let isAskedFor = settings.occasion == .request
        let end = isAskedFor ? min(full, max(asked ?? full, time)) : full
        if budget == nil {
            try RecordedClip.prepare(settings.folder, classes: classes)
            budget = ClipBudget(folder: settings.folder, stream: stream, bytes: settings.diskBudget)
        }
        try RecordedClip.check(settings.folder, classes: classes)
        let clip = try RecordedClip(
            in: settings.folder, stream: stream, start: first.time, end: end,
            framesPerSecond: settings.framesPerSecond)
        current = clip
        for frame in frames { try clip.add(frame) }
        framesWritten += frames.count
    }

    private mutating func end(_ clip: RecordedClip) {
        lastEnd = clip.end
        closing.append(clip)
        current = nil
    }

    private mutating func complete(_ clip: RecordedClip) throws {
        try clip.complete()
        (failures, retryAt) = (0, nil)
        budget?.add(clip.name)
    }
}

/// A picture as it is kept: compressed, with what was found on it.
struct ClipFrame {
    let time: MediaTime
    let jpeg: [UInt8]
    /// Classes of pixels, as PNG.
    let mask: [UInt8]?

    init(_ picture: ClipRecorder.Picture, _ encoder: JPEGEncoder, maxWidth: Int) throws(MediaError) {
        time = picture.frame.pts
        jpeg = try encoder.encode(picture.frame, maxWidth: maxWidth)
        let size = JPEGEncoder.size(of: picture.frame, maxWidth: maxWidth)
        mask = try picture.analysis.map { analysis throws(MediaError) in
            try PNGWriter.encode(Self.classes(of: analysis, width: size.width, height: size.height))
        }
    }

    private static func classes(of analysis: FrameAnalysis, width: Int, height: Int) -> PNGImage {
        let values = [0] + analysis.objects.map { UInt8(clamping: $0.classIndex) }
        let columns = (0..<width).map { ($0 * 2 + 1) * analysis.width / (2 * width) }
        var pixels = [UInt8](repeating: 0, count: width * height)
        // Nothing found has no labels.
        if !analysis.labels.isEmpty {
            for y in 0..<height {
                let row = (y * 2 + 1) * analysis.height / (2 * height) * analysis.width
                for x in 0..<width { pixels[y * width + x] = values[Int(analysis.labels[row + columns[x]])] }
            }
        }
        return PNGImage(width: width, height: height, kind: .gray, pixels: pixels)
    }
}
