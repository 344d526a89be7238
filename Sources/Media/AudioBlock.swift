// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// A run of decoded audio at the input's own rate and channels.
package struct AudioBlock: Sendable {
    /// Running time of the first sample, on the same clock as the frames.
    package var pts: MediaTime
    package var sampleRate: Int
    package var channels: Int
    /// −1…1, interleaved; `[frameCount, channels]`.
    package var samples: [Float]
    /// Samples are missing between the block before and this one, or the source says that time jumped.
    package var isDiscontinuous: Bool

    package var frameCount: Int { samples.count / channels }
    package var duration: MediaTime { .seconds(Double(frameCount) / Double(sampleRate)) }
    package var end: MediaTime { pts + duration }

    package init(
        pts: MediaTime, sampleRate: Int, channels: Int, samples: [Float], isDiscontinuous: Bool = false
    ) {
        precondition(channels > 0 && sampleRate > 0 && samples.count % channels == 0)
        self.pts = pts
        self.sampleRate = sampleRate
        self.channels = channels
        self.samples = samples
        self.isDiscontinuous = isDiscontinuous
    }
}

/// Turns samples into blocks and marks gaps.
struct AudioTrack: Sendable {
    /// Timestamps of containers are rounded, at worst to milliseconds: less than this is no gap.
    private static let tolerance = MediaTime.milliseconds(5)

    private let track: DecodeTrack
    private var expected: MediaTime?

    init(_ track: DecodeTrack) { self.track = track }

    mutating func next() throws(MediaError) -> AudioBlock? {
        while let sample = try track.nextSample() {
            var block = try sample.audioBlock(about: track.source.name)
            guard block.frameCount > 0 else { continue }
            block.pts = sample.runningTime ?? expected ?? .zero
            if let expected {
                let off = block.pts - expected
                block.isDiscontinuous = off > Self.tolerance || off < .zero - Self.tolerance
            }
            expected = block.end
            return block
        }
        return nil
    }
}

extension Sample {
    func audioBlock(about name: String) throws(MediaError) -> AudioBlock {
        guard let buffer, let caps else { throw MediaError(.decode, name, "audio came without its format") }
        var info = GstAudioInfo()
        guard gst_audio_info_from_caps(&info, caps) != 0,
            info.finfo.pointee.format == GST_AUDIO_FORMAT_F32LE, info.channels > 0, info.rate > 0
        else { throw MediaError(.decode, name, "audio came in a format that is not 32-bit float") }
        var map = GstMapInfo()
        guard gst_buffer_map(buffer, &map, GST_MAP_READ) != 0 else {
            throw MediaError(.decode, name, "the memory of audio cannot be read")
        }
        defer { gst_buffer_unmap(buffer, &map) }
        let channels = Int(info.channels)
        let count = Int(map.size) / (4 * channels) * channels
        let samples = [Float](unsafeUninitializedCapacity: count) { target, filled in
            if count > 0 { memcpy(target.baseAddress!, map.data, count * 4) }
            filled = count
        }
        return AudioBlock(pts: .zero, sampleRate: Int(info.rate), channels: channels, samples: samples)
    }
}
