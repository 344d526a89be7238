// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// What a file or stream holds, as found without decoding all of it.
package struct MediaInfo: Sendable {
    package struct Fraction: Sendable, Equatable {
        package var numerator: Int
        package var denominator: Int
        package init(_ numerator: Int, _ denominator: Int) {
            self.numerator = numerator
            self.denominator = denominator
        }
        package var value: Double { Double(numerator) / Double(denominator) }
    }

    package struct Video: Sendable {
        /// As shown: after the rotation that the file asks for.
        package var width: Int
        package var height: Int
        /// Nominal frames per second; nil when it varies or is not known.
        package var frameRate: Fraction?
        package var pixelAspectRatio: Fraction
        /// Clockwise degrees by which the coded picture is turned for showing: 0, 90, 180 or 270.
        package var rotation: Int
        /// GStreamer's name of the coding, e.g. `video/x-h264`.
        package var codec: String
    }

    package struct Audio: Sendable {
        package var sampleRate: Int
        package var channels: Int
        package var codec: String
    }

    package var video: Video?
    package var audio: Audio?
    /// What is missing, when there is audio but nothing installed that decodes it. It can still be copied.
    package var undecodableAudio: String?
    /// Of the longest track.
    package var duration: MediaTime?
    package var isSeekable: Bool
    /// Title, encoder, date and so on, by GStreamer's tag names.
    package var tags: [String: String]

    package var hasVideo: Bool { video != nil }
    package var hasAudio: Bool { audio != nil }

    /// How many frames there should be, from duration and nominal rate: for progress only.
    package var estimatedFrameCount: Int? {
        guard let rate = video?.frameRate, let duration else { return nil }
        return Int(exactly: (duration.seconds * rate.value).rounded())
    }

    /// Opens `source`, looks at its streams and closes it.
    package init(probing source: MediaSource, timeout: MediaTime = .seconds(30)) throws(MediaError) {
        try GStreamer.start()
        var failure: UnsafeMutablePointer<GError>?
        guard let discoverer = gst_discoverer_new(timeout.clockTime, &failure) else {
            throw MediaError(.pipeline, source.name, takeMessage(&failure))
        }
        defer { g_object_unref(discoverer) }
        let found = gst_discoverer_discover_uri(discoverer, source.uri, &failure)
        defer { if let found { g_object_unref(UnsafeMutableRawPointer(found)) } }
        let reason = failure.map { (MediaError.Code(tavis_error_kind($0))) }
        let message = failure == nil ? nil : takeMessage(&failure)
        guard let found else {
            throw MediaError(reason ?? .notMedia, source.name, message ?? "cannot be opened")
        }
        try Self.judge(found, source, reason, message)
        self.init(found)
        if video == nil && audio == nil {
            throw MediaError(.notMedia, source.name, "not a media file: it has neither video nor audio")
        }
    }

    private static func judge(
        _ found: OpaquePointer, _ source: MediaSource, _ code: MediaError.Code?, _ message: String?
    ) throws(MediaError) {
        switch gst_discoverer_info_get_result(found) {
        case GST_DISCOVERER_OK: return
        case GST_DISCOVERER_MISSING_PLUGINS: try judgeMissing(found, source, message)
        case GST_DISCOVERER_TIMEOUT:
            throw MediaError(.stalled, source.name, "opening it took too long")
        default:
            let isMedia = code != .notMedia
            throw MediaError(
                code ?? .notMedia, source.name,
                isMedia ? message ?? "cannot be opened" : "not a media file: its type is not known",
                debug: message)
        }
    }

    /// Pictures that can be shown are enough; anything else that nothing can decode is an error.
    private static func judgeMissing(
        _ found: OpaquePointer, _ source: MediaSource, _ message: String?
    ) throws(MediaError) {
        let missing = missing(found)
        let holdsPictures = MediaInfo(found).video != nil
        if holdsPictures, !missing.contains(where: { $0.caps.contains("video/") }) { return }
        if missing.isEmpty || missing.contains(where: { $0.caps.contains("text/") }) {
            throw MediaError(.notMedia, source.name, "not a media file", debug: message)
        }
        let what = missing.map(\.description).joined(separator: ", ")
        throw MediaError(.missingPlugin, source.name, "nothing installed handles this: \(what)")
    }

    /// What would be needed but is not installed, as people and as GStreamer call it.
    private static func missing(_ found: OpaquePointer) -> [(description: String, caps: String)] {
        guard let details = gst_discoverer_info_get_missing_elements_installer_details(found) else {
            return []
        }
        var result: [(String, String)] = []
        // Each is `gstreamer|1.0|program|description|detail`.
        while let detail = details[result.count] {
            let parts = String(cString: detail).split(separator: "|").map(String.init)
            result.append(parts.count > 4 ? (parts[3], parts[4]) : (String(cString: detail), ""))
        }
        return result
    }

    private init(_ found: OpaquePointer) {
        tags = gst_discoverer_info_get_tags(found).map { tagTexts($0) } ?? [:]
        duration = MediaTime(clockTime: gst_discoverer_info_get_duration(found)).flatMap {
            $0 > .zero ? $0 : nil
        }
        isSeekable = gst_discoverer_info_get_seekable(found) != 0
        video = Self.first(gst_discoverer_info_get_video_streams(found)) { Video($0) }
        audio = Self.first(gst_discoverer_info_get_audio_streams(found)) { Audio($0) }
        if gst_discoverer_info_get_result(found) == GST_DISCOVERER_MISSING_PLUGINS {
            undecodableAudio = Self.missing(found).first { $0.caps.contains("audio/") }?.description
            if undecodableAudio != nil { audio = nil }
        }
    }

    private static func first<T>(_ list: UnsafeMutablePointer<GList>?, _ make: (OpaquePointer) -> T?) -> T? {
        defer { gst_discoverer_stream_info_list_free(list) }
        var item = list
        while let here = item {
            if let data = here.pointee.data, let made = make(OpaquePointer(data)) { return made }
            item = here.pointee.next
        }
        return nil
    }
}

