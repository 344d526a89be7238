// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Foundation

/// One run of an output's pipeline, for pictures of one size. For one thread.
final class OutputSession {
    let size: (width: Int, height: Int)

    private let pipeline: Pipeline
    private let video: Element
    private let audio: Element?
    private let name: String
    /// What the output sees as time zero.
    private let origin: MediaTime
    private var audioFormat: (rate: Int, channels: Int) = (48_000, 1)
    private var audioCaps: String?
    private var audioEnd = MediaTime.zero
    private var lastFrame = MediaTime(nanoseconds: -1)

    /// A muxer waits for both tracks: silence stands in for sound that is further behind the pictures than this.
    private static let longestWait = MediaTime.milliseconds(500)
    /// And leaves this much room for sound that is only a little late.
    private static let silenceMargin = MediaTime.milliseconds(250)
    private static let jitter = MediaTime.milliseconds(40)
    private static let pushTimeout = MediaTime.seconds(5)
    private static let closeTimeout = MediaTime.seconds(5)
    private static let queuedFrames: UInt64 = 4
    private static let usualDuration = MediaTime.milliseconds(40)

    init(
        _ kind: LiveOutputKind, stream: String, hasAudio: Bool, bitrate: Int, first: VideoFrame
    ) throws(MediaError) {
        let withSound = hasAudio && kind.takesSound
        pipeline = try Pipeline(text: kind.text(withSound: withSound))
        video = try pipeline.element("video_out")
        audio = withSound ? try pipeline.element("audio_out") : nil
        (size, origin, name) = (first.codedSize, first.pts, kind.name)
        if pipeline.has("encoder") { try pipeline.set("bitrate", of: "encoder", to: bitrate) }
        try Self.set(kind, stream, pipeline)
        video.setSourceCaps("video/x-raw,format=RGB,width=\(size.width),height=\(size.height),framerate=0/1")
        do { try pipeline.setState(.playing) } catch { throw error.about(kind.name) }
    }

    private static func set(_ kind: LiveOutputKind, _ stream: String, _ pipeline: Pipeline) throws(MediaError)
    {
        switch kind {
        case .files(let folder, let container, let seconds, let bytes, _):
            try makeFolder(folder)
            try pipeline.set("max-size-time", of: "sink", to: seconds * 1_000_000_000)
            try pipeline.set("max-size-bytes", of: "sink", to: bytes ?? 0)
            tavis_name_files(try pipeline.element("sink").raw, "\(folder)/\(stream)", container.rawValue)
        case .hls(let folder, let target, let keep):
            try makeFolder(folder)
            try pipeline.set("playlist-location", of: "sink", to: "\(folder)/playlist.m3u8")
            try pipeline.set("location", of: "sink", to: "\(folder)/segment%05d.ts")
            try pipeline.set("target-duration", of: "sink", to: target)
            try pipeline.set("playlist-length", of: "sink", to: keep)
            try pipeline.set("max-files", of: "sink", to: keep + 2)
        case .v4l2(let device): try pipeline.set("device", of: "sink", to: device)
        case .window: break
        }
    }

    private static func makeFolder(_ path: String) throws(MediaError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch { throw MediaError(.notWritable, path, "the folder cannot be made") }
    }

    // MARK: Data

    /// Waits for room, at most a few seconds.
    func push(_ frame: VideoFrame) throws(MediaError) {
        var placed = frame
        placed.pts = frame.pts - origin
        guard placed.pts > lastFrame else { return }
        // A muxer leaves out a last picture that lasts no time.
        placed.duration = frame.duration ?? min(placed.pts - lastFrame, Self.usualDuration)
        lastFrame = placed.pts
        if placed.pts - audioEnd > Self.longestWait {
            try fillSilence(to: placed.pts - Self.silenceMargin)
        }
        try waitForRoom(for: placed.pts)
        try push(try placed.buffer(codedWidth: size.width, codedHeight: size.height), to: video)
    }

    /// - Returns: false for sound that comes too late.
    func push(_ block: AudioBlock) throws(MediaError) -> Bool {
        guard audio != nil else { return true }
        var placed = block
        placed.pts = block.pts - origin
        guard placed.pts >= .zero, placed.pts + Self.jitter >= audioEnd else { return false }
        audioFormat = (block.sampleRate, block.channels)
        try send(placed)
        return true
    }

    private func fillSilence(to end: MediaTime) throws(MediaError) {
        let missing = Int((end - audioEnd).seconds * Double(audioFormat.rate))
        guard audio != nil, missing > 0 else { return }
        let count = min(missing, 60 * audioFormat.rate) * audioFormat.channels
        try send(
            AudioBlock(
                pts: audioEnd, sampleRate: audioFormat.rate, channels: audioFormat.channels,
                samples: [Float](repeating: 0, count: count)))
    }

    private func send(_ block: AudioBlock) throws(MediaError) {
        guard let audio else { return }
        if audioCaps != block.caps {
            audioCaps = block.caps
            audio.setSourceCaps(block.caps)
        }
        audioEnd = block.end
        try push(try block.buffer(), to: audio)
    }

    private func push(_ buffer: UnsafeMutablePointer<GstBuffer>, to element: Element) throws(MediaError) {
        guard tavis_app_src_push(element.raw, buffer) == GST_FLOW_OK else {
            throw
                (pipeline.firstError(waiting: .milliseconds(500))
                ?? MediaError(.pipeline, element.name, "takes no more data")).about(name)
        }
        if let error = pipeline.firstError(waiting: .zero) { throw error.about(name) }
    }

    private func waitForRoom(for time: MediaTime) throws(MediaError) {
        let deadline = Deadline(after: Self.pushTimeout)
        let patience = Deadline(after: Self.silenceMargin)
        while tavis_app_src_level_buffers(video.raw) >= Self.queuedFrames {
            if let error = pipeline.firstError(waiting: .milliseconds(5)) { throw error.about(name) }
            // Nobody else brings the sound that the muxer may be waiting for.
            if patience.isPast { try fillSilence(to: time) }
            if deadline.isPast {
                throw MediaError(.stalled, name, "took nothing for \(Self.pushTimeout.seconds) s")
            }
        }
    }

    /// Lets files be closed.
    func close() {
        for element in [video, audio] {
            if let element { _ = tavis_app_src_end(element.raw) }
        }
        let deadline = Deadline(after: Self.closeTimeout)
        while !deadline.isPast {
            switch pipeline.nextMessage(timeout: .milliseconds(50)) {
            case .error, .endOfStream: return
            default: continue
            }
        }
    }
}
