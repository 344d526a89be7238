// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// One picture, 8-bit RGB without padding between rows, with its place in time.
package struct VideoFrame: Sendable {
    package var width: Int
    package var height: Int
    /// Running time: counts from the start of what is read.
    package var pts: MediaTime
    /// Until the next frame, as the file tells it; nil when it does not.
    package var duration: MediaTime?
    /// `[height, width, 3]`, row-major.
    package var pixels: [UInt8]

    package init(width: Int, height: Int, pts: MediaTime, duration: MediaTime?, pixels: [UInt8]) {
        precondition(pixels.count == width * height * 3)
        self.width = width
        self.height = height
        self.pts = pts
        self.duration = duration
        self.pixels = pixels
    }
}

/// Turns samples into frames and gives a time to those that have none.
struct VideoTrack: Sendable {
    private let track: DecodeTrack
    private let frameRate: MediaInfo.Fraction?
    private var expected = MediaTime.zero
    private var ahead: VideoFrame?
    private var count = 0

    init(_ track: DecodeTrack, frameRate: MediaInfo.Fraction?) {
        self.track = track
        self.frameRate = frameRate
    }

    /// The next frame, with its duration from the frame after it: parsers that guess one from the nominal rate
    /// are wrong where the rate varies.
    mutating func next() throws(MediaError) -> VideoFrame? {
        if count == 0 { ahead = try decode() }
        guard var frame = ahead else {
            if count == 0 { throw MediaError(.noFrames, track.source.name, "has no video frames") }
            return nil
        }
        count += 1
        ahead = try decode()
        if let ahead, ahead.pts > frame.pts { frame.duration = ahead.pts - frame.pts }
        return frame
    }

    private mutating func decode() throws(MediaError) -> VideoFrame? {
        guard let sample = try track.nextSample() else {
            return nil
        }
        var frame = try sample.videoFrame(about: track.source.name)
        // Raw streams and some AVI files carry no times: count on at the nominal rate.
        frame.pts = sample.runningTime ?? expected
        frame.duration =
            sample.duration.flatMap { $0 > .milliseconds(1) ? $0 : nil }
            ?? frameRate.map { .seconds(1 / $0.value) }
        expected = frame.pts + (frame.duration ?? .milliseconds(40))
        return frame
    }
}

extension Sample {
    /// The picture, copied row by row: rows in memory are padded.
    func videoFrame(about name: String) throws(MediaError) -> VideoFrame {
        guard let buffer, let caps else { throw MediaError(.decode, name, "a frame came without its format") }
        var info = GstVideoInfo()
        guard gst_video_info_from_caps(&info, caps) != 0,
            info.finfo.pointee.format == GST_VIDEO_FORMAT_RGB
        else { throw MediaError(.decode, name, "a frame came in a format that is not RGB") }
        var mapped = GstVideoFrame()
        guard gst_video_frame_map(&mapped, &info, buffer, GST_MAP_READ) != 0 else {
            throw MediaError(.decode, name, "the memory of a frame cannot be read")
        }
        defer { gst_video_frame_unmap(&mapped) }
        let (width, height) = (Int(mapped.info.width), Int(mapped.info.height))
        let stride = Int(mapped.info.stride.0)
        guard let data = mapped.data.0, stride >= width * 3 else {
            throw MediaError(.decode, name, "a frame has rows of \(stride) bytes for a width of \(width)")
        }
        let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { target, count in
            for row in 0..<height {
                let from = UnsafeRawPointer(data).advanced(by: row * stride)
                UnsafeMutableRawPointer(target.baseAddress! + row * width * 3)
                    .copyMemory(from: from, byteCount: width * 3)
            }
            count = width * height * 3
        }
        return VideoFrame(width: width, height: height, pts: .zero, duration: nil, pixels: pixels)
    }
}
