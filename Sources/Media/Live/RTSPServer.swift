// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Foundation
import Synchronization

/// Serves the pictures and sound of live streams over RTSP, each at a mount of its own.
///
/// One thread runs it. A mount's pipeline exists only while somebody watches, so that nothing is encoded for nobody,
/// and all its viewers share it.
// GStreamer locks its own objects; nothing changes after init.
package final class RTSPServer: @unchecked Sendable {
    package struct Login: Sendable {
        package var user, password: String
        package init(user: String, password: String) { (self.user, self.password) = (user, password) }
    }

    /// Where it listens.
    package let port: Int

    private let server: UnsafeMutablePointer<GstRTSPServer>
    private let mounts: OpaquePointer
    private let context: OpaquePointer
    private let loop: OpaquePointer
    private let source: UnsafeMutablePointer<GSource>
    private let isProtected: Bool
    private let ended = Signal()

    private static let role = "viewer"
    private static let sessionLimit: UInt32 = 64

    /// - Parameter port: 0 takes one that is free.
    /// - Throws: where it cannot listen, naming address and port.
    package init(address: String, port: Int, login: Login? = nil) throws(MediaError) {
        try GStreamer.start()
        server = gst_rtsp_server_new()
        gst_rtsp_server_set_address(server, address)
        gst_rtsp_server_set_service(server, "\(port)")
        if let login { tavis_rtsp_server_protect(server, login.user, login.password, Self.role) }
        isProtected = login != nil
        context = g_main_context_new()
        loop = g_main_loop_new(context, 0)
        mounts = OpaquePointer(gst_rtsp_server_get_mount_points(server))
        var failure: UnsafeMutablePointer<GError>?
        guard let source = gst_rtsp_server_create_source(server, nil, &failure) else {
            throw MediaError(
                .notWritable, "rtsp://\(address):\(port)", "cannot listen: \(takeMessage(&failure))")
        }
        self.source = source
        g_source_attach(source, context)
        self.port = Int(gst_rtsp_server_get_bound_port(server))
        tavis_rtsp_server_watch_sessions(server, context, Self.sessionLimit)
        run()
    }

    private func run() {
        // The thread holds what it needs, not the server, which would otherwise never go away.
        nonisolated(unsafe) let (context, loop) = (context, loop)
        let ended = ended
        let thread = Thread {
            g_main_context_push_thread_default(context)
            g_main_loop_run(loop)
            g_main_context_pop_thread_default(context)
            ended.signal()
        }
        thread.start()
        thread.name = "rtsp"
    }

    deinit {
        g_source_destroy(source)
        g_source_unref(source)
        tavis_rtsp_server_drop_clients(server)
        g_main_loop_quit(loop)
        ended.wait(for: .seconds(3))
        g_object_unref(UnsafeMutableRawPointer(mounts))
        g_object_unref(server)
        g_main_loop_unref(loop)
        g_main_context_unref(context)
    }

    /// Adds a mount, or puts it into the place of one of the same path.
    fileprivate func add(_ path: String, launch: String, _ mount: TavisMount) {
        var mount = mount
        let factory = tavis_mount_new(launch, isProtected ? Self.role : nil, &mount)
        gst_rtsp_mount_points_add_factory(UnsafeMutablePointer(mounts), path, factory)
    }

    fileprivate func remove(_ path: String) {
        gst_rtsp_mount_points_remove_factory(UnsafeMutablePointer(mounts), path)
    }
}

