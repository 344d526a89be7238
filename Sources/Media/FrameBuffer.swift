// SPDX-License-Identifier: Apache-2.0
import CGStreamer

extension VideoFrame {
    /// The frame in memory of GStreamer: rows padded to four bytes, edges repeated up to the coded size.
    func buffer(codedWidth: Int, codedHeight: Int) throws(MediaError) -> UnsafeMutablePointer<GstBuffer> {
        let stride = (codedWidth * 3 + 3) / 4 * 4
        guard let buffer = gst_buffer_new_allocate(nil, UInt(stride * codedHeight), nil) else {
            throw MediaError(.pipeline, "output", "no memory for a frame")
        }
        var map = GstMapInfo()
        guard gst_buffer_map(buffer, &map, GST_MAP_WRITE) != 0, let target = map.data else {
            tavis_buffer_unref(buffer)
            throw MediaError(.pipeline, "output", "the memory of a frame cannot be written")
        }
        let rowBytes = width * 3
        pixels.withUnsafeBufferPointer { pixels in
            for y in 0..<codedHeight {
                let row = target + y * stride
                row.update(from: pixels.baseAddress! + min(y, height - 1) * rowBytes, count: rowBytes)
                for x in width..<max(width, codedWidth) {
                    (row + x * 3).update(from: row + rowBytes - 3, count: 3)
                }
            }
        }
        gst_buffer_unmap(buffer, &map)
        buffer.pointee.pts = pts.clockTime
        buffer.pointee.dts = tavis_clock_time_none()
        buffer.pointee.duration = duration?.clockTime ?? tavis_clock_time_none()
        return buffer
    }

    /// What an encoder takes: at least 16 and even.
    var codedSize: (width: Int, height: Int) { (max(16, (width + 1) / 2 * 2), max(16, (height + 1) / 2 * 2)) }
}

extension AudioBlock {
    /// The samples in memory of GStreamer.
    func buffer() throws(MediaError) -> UnsafeMutablePointer<GstBuffer> {
        let bytes = samples.count * MemoryLayout<Float>.size
        guard let buffer = gst_buffer_new_allocate(nil, UInt(bytes), nil) else {
            throw MediaError(.pipeline, "output", "no memory for sound")
        }
        _ = samples.withUnsafeBytes { gst_buffer_fill(buffer, 0, $0.baseAddress, UInt($0.count)) }
        buffer.pointee.pts = pts.clockTime
        buffer.pointee.duration = duration.clockTime
        return buffer
    }

    var caps: String {
        "audio/x-raw,format=F32LE,layout=interleaved,rate=\(sampleRate),channels=\(channels)"
            + (channels > 2 ? ",channel-mask=(bitmask)0" : "")
    }
}

extension Element {
    /// Sets what an appsrc gives. `caps` is made by this program.
    func setSourceCaps(_ caps: String) {
        let parsed = gst_caps_from_string(caps)
        tavis_app_src_set_caps(raw, parsed)
        if let parsed { gst_caps_unref(parsed) }
    }
}
