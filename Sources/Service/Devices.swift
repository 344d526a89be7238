// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media
package import Streaming
import Synchronization

/// Connects streams to cameras, microphones, networks and files, as the configuration says.
package final class Devices: StreamConnector {
    private let credentials: Credentials
    private let server: Mutex<RTSPServer?>

    /// Where the RTSP server listens; nil where there is none.
    package let rtspPort: Int?

    /// - Throws: where the RTSP server cannot listen, or its credential is missing.
    package init(_ config: DaemonConfig, credentials: Credentials) throws {
        self.credentials = credentials
        guard config.rtsp.isOn else {
            server = Mutex(nil)
            rtspPort = nil
            return
        }
        let login = try config.rtsp.credential.map(credentials.login)
        let made = try RTSPServer(
            address: config.rtsp.address, port: config.rtsp.port,
            login: login.map { .init(user: $0.user, password: $0.password) })
        server = Mutex(made)
        rtspPort = made.port
    }

    /// Viewers are let go of.
    package func stop() { server.withLock { $0 = nil } }

    package func sources(
        of config: DaemonConfig.Stream, for stream: LiveStream
    ) throws -> [any LiveSourceHandle] {
        let video = try source(config.video)
        switch config.sound {
        case .none: return [input(config.video, video, [.video], stream)]
        case .own(let sound):
            return [
                input(config.video, video, [.video], stream),
                input(sound, try source(sound), [.audio], stream),
            ]
        case .same:
            // Tracks of a network camera come back one by one; those of a file or pipeline belong together.
            guard case .rtsp = video else { return [input(config.video, video, [.video, .audio], stream)] }
            return [
                input(config.video, video, [.video], stream), input(config.video, video, [.audio], stream),
            ]
        }
    }

    package func outputs(of config: DaemonConfig.Stream) throws -> [StreamOutput] {
        try config.outputs.map { StreamOutput(try output($0, of: config), picture: $0.picture) }
    }

    private func output(_ output: OutputConfig, of stream: DaemonConfig.Stream) throws -> any LiveOutput {
        guard case .rtsp(let mount) = output.kind else {
            return PipelineOutput(
                output.kind.media, stream: stream.name, hasAudio: stream.live.hasAudio,
                bitrate: output.bitrate)
        }
        guard let server = server.withLock({ $0 }) else {
            throw DaemonError(.notPossible, "\(mount): the RTSP server is not enabled")
        }
        return RTSPMount(server, path: mount, hasAudio: stream.live.hasAudio, bitrate: output.bitrate)
    }

    private func input(
        _ config: SourceConfig, _ source: LiveSource, _ tracks: Set<LiveTrack>, _ stream: LiveStream
    ) -> LiveInput {
        var settings = LiveInput.Settings(source, tracks: tracks)
        (settings.stallTimeout, settings.latency) = (config.stallTimeout, config.latency)
        return LiveInput(
            settings, name: stream.settings.name,
            handlers: LiveInputHandlers(
                video: { [weak stream] in stream?.take($0) }, audio: { [weak stream] in stream?.take($0) },
                state: { [weak stream] state in for track in tracks { stream?.note(track, state) } }))
    }

    private func source(_ config: SourceConfig) throws -> LiveSource {
        switch config.kind {
        case .rtsp(let uri, let transport, let credential):
            let login = try credential.map(credentials.login)
            return .rtsp(
                uri: uri, transport: transport == .tcp ? .tcp : .udp, user: login?.user,
                password: login?.password)
        case .uri(let uri, let loops): return .uri(uri, loops: loops)
        case .v4l2(let device, let width, let height, let frameRate):
            return .v4l2(device: device, width: width, height: height, frameRate: frameRate)
        case .alsa(let device): return .alsa(device: device)
        case .pulse(let device): return .pulse(device: device)
        case .pipewire(let target): return .pipewire(target: target)
        case .testVideo(let pattern, let width, let height, let frameRate):
            return .testVideo(pattern: pattern, width: width, height: height, frameRate: frameRate)
        case .testAudio(let wave, let frequency): return .testAudio(wave: wave, frequency: frequency)
        case .pipeline(let file):
            guard let text = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw MediaError(.unreadable, file, "cannot be read")
            }
            return .pipeline(text: text, name: file)
        }
    }
}

extension LiveInput: LiveSourceHandle {}

extension OutputConfig.Kind {
    /// - Precondition: not RTSP.
    fileprivate var media: LiveOutputKind {
        switch self {
        case .rtsp(let mount): preconditionFailure("\(mount) is served, not written")
        case .files(let folder, let container, let seconds, let megabytes, let budget):
            .files(
                folder: folder, container: container == .mp4 ? .mp4 : .mkv, seconds: seconds,
                bytes: megabytes.map { $0 * 1_000_000 }, diskBudget: budget * 1_000_000)
        case .hls(let folder, let target, let keep):
            .hls(folder: folder, targetSeconds: target, keep: keep)
        case .v4l2(let device): .v4l2(device: device)
        case .window: .window
        }
    }
}
