// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// Writes frames and the input's own audio to a file whose container its name tells (mp4, mkv, webm).
///
/// Frames keep their times. Audio is pulled by `write` itself, up to a little past the frame in hand, and pushed
/// beside it: there is no second thread, both queues are bounded, and the muxer never waits for a track that has
/// nothing to give. The file has its final name only after `finish` or `finishEarly`; otherwise nothing is left.
///
/// For use from one thread at a time.
package final class MediaWriter {
    package struct VideoSettings: Sendable {
        package var width: Int
        package var height: Int
        /// Nominal; nil for a varying rate. Times come from the frames in any case.
        package var frameRate: MediaInfo.Fraction?
        package var pixelAspectRatio: MediaInfo.Fraction

        package init(
            width: Int, height: Int, frameRate: MediaInfo.Fraction? = nil,
            pixelAspectRatio: MediaInfo.Fraction = .init(1, 1)
        ) {
            self.width = width
            self.height = height
            self.frameRate = frameRate
            self.pixelAspectRatio = pixelAspectRatio
        }

        /// As `video` is shown.
        package init(_ video: MediaInfo.Video) {
            self.init(
                width: video.width, height: video.height, frameRate: video.frameRate,
                pixelAspectRatio: video.pixelAspectRatio)
        }
    }

    /// Audio runs at most this far ahead of the frames; more than mp4mux interleaves in one piece (100 ms).
    private static let audioLead = MediaTime.milliseconds(250)
    private static let videoQueueFrames = 4
    private static let audioQueueBytes = 4 << 20

    /// What is done with the input's audio.
    package let audio: AudioHandling
    /// Size in the file: at least 16, which muxers ask for, and even for H.264. The last
    /// column and row are repeated up to it.
    package let codedWidth: Int
    package let codedHeight: Int

    private let path: String
    private let file: TemporaryFile
    private let container: OutputContainer
    private let settings: VideoSettings
    private let pipeline: Pipeline
    private let videoOut: Element
    private let audioOut: Element?
    private let packets: PacketSource?
    private let audioShift: MediaTime
    private let stallTimeout: MediaTime
    private var audioEnd = MediaTime.zero
    private var audioHasEnded = false
    private var frameCount = 0
    private var isOpen = true

    /// - Parameters:
    ///   - path: where the file will be; one that is there is replaced at the end.
    ///   - input: the reader whose audio, start and duration the output takes over; nil for a silent output.
    package init(
        path: String, video: VideoSettings, audioOf input: MediaReader? = nil,
        stallTimeout: MediaTime = .seconds(60)
    ) throws(MediaError) {
        guard video.width > 0, video.height > 0, video.width <= 16384, video.height <= 16384 else {
            throw MediaError(.unsupported, path, "cannot encode pictures of \(video.width)x\(video.height)")
        }
        self.path = path
        self.stallTimeout = stallTimeout
        settings = video
        container = try OutputContainer(path: path)
        file = try TemporaryFile(for: path)
        packets = try Self.packets(of: input, container, stallTimeout)
        audio = packets?.handling ?? .none
        (codedWidth, codedHeight) =
            (Self.codedSize(video.width, container), Self.codedSize(video.height, container))
        // mp4 hides what lies before zero by an edit list; the others cannot, and go without.
        audioShift = container == .mp4 ? packets?.priming ?? .zero : .zero
        let branch = packets.map {
            "\nappsrc name=audio_out format=time max-bytes=0 ! queue \($0.chain) ! mux.audio_0"
        }
        pipeline = try Pipeline(text: container.pipeline.text + (branch ?? ""))
        videoOut = try pipeline.element("video_out")
        audioOut = packets == nil ? nil : try pipeline.element("audio_out")
        try start()
    }

    private static func codedSize(_ size: Int, _ container: OutputContainer) -> Int {
        max(16, container == .webm ? size : (size + 1) / 2 * 2)
    }

    private static func packets(
        of input: MediaReader?, _ container: OutputContainer, _ stallTimeout: MediaTime
    ) throws(MediaError) -> PacketSource? {
        guard let input else { return nil }
        let range = DecodeRange(start: input.options.start, duration: input.options.duration)
        if input.info.undecodableAudio != nil {
            return try? PacketSource(input.source, range, into: container, stallTimeout: stallTimeout)
        }
        guard input.info.hasAudio else { return nil }
        return try PacketSource(input.source, range, into: container, stallTimeout: stallTimeout)
    }

    private func start() throws(MediaError) {
        try pipeline.set("location", of: "file_out", to: file.path)
        if container == .mp4 {
            _ = tavis_set_pad_int64(try pipeline.element("mux").raw, "video_0", "trak-timescale", timescale)
        }
        // x264enc writes the rate into the stream, and for "not known" a tick of a nanosecond, which others
        // take for the length of a frame.
        let rate = settings.frameRate ?? (container == .webm ? .init(0, 1) : .init(30, 1))
        let aspect = settings.pixelAspectRatio
        let text =
            "video/x-raw, format=RGB, width=\(codedWidth), height=\(codedHeight), "
            + "framerate=\(rate.numerator)/\(rate.denominator), "
            + "pixel-aspect-ratio=\(aspect.numerator)/\(aspect.denominator)"
        guard let caps = gst_caps_from_string(text) else {
            throw MediaError(.unsupported, path, "odd format: \(text)")
        }
        tavis_app_src_set_caps(videoOut.raw, caps)
        gst_caps_unref(caps)
        if let audioOut { tavis_app_src_set_caps(audioOut.raw, packets?.first.caps) }
        do { try pipeline.setState(.playing) } catch { throw failure(error) }
    }

    /// Ticks per second of the mp4 video track: exact for the nominal rate, and never coarser than 0.1 ms.
    private var timescale: Int {
        guard let rate = settings.frameRate, rate.numerator > 0 else { return 90_000 }
        if rate.denominator == 1 && 90_000 % rate.numerator == 0 { return 90_000 }
        let factor = (9_999 + rate.numerator) / rate.numerator
        return rate.numerator <= 1_000_000 ? rate.numerator * factor : 90_000
    }

    // MARK: Writing

    /// Takes the next frame; waits while the encoder is busy with the ones before.
    ///
    /// - Throws: what went wrong anywhere in the output, naming the path.
    package func write(_ frame: VideoFrame) throws(MediaError) {
        guard isOpen else { throw MediaError(.pipeline, path, "the output is closed") }
        guard frame.width == settings.width, frame.height == settings.height else {
            throw MediaError(
                .unsupported, path,
                "frame \(frameCount) is \(frame.width)x\(frame.height), "
                    + "the video is \(settings.width)x\(settings.height)")
        }
        try waitForRoom { tavis_app_src_level_buffers(self.videoOut.raw) < Self.videoQueueFrames }
        try push(try frame.buffer(codedWidth: codedWidth, codedHeight: codedHeight), to: videoOut)
        frameCount += 1
        try pumpAudio(until: frame.pts + Self.audioLead)
    }

    /// Pushes the packets that begin before `time`, and always one more: the muxer waits for it.
    private func pumpAudio(until time: MediaTime) throws(MediaError) {
        guard let packets, let audioOut else { return }
        while audioEnd <= time, !audioHasEnded {
            guard let packet = try packets.next(shift: audioShift) else { return endAudio() }
            audioEnd = max(packet.end, packet.pts)
            try push(packet.buffer, to: audioOut)
        }
    }

    /// All the audio there is, once the frames have ended.
    private func pumpRemainingAudio() throws(MediaError) {
        guard let packets, let audioOut else { return }
        while !audioHasEnded, let packet = try packets.next(shift: audioShift) {
            try push(packet.buffer, to: audioOut)
            try waitForRoom { tavis_app_src_level_bytes(audioOut.raw) < Self.audioQueueBytes }
        }
    }

    /// Tells the muxer not to wait for audio any more.
    private func endAudio() {
        guard let audioOut, !audioHasEnded else { return }
        audioHasEnded = true
        _ = tavis_app_src_end(audioOut.raw)
    }

    private func push(_ buffer: UnsafeMutablePointer<GstBuffer>, to element: Element) throws(MediaError) {
        if tavis_app_src_push(element.raw, buffer) == GST_FLOW_OK {
            if let error = pipeline.firstError(waiting: .zero) { throw failure(error) }
            return
        }
        throw failure(
            pipeline.firstError(waiting: .seconds(1))
                ?? MediaError(.pipeline, element.name, "takes no more data"))
    }

    private func waitForRoom(_ hasRoom: () -> Bool) throws(MediaError) {
        let deadline = Deadline(after: stallTimeout)
        while !hasRoom() {
            if let error = pipeline.firstError(waiting: .milliseconds(2)) { throw failure(error) }
            if deadline.isPast {
                throw MediaError(.stalled, path, "the encoder took nothing for \(stallTimeout.seconds) s")
            }
        }
    }

    // MARK: Closing

    /// Writes the rest of the audio, closes the file and gives it its name.
    package func finish() throws(MediaError) { try close(withAllAudio: true) }

    /// Closes the file after the last frame, without the audio that follows, and keeps it.
    package func finishEarly() throws(MediaError) { try close(withAllAudio: false) }

    /// Removes what was written. Also happens when the writer goes away unfinished.
    package func abandon() {
        isOpen = false
        try? pipeline.setState(.null)
    }

    private func close(withAllAudio: Bool) throws(MediaError) {
        guard isOpen else { throw MediaError(.pipeline, path, "the output is closed") }
        isOpen = false
        guard frameCount > 0 else { throw MediaError(.noFrames, path, "not written: there were no frames") }
        _ = tavis_app_src_end(videoOut.raw)
        if withAllAudio { try pumpRemainingAudio() }
        endAudio()
        try waitForEnd()
        try pipeline.setState(.null)
        if audioShift > .zero { try MP4File.skipAudioPriming(file.path, priming: audioShift) }
        try file.commit()
    }

    /// Until the muxer has closed the file. As long as it grows, there is patience.
    private func waitForEnd() throws(MediaError) {
        var size = file.size
        var deadline = Deadline(after: stallTimeout)
        while !deadline.isPast {
            switch pipeline.nextMessage(timeout: .milliseconds(50)) {
            case .error(let error): throw failure(error)
            case .endOfStream: return
            default: break
            }
            guard file.size != size else { continue }
            size = file.size
            deadline = Deadline(after: stallTimeout)
        }
        throw MediaError(.stalled, path, "the file could not be closed within \(stallTimeout.seconds) s")
    }

    private func failure(_ error: MediaError) -> MediaError {
        if error.code == .diskFull {
            return MediaError(.diskFull, path, "the disk is full", debug: error.debug)
        }
        return error.about(path)
    }
}
