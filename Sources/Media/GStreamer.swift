// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Foundation

/// The library as a whole: started once, on first use, from any thread.
package enum GStreamer {
    private static let started: Result<Void, MediaError> = {
        // Plugins are scanned in our own process: a daemon should not fork helpers behind its supervisor.
        gst_registry_fork_set_enabled(0)
        var failure: UnsafeMutablePointer<GError>?
        if gst_init_check(nil, nil, &failure) != 0 {
            gst_pb_utils_init()
            // GLib keeps up to eight threads of ended tasks for the next ones. Where tasks come and go, as with each file
            // of HLS, their number creeps up; ours begin so seldom that a new thread costs nothing.
            g_thread_pool_set_max_unused_threads(0)
            return .success(())
        }
        let reason = takeMessage(&failure)
        return .failure(MediaError(.pipeline, "GStreamer", "cannot start: \(reason)"))
    }()

    static func start() throws(MediaError) { try started.get() }

    /// For processes that open sources again and again: connections bring threads of their own, which come and go. glibc
    /// spreads these over eight heaps for each core, and each keeps what was freed in it: after 1400 openings of a file one for
    /// each core kept 6 MB less. To be called before there are threads, which keep the heap that they have.
    package static func keepHeapsFew() {
        _ = mallopt(M_ARENA_MAX, Int32(ProcessInfo.processInfo.activeProcessorCount))
    }

    /// For example `1.22.0`.
    package static var version: String {
        var (major, minor, micro, nano) = (UInt32(0), UInt32(0), UInt32(0), UInt32(0))
        gst_version(&major, &minor, &micro, &nano)
        return "\(major).\(minor).\(micro)"
    }
}

/// The text of an error, which is freed and cleared.
func takeMessage(_ error: inout UnsafeMutablePointer<GError>?) -> String {
    guard let raised = error else { return "unknown error" }
    let text = raised.pointee.message.map { String(cString: $0) } ?? "unknown error"
    g_clear_error(&error)
    return text
}

/// Takes over a C string made by GLib.
func takeString(_ raw: UnsafeMutablePointer<CChar>?) -> String? {
    guard let raw else { return nil }
    defer { g_free(raw) }
    return String(cString: raw)
}

/// Which GStreamer elements are here, and which Debian package brings those that are not.
package enum ElementCatalog {
    package struct Entry: Sendable {
        package var element: String
        package var purpose: String
        package var debianPackage: String
        package var isPresent: Bool
    }

    /// Everything that the files in `pipelines/` and common inputs need.
    package static func check() throws -> [Entry] {
        try known.map { element, purpose, package in
            Entry(element: element, purpose: purpose, debianPackage: package, isPresent: try has(element))
        }
    }

    package static func has(_ element: String) throws(MediaError) -> Bool {
        try GStreamer.start()
        guard let factory = gst_element_factory_find(element) else { return false }
        gst_object_unref(UnsafeMutableRawPointer(factory))
        return true
    }

    /// The Debian package with `element`, where we know it.
    package static func debianPackage(of element: String) -> String? {
        known.first { $0.element == element }?.package
    }

    private static let base = "gstreamer1.0-plugins-base"
    private static let good = "gstreamer1.0-plugins-good"
    private static let bad = "gstreamer1.0-plugins-bad"
    private static let ugly = "gstreamer1.0-plugins-ugly"
    private static let libav = "gstreamer1.0-libav"

    private static let known: [(element: String, purpose: String, package: String)] = [
        ("filesrc", "reading files", "libgstreamer1.0-0"),
        ("appsrc", "frames into a pipeline", base), ("appsink", "frames out of a pipeline", base),
        ("uridecodebin", "opening files and addresses", base),
        ("videoconvert", "pixel formats", base), ("audioconvert", "sample formats", base),
        ("audioresample", "sample rates", base), ("videoflip", "upright portrait videos", good),
        ("qtdemux", "reading mp4 and mov", good), ("matroskademux", "reading mkv and webm", good),
        ("avidemux", "reading avi", good), ("wavparse", "reading wav", good),
        ("tsdemux", "reading MPEG transport streams", bad), ("oggdemux", "reading ogg", base),
        ("souphttpsrc", "reading http", good), ("rtspsrc", "reading rtsp", good),
        ("h264parse", "H.264", bad), ("h265parse", "H.265", bad), ("aacparse", "AAC", good),
        ("opusparse", "Opus", bad), ("mpegaudioparse", "MP3", good), ("ac3parse", "AC-3", good),
        ("avdec_h264", "decoding H.264", libav), ("avdec_h265", "decoding H.265", libav),
        ("avdec_aac", "decoding AAC", libav), ("vp8dec", "decoding VP8", good),
        ("vp9dec", "decoding VP9", good), ("dav1ddec", "decoding AV1", "gstreamer1.0-plugins-rs"),
        ("av1dec", "decoding AV1", bad), ("opusdec", "decoding Opus", base),
        ("vorbisdec", "decoding Vorbis", base), ("flacdec", "decoding FLAC", good),
        ("jpegdec", "decoding JPEG", good), ("pngdec", "decoding PNG", good),
        ("x264enc", "encoding H.264", ugly), ("vp8enc", "encoding VP8", good),
        ("vp9enc", "encoding VP9", good), ("avenc_aac", "encoding AAC", libav),
        ("opusenc", "encoding Opus", base), ("vorbisenc", "encoding Vorbis", base),
        ("mp4mux", "writing mp4", good), ("matroskamux", "writing mkv", good),
        ("webmmux", "writing webm", good),
        ("v4l2src", "cameras", good), ("alsasrc", "microphones by ALSA", "gstreamer1.0-alsa"),
        ("pulsesrc", "microphones by PulseAudio", "gstreamer1.0-pulseaudio"),
        ("pipewiresrc", "microphones by PipeWire", "gstreamer1.0-pipewire"),
        ("splitmuxsink", "recordings", good), ("hlssink2", "HLS", bad), ("jpegenc", "previews", good),
        ("rtph264pay", "serving rtsp", good), ("rtpopuspay", "serving rtsp", good),
        ("errorignore", "serving rtsp", bad), ("v4l2sink", "video devices", good),
        ("autovideosink", "windows", good),
    ]
}