/// One mount of the server, as the output of a stream.
package final class RTSPMount: LiveOutput {
    private struct State: @unchecked Sendable {  // used under its lock only
        var video: Element?
        var audio: Element?
        var media: UnsafeMutablePointer<GstRTSPMedia>?
        var shape: (width: Int, height: Int)?
        var audioCaps: String?
        /// What viewers see as time zero.
        var origin: MediaTime?
        var written = 0
        var restarts = 0
        var isStopped = false
    }

    /// Let go of at the end: viewers may hold the mount, and only without the server they go.
    private let server: Mutex<RTSPServer?>
    private let path: String
    private let hasAudio: Bool
    private let bitrate: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - path: for example `/door`.
    ///   - bitrate: of H.264 in kbit/s.
    package init(_ server: RTSPServer, path: String, hasAudio: Bool, bitrate: Int) {
        self.server = Mutex(server)
        (self.path, self.bitrate) = (path, bitrate)
        self.hasAudio = hasAudio
        add()
    }

    /// Viewers to come get a new pipeline.
    private func add() {
        let branches =
            PipelineFile.liveOutRTSP.text + (hasAudio ? "\n" + PipelineFile.liveOutRTSPAudio.text : "")
        let mount = TavisMount(
            changed: { context, bin, media in
                guard let context else { return }
                Unmanaged<RTSPMount>.fromOpaque(context).takeUnretainedValue().configure(bin, media)
            },
            retain: { if let context = $0 { _ = Unmanaged<RTSPMount>.fromOpaque(context).retain() } },
            release: { if let context = $0 { Unmanaged<RTSPMount>.fromOpaque(context).release() } },
            context: Unmanaged.passUnretained(self).toOpaque())
        server.withLock { $0 }?.add(path, launch: "( \(branches) )", mount)
    }

    package var status: LiveOutputStatus {
        state.withLock { state in
            var status = LiveOutputStatus(name: "rtsp \(path)")
            (status.framesWritten, status.restarts) = (state.written, state.restarts)
            status.clients = state.media.map { Int(tavis_media_viewers($0)) } ?? 0
            return status
        }
    }

    /// On the server's threads.
    private func configure(
        _ bin: UnsafeMutablePointer<GstElement>?, _ media: UnsafeMutablePointer<GstRTSPMedia>?
    ) {
        func element(_ name: String) -> Element? {
            bin.flatMap { tavis_bin_get_deep($0, name) }.map { Element(adopting: $0, name: name) }
        }
        if let encoder = element("encoder") { tavis_set_int64(encoder.raw, "bitrate", bitrate) }
        let (video, audio) = (element("video_out"), element("audio_out"))
        state.withLock { state in
            // A media that ends after its successor has begun must not take that one away.
            if bin == nil, state.media != media { return }
            (state.video, state.audio) = (video, audio)
            state.media = bin == nil ? nil : media
            (state.shape, state.audioCaps, state.origin) = (nil, nil, nil)
        }
    }

    package func take(_ frame: VideoFrame) {
        var hasFailed = false
        state.withLock { state in
            guard let video = state.video, !state.isStopped else { return }
            let size = frame.codedSize
            if state.shape.map({ $0 != size }) ?? true {
                state.shape = size
                video.setSourceCaps(
                    "video/x-raw,format=RGB,width=\(size.width),height=\(size.height),framerate=0/1")
            }
            let origin = state.origin ?? frame.pts
            state.origin = origin
            var placed = frame
            placed.pts = frame.pts - origin
            guard placed.pts >= .zero,
                let buffer = try? placed.buffer(codedWidth: size.width, codedHeight: size.height)
            else { return }
            switch tavis_app_src_push(video.raw, buffer) {
            case GST_FLOW_OK: state.written += 1
            // Viewers come and go.
            case GST_FLOW_FLUSHING, GST_FLOW_EOS: break
            default: hasFailed = true
            }
        }
        if hasFailed { reopen() }
    }

    /// A pipeline that failed stays broken for the viewers it has; those to come get a new one.
    private func reopen() {
        state.withLock { state in
            (state.video, state.audio, state.media) = (nil, nil, nil)
            state.restarts += 1
        }
        add()
    }

    package func take(_ block: AudioBlock) {
        state.withLock { state in
            guard let audio = state.audio, let origin = state.origin, block.pts >= origin, !state.isStopped
            else { return }
            if state.audioCaps != block.caps {
                state.audioCaps = block.caps
                audio.setSourceCaps(block.caps)
            }
            var placed = block
            placed.pts = block.pts - origin
            guard let buffer = try? placed.buffer() else { return }
            _ = tavis_app_src_push(audio.raw, buffer)
        }
    }

    package func stop() {
        let isFirst = state.withLock { state in
            guard !state.isStopped else { return false }
            state.isStopped = true
            for element in [state.video, state.audio] {
                if let element { _ = tavis_app_src_end(element.raw) }
            }
            (state.video, state.audio, state.media) = (nil, nil, nil)
            return true
        }
        guard isFirst else { return }
        let server = server.withLock { server in
            defer { server = nil }
            return server
        }
        server?.remove(path)
    }
}
