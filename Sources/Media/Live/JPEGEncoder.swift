// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Synchronization

/// Makes JPEGs of pictures. Its pipeline stays open from one picture to the next of the same size.
package final class JPEGEncoder: Sendable {
    private struct Open: @unchecked Sendable {  // used under the lock only
        var pipeline: Pipeline
        var input, output: Element
        var shape: [Int]
        var count = 0
    }

    private let open = Mutex<Open?>(nil)
    private let quality: Int
    private static let timeoutNanoseconds: UInt = 2_000_000_000

    /// - Parameter quality: 1…100.
    package init(quality: Int = 80) { self.quality = quality }

    /// - Parameter maxWidth: wider pictures are made smaller, in their proportions.
    package func encode(_ frame: VideoFrame, maxWidth: Int? = nil) throws(MediaError) -> [UInt8] {
        try open.withLock { held throws(MediaError) in
            let size = Self.size(of: frame, maxWidth: maxWidth)
            let shape = [frame.width, frame.height, size.width, size.height]
            var current = held?.shape == shape ? held! : try opened(shape)
            held = nil
            let bytes = try Self.encode(frame, &current)
            held = current
            return bytes
        }
    }

    package static func size(of frame: VideoFrame, maxWidth: Int?) -> (width: Int, height: Int) {
        let width = min(frame.width, max(16, maxWidth ?? .max))
        return (width, max(1, (frame.height * width + frame.width / 2) / frame.width))
    }

    private func opened(_ shape: [Int]) throws(MediaError) -> Open {
        let pipeline = try Pipeline(.jpeg)
        try pipeline.set("quality", of: "encoder", to: quality)
        try pipeline.setCaps("caps", of: "form", to: "video/x-raw,width=\(shape[2]),height=\(shape[3])")
        let input = try pipeline.element("video_out")
        input.setSourceCaps("video/x-raw,format=RGB,width=\(shape[0]),height=\(shape[1]),framerate=0/1")
        try pipeline.setState(.playing)
        return Open(pipeline: pipeline, input: input, output: try pipeline.element("video_in"), shape: shape)
    }

    private static func encode(_ frame: VideoFrame, _ open: inout Open) throws(MediaError) -> [UInt8] {
        var placed = frame
        placed.pts = .milliseconds(Int64(open.count))
        open.count += 1
        let buffer = try placed.buffer(codedWidth: frame.width, codedHeight: frame.height)
        guard tavis_app_src_push(open.input.raw, buffer) == GST_FLOW_OK,
            let raw = tavis_app_sink_pull(open.output.raw, timeoutNanoseconds)
        else {
            throw open.pipeline.firstError(waiting: .zero)
                ?? MediaError(.stalled, "jpeg", "the encoder gave nothing")
        }
        return try Sample(adopting: raw).bytes()
    }
}

extension Sample {
    /// A copy of the whole buffer.
    fileprivate func bytes() throws(MediaError) -> [UInt8] {
        var map = GstMapInfo()
        guard let buffer, gst_buffer_map(buffer, &map, GST_MAP_READ) != 0 else {
            throw MediaError(.pipeline, "jpeg", "the memory of a picture cannot be read")
        }
        defer { gst_buffer_unmap(buffer, &map) }
        return Array(UnsafeBufferPointer(start: map.data, count: Int(map.size)))
    }
}
