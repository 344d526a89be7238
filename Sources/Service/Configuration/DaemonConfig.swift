// SPDX-License-Identifier: Apache-2.0
package import ConfigurationFiles
package import Media
package import Streaming

/// What `tavisd run` does: the whole configuration file, checked. Each key is explained in `config/run.yaml`.
package struct DaemonConfig: Sendable, Equatable {
    package struct Model: Sendable, Equatable {
        /// Folder of a bundle; the built-in model when nil.
        package var bundle: String?
        /// Side of the picture that the model sees; the bundle's own when nil.
        package var side: Int?
        package var usesMemory = false
        package var looksAtObjects = false
    }

    /// Where something listens.
    package struct Listener: Sendable, Equatable {
        package var isOn = true
        package var address = "127.0.0.1"
        package var port: Int
        /// Name of the credential that callers must show; needed beyond this machine.
        package var credential: String?
    }

    package struct Logging: Sendable, Equatable {
        package enum Level: String, CaseIterable, Sendable { case trace, debug, info, notice, warning, error }
        package enum Format: String, CaseIterable, Sendable { case text, json }
        package var level = Level.info
        package var format = Format.text
    }

    package struct Stream: Sendable, Equatable {
        package enum Sound: Sendable, Equatable {
            case none
            /// From where the pictures come.
            case same
            case own(SourceConfig)
        }

        package var live: LiveStream.Settings
        package var video: SourceConfig
        package var sound: Sound
        package var outputs: [OutputConfig]
        /// The model's own when nil.
        package var classes: [String]?
        package var startsPaused = false

        package var name: String { live.name }
    }

    package var model = Model()
    package static let usualHTTPPort = 8990
    package var http = Listener(port: usualHTTPPort)
    /// Unix-domain socket for `tavisd ctl`.
    package var controlSocket: String?
    package var rtsp = Listener(port: 8554)
    /// JSON Lines of all streams' events: a file or a named pipe.
    package var eventFile: String?
    package var logging = Logging()
    package var streams: [Stream] = []
    /// Each value in force.
    package var settings: [YAMLSetting] = []
}

/// A source of pictures or sound.
package struct SourceConfig: Sendable, Equatable {
    package enum Transport: String, CaseIterable, Sendable { case tcp, udp }
    package enum Kind: Sendable, Equatable {
        case rtsp(uri: String, transport: Transport, credential: String?)
        case uri(String, loops: Bool)
        case v4l2(device: String, width: Int?, height: Int?, frameRate: Int?)
        case alsa(device: String?)
        case pulse(device: String?)
        case pipewire(target: String?)
        case testVideo(pattern: String?, width: Int, height: Int, frameRate: Int)
        case testAudio(wave: String?, frequency: Int)
        /// A user's own pipeline.
        case pipeline(file: String)
    }

    package var kind: Kind
    /// The source is opened anew when nothing came for so long.
    package var stallTimeout = MediaTime.seconds(5)
    /// Jitter buffer of network sources.
    package var latency = MediaTime.milliseconds(200)
}

/// Where a stream's pictures and sound go.
package struct OutputConfig: Sendable, Equatable {
    package enum Container: String, CaseIterable, Sendable { case mp4, mkv }
    package enum Kind: Sendable, Equatable {
        case rtsp(mount: String)
        case files(
            folder: String, container: Container, seconds: Int, megabytes: Int?, diskBudgetMegabytes: Int)
        case hls(folder: String, targetSeconds: Int, keep: Int)
        case v4l2(device: String)
        case window
    }

    package var kind: Kind
    package var picture = StreamOutput.Picture.overlay
    /// Of H.264, in kbit/s.
    package var bitrate = 2500
}
