// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// The part of the input to read; `start` becomes time zero.
struct DecodeRange: Sendable {
    var start: MediaTime
    var duration: MediaTime?

    static let all = DecodeRange(start: .zero, duration: nil)
    var isAll: Bool { start == .zero && duration == nil }
    var stop: MediaTime? { duration.map { start + $0 } }
}

/// One pipeline that opens the source and ends in one bounded appsink, from which samples are pulled.
final class DecodeTrack: Sendable {
    let source: MediaSource
    private let pipeline: Pipeline
    private let sink: Element
    private let stallTimeout: MediaTime
    private let isCancelled: CancelFlag

    init(
        _ file: PipelineFile, sink: String, _ source: MediaSource, _ range: DecodeRange,
        _ stallTimeout: MediaTime, _ isCancelled: CancelFlag
    ) throws(MediaError) {
        self.source = source
        self.stallTimeout = stallTimeout
        self.isCancelled = isCancelled
        pipeline = try Pipeline(file)
        self.sink = try pipeline.element(sink)
        // The encoder's first packets lie before zero: decoders need them, and a sink would drop them.
        if file == .fileInPackets { tavis_app_sink_keep_outside_segment(self.sink.raw) }
        do {
            try pipeline.set("uri", of: "source", to: source.uri)
            if !range.isAll { try seek(range) }
            try pipeline.setState(.playing)
        } catch {
            throw error.about(source.name)
        }
    }

    private func seek(_ range: DecodeRange) throws(MediaError) {
        let cancelled = { self.isCancelled.isSet }
        try pipeline.setState(.paused)
        try pipeline.waitForState(timeout: stallTimeout, cancelled: cancelled)
        try pipeline.seek(to: range.start, until: range.stop)
        try pipeline.waitForState(timeout: stallTimeout, cancelled: cancelled)
    }

    /// The next sample; nil at the end. Waits no longer than the stall timeout.
    func nextSample() throws(MediaError) -> Sample? {
        let deadline = Deadline(after: stallTimeout)
        repeat {
            if isCancelled.isSet { throw MediaError(.cancelled, source.name, "cancelled") }
            if let raw = tavis_app_sink_pull(sink.raw, 50_000_000) { return Sample(adopting: raw) }
            if let error = pipeline.firstError(waiting: .zero) { throw error.about(source.name) }
            if tavis_app_sink_is_eos(sink.raw) != 0 { return nil }
        } while !deadline.isPast
        throw MediaError(.stalled, source.name, "nothing was decoded for \(stallTimeout.seconds) s")
    }
}

/// Owns one reference to a GStreamer sample: a buffer with its format and its segment.
final class Sample: @unchecked Sendable {  // never mutated after init; GStreamer's count is atomic
    let raw: OpaquePointer

    init(adopting raw: OpaquePointer) { self.raw = raw }
    deinit { tavis_sample_unref(raw) }

    var buffer: UnsafeMutablePointer<GstBuffer>? { gst_sample_get_buffer(raw) }
    var caps: UnsafeMutablePointer<GstCaps>? { gst_sample_get_caps(raw) }

    /// Presentation time as running time; negative before the start of the segment (encoder priming).
    var runningTime: MediaTime? {
        guard let buffer, let segment = gst_sample_get_segment(raw) else { return nil }
        var time: UInt = 0
        let pts = buffer.pointee.pts
        guard MediaTime(clockTime: pts) != nil else { return nil }
        let sign = gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, pts, &time)
        guard sign != 0, let running = MediaTime(clockTime: time) else { return nil }
        return sign < 0 ? .zero - running : running
    }

    var duration: MediaTime? { buffer.flatMap { MediaTime(clockTime: $0.pointee.duration) } }

    func has(_ flag: GstBufferFlags) -> Bool {
        buffer.map { tavis_buffer_has_flag($0, flag.rawValue) != 0 } ?? false
    }
}
