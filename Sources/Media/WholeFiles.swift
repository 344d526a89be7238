// SPDX-License-Identifier: Apache-2.0

/// A picture in memory: 8-bit RGB, `[height, width, 3]`.
package struct RGBImage: Sendable, Equatable {
    package var width: Int
    package var height: Int
    package var pixels: [UInt8]

    package init(width: Int, height: Int, pixels: [UInt8]) {
        self.width = width
        self.height = height
        self.pixels = pixels
    }
}

package enum ImageFile {
    private static let timeout = MediaTime.seconds(30)

    private static let pngStart: [UInt8] = [0x89, 0x50, 0x4E, 0x47]
    private static let jpegStart: [UInt8] = [0xFF, 0xD8, 0xFF]

    /// Decodes a JPEG, PNG or any other picture that GStreamer knows; of a video, the first frame.
    package static func read(_ path: String) throws(MediaError) -> RGBImage {
        let source = try MediaSource(path)
        guard let file = source.path else { return try decode(source) }
        let bytes = try readFile(file, limit: 1 << 30)
        if bytes.starts(with: pngStart) {
            let image = try PNGReader.read(file)
            return RGBImage(width: image.width, height: image.height, pixels: image.rgb)
        }
        return try decode(source, isPicture: bytes.starts(with: jpegStart))
    }

    /// Decodes through GStreamer, whatever it is.
    ///
    /// - Parameter isPicture: known to be one. Else that is found out first, which waits 0.1 s for the length that a
    ///   picture does not have.
    static func decode(_ source: MediaSource, isPicture: Bool = false) throws(MediaError) -> RGBImage {
        if !isPicture, try !MediaInfo(probing: source, timeout: timeout).hasVideo {
            throw MediaError(.badImage, source.name, "holds no picture")
        }
        let track = try DecodeTrack(.fileInVideo, sink: "video_in", source, .all, timeout, CancelFlag())
        guard let sample = try track.nextSample() else {
            throw MediaError(.badImage, source.name, "holds no picture")
        }
        let frame = try sample.videoFrame(about: source.name)
        return RGBImage(width: frame.width, height: frame.height, pixels: frame.pixels)
    }
}

/// A whole recording in memory.
package struct AudioClip: Sendable {
    package var sampleRate: Int
    /// One array per channel, −1…1; 16-bit samples are exactly value / 32768.
    package var channels: [[Float]]

    package var frameCount: Int { channels.first?.count ?? 0 }
}

package enum AudioFile {
    /// Decodes the first audio track of a file or address, at its own rate.
    ///
    /// - Parameter limit: longest recording to accept: memory is bounded by it.
    package static func read(
        _ input: String, limit: MediaTime = .seconds(3600), stallTimeout: MediaTime = .seconds(30)
    ) throws(MediaError) -> AudioClip {
        let source = try MediaSource(input)
        guard try MediaInfo(probing: source, timeout: stallTimeout).hasAudio else {
            throw MediaError(.noAudio, source.name, "has no audio stream")
        }
        var track = AudioTrack(
            try DecodeTrack(.fileInAudio, sink: "audio_in", source, .all, stallTimeout, CancelFlag()))
        var clip: AudioClip?
        while let block = try track.next() {
            var all =
                clip
                ?? AudioClip(
                    sampleRate: block.sampleRate, channels: .init(repeating: [], count: block.channels))
            clip = nil  // so that the arrays grow in place
            guard block.sampleRate == all.sampleRate, block.channels == all.channels.count else {
                throw MediaError(.unsupported, source.name, "the audio changes its format at \(block.pts)")
            }
            for channel in all.channels.indices {
                let picked = stride(from: channel, to: block.samples.count, by: block.channels)
                all.channels[channel].append(contentsOf: picked.lazy.map { block.samples[$0] })
            }
            guard all.frameCount <= Int(limit.seconds * Double(all.sampleRate)) else {
                throw MediaError(.tooLarge, source.name, "is longer than \(limit.seconds) s")
            }
            clip = all
        }
        guard let clip else { throw MediaError(.noAudio, source.name, "its audio stream is empty") }
        return clip
    }
}
