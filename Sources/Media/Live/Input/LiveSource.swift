// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// Where live pictures or sound come from.
package enum LiveSource: Sendable, Hashable {
    package enum Transport: String, Sendable { case tcp, udp }

    /// A camera on the network. User and password stay out of the address, of messages and of logs.
    case rtsp(uri: String, transport: Transport, user: String?, password: String?)
    /// A file, played in real time, or any address. Pictures and sound come from one pipeline.
    case uri(String, loops: Bool)
    case v4l2(device: String, width: Int?, height: Int?, frameRate: Int?)
    case alsa(device: String?)
    case pulse(device: String?)
    case pipewire(target: String?)
    case testVideo(pattern: String?, width: Int, height: Int, frameRate: Int)
    case testAudio(wave: String?, frequency: Int)
    /// A user's own pipeline with appsinks `video_in`, `audio_in` or both.
    case pipeline(text: String, name: String)

    /// For messages, without secrets.
    package var name: String {
        switch self {
        case .rtsp(let uri, _, _, _), .uri(let uri, _): MediaSource.redacted(uri)
        case .v4l2(let device, _, _, _): device
        case .alsa(let device): "alsa \(device ?? "default")"
        case .pulse(let device): "pulse \(device ?? "default")"
        case .pipewire(let target): "pipewire \(target ?? "default")"
        case .testVideo: "test picture"
        case .testAudio: "test sound"
        case .pipeline(_, let name): name
        }
    }

    /// The end of the source is no failure: it begins again.
    var loops: Bool { if case .uri(_, let loops) = self { loops } else { false } }
}

extension LiveSource {
    /// A pipeline ready to be played, with `video_in` and `audio_in` as far as `tracks` asks for them.
    func pipeline(_ tracks: Set<LiveTrack>, latency: MediaTime) throws(MediaError) -> Pipeline {
        let pipeline = try blankPipeline(tracks)
        try set(pipeline, tracks, latency: latency)
        pipeline.useMediaClock()
        return pipeline
    }

    private func blankPipeline(_ tracks: Set<LiveTrack>) throws(MediaError) -> Pipeline {
        if case .pipeline(let text, _) = self { return try Pipeline(text: PipelineFile.stripped(text)) }
        return try Pipeline(file(tracks))
    }

    private func file(_ tracks: Set<LiveTrack>) -> PipelineFile {
        switch self {
        case .rtsp: tracks.contains(.video) ? .liveInRTSPVideo : .liveInRTSPAudio
        case .uri:
            tracks.count == 2 ? .liveInURI : tracks.contains(.video) ? .liveInURIVideo : .liveInURIAudio
        case .v4l2: .liveInV4L2
        case .alsa: .liveInALSA
        case .pulse: .liveInPulse
        case .pipewire: .liveInPipeWire
        case .testVideo: .liveInTestVideo
        case .testAudio, .pipeline: .liveInTestAudio
        }
    }

    private func set(
        _ pipeline: Pipeline, _ tracks: Set<LiveTrack>, latency: MediaTime
    ) throws(MediaError) {
        switch self {
        case .rtsp(let uri, let transport, let user, let password):
            try setRTSP(pipeline, uri, transport, user, password, tracks, latency)
        case .uri(let uri, _): try pipeline.set("uri", of: "source", to: try MediaSource(uri).uri)
        case .v4l2(let device, let width, let height, let frameRate):
            try pipeline.set("device", of: "source", to: device)
            try pipeline.setCaps("caps", of: "form", to: Self.cameraCaps(width, height, frameRate))
        case .alsa(let device?), .pulse(let device?): try pipeline.set("device", of: "source", to: device)
        case .pipewire(let target?): try pipeline.set("target-object", of: "source", to: target)
        case .testVideo(let pattern, let width, let height, let frameRate):
            if let pattern { try pipeline.choose("pattern", of: "source", pattern) }
            try pipeline.setCaps(
                "caps", of: "form",
                to: "video/x-raw,width=\(width),height=\(height),framerate=\(frameRate)/1")
        case .testAudio(let wave, let frequency):
            if let wave { try pipeline.choose("wave", of: "source", wave) }
            try pipeline.set("freq", of: "source", to: frequency)
        case .alsa, .pulse, .pipewire, .pipeline: break
        }
    }

    private func setRTSP(
        _ pipeline: Pipeline, _ uri: String, _ transport: Transport, _ user: String?, _ password: String?,
        _ tracks: Set<LiveTrack>, _ latency: MediaTime
    ) throws(MediaError) {
        try pipeline.set("location", of: "source", to: uri)
        try pipeline.choose("protocols", of: "source", transport.rawValue)
        try pipeline.set("latency", of: "source", to: Int(latency.milliseconds))
        try pipeline.set("drop-on-latency", of: "source", to: true)
        try pipeline.set("tcp-timeout", of: "source", to: Int(Self.connectMicroseconds))
        if let user { try pipeline.set("user-id", of: "source", to: user) }
        if let password { try pipeline.set("user-pw", of: "source", to: password) }
        tavis_rtspsrc_select(
            try pipeline.element("source").raw, tracks.contains(.video) ? "video" : "audio")
    }

    private static let connectMicroseconds = 5_000_000

    /// Cameras give raw pictures or JPEG, often only the latter at their full rate.
    private static func cameraCaps(_ width: Int?, _ height: Int?, _ frameRate: Int?) -> String {
        let fields =
            (width.map { ",width=\($0)" } ?? "") + (height.map { ",height=\($0)" } ?? "")
            + (frameRate.map { ",framerate=\($0)/1" } ?? "")
        return "video/x-raw\(fields);image/jpeg\(fields)"
    }
}