extension MediaInfo.Video {
    fileprivate init?(_ stream: OpaquePointer) {
        let isUpright: Bool
        let tags = gst_discoverer_stream_info_get_tags(stream).map { tagTexts($0) } ?? [:]
        rotation = Self.degrees[tags["image-orientation"] ?? ""] ?? 0
        isUpright = rotation % 180 == 0
        let size = (
            Int(gst_discoverer_video_info_get_width(stream)),
            Int(gst_discoverer_video_info_get_height(stream))
        )
        (width, height) = isUpright ? size : (size.1, size.0)
        let rate = MediaInfo.Fraction(
            Int(gst_discoverer_video_info_get_framerate_num(stream)),
            Int(gst_discoverer_video_info_get_framerate_denom(stream)))
        frameRate = rate.numerator > 0 && rate.denominator > 0 ? rate : nil
        let aspect = MediaInfo.Fraction(
            Int(gst_discoverer_video_info_get_par_num(stream)),
            Int(gst_discoverer_video_info_get_par_denom(stream)))
        pixelAspectRatio = aspect.numerator > 0 && aspect.denominator > 0 ? aspect : .init(1, 1)
        codec = codingName(stream)
    }

    private static let degrees = [
        "rotate-90": 90, "rotate-180": 180, "rotate-270": 270, "flip-rotate-90": 90, "flip-rotate-180": 180,
        "flip-rotate-270": 270,
    ]
}

extension MediaInfo.Audio {
    fileprivate init?(_ stream: OpaquePointer) {
        sampleRate = Int(gst_discoverer_audio_info_get_sample_rate(stream))
        channels = Int(gst_discoverer_audio_info_get_channels(stream))
        codec = codingName(stream)
        guard sampleRate > 0, channels > 0 else { return nil }
    }
}

private func codingName(_ stream: OpaquePointer) -> String {
    guard let caps = gst_discoverer_stream_info_get_caps(stream) else { return "" }
    defer { gst_caps_unref(caps) }
    guard gst_caps_get_size(caps) > 0, let structure = gst_caps_get_structure(caps, 0) else { return "" }
    return String(cString: gst_structure_get_name(structure))
}
