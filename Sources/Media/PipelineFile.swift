// SPDX-License-Identifier: Apache-2.0

/// The files of the folder `pipelines/`, built into the program so that it runs from anywhere.
package enum PipelineFile: String, CaseIterable, Sendable {
    case fileInVideo = "file-in-video"
    case fileInAudio = "file-in-audio"
    case fileInPackets = "file-in-packets"
    case fileOutMP4 = "file-out-mp4"
    case fileOutMKV = "file-out-mkv"
    case fileOutWebM = "file-out-webm"
    case liveInRTSPVideo = "live-in-rtsp-video"
    case liveInRTSPAudio = "live-in-rtsp-audio"
    case liveInURIVideo = "live-in-uri-video"
    case liveInURIAudio = "live-in-uri-audio"
    case liveInURI = "live-in-uri"
    case liveInV4L2 = "live-in-v4l2"
    case liveInALSA = "live-in-alsa"
    case liveInPulse = "live-in-pulse"
    case liveInPipeWire = "live-in-pipewire"
    case liveInTestVideo = "live-in-test-video"
    case liveInTestAudio = "live-in-test-audio"
    case liveOutRTSP = "live-out-rtsp"
    case liveOutRTSPAudio = "live-out-rtsp-audio"
    case liveOutFiles = "live-out-files"
    case liveOutFilesMKV = "live-out-files-mkv"
    case liveOutFilesAudio = "live-out-files-audio"
    case liveOutHLS = "live-out-hls"
    case liveOutHLSAudio = "live-out-hls-audio"
    case liveOutV4L2 = "live-out-v4l2"
    case liveOutWindow = "live-out-window"
    case jpeg = "jpeg"

    /// What a pipeline is made of: the file without its comments.
    package var text: String { Self.stripped(String(decoding: bytes, as: UTF8.self)) }

    /// Drops lines that begin with `#`, which GStreamer would not understand.
    package static func stripped(_ text: String) -> String {
        text.split(separator: "\n").filter { !$0.drop { $0 == " " || $0 == "\t" }.hasPrefix("#") }
            .joined(separator: "\n")
    }

    private var bytes: [UInt8] {
        switch self {
        case .fileInVideo: PackageResources.file_in_video_pipeline
        case .fileInAudio: PackageResources.file_in_audio_pipeline
        case .fileInPackets: PackageResources.file_in_packets_pipeline
        case .fileOutMP4: PackageResources.file_out_mp4_pipeline
        case .fileOutMKV: PackageResources.file_out_mkv_pipeline
        case .fileOutWebM: PackageResources.file_out_webm_pipeline
        case .liveInRTSPVideo: PackageResources.live_in_rtsp_video_pipeline
        case .liveInRTSPAudio: PackageResources.live_in_rtsp_audio_pipeline
        case .liveInURIVideo: PackageResources.live_in_uri_video_pipeline
        case .liveInURIAudio: PackageResources.live_in_uri_audio_pipeline
        case .liveInURI: PackageResources.live_in_uri_pipeline
        case .liveInV4L2: PackageResources.live_in_v4l2_pipeline
        case .liveInALSA: PackageResources.live_in_alsa_pipeline
        case .liveInPulse: PackageResources.live_in_pulse_pipeline
        case .liveInPipeWire: PackageResources.live_in_pipewire_pipeline
        case .liveInTestVideo: PackageResources.live_in_test_video_pipeline
        case .liveInTestAudio: PackageResources.live_in_test_audio_pipeline
        case .liveOutRTSP: PackageResources.live_out_rtsp_pipeline
        case .liveOutRTSPAudio: PackageResources.live_out_rtsp_audio_pipeline
        case .liveOutFiles: PackageResources.live_out_files_pipeline
        case .liveOutFilesMKV: PackageResources.live_out_files_mkv_pipeline
        case .liveOutFilesAudio: PackageResources.live_out_files_audio_pipeline
        case .liveOutHLS: PackageResources.live_out_hls_pipeline
        case .liveOutHLSAudio: PackageResources.live_out_hls_audio_pipeline
        case .liveOutV4L2: PackageResources.live_out_v4l2_pipeline
        case .liveOutWindow: PackageResources.live_out_window_pipeline
        case .jpeg: PackageResources.jpeg_pipeline
        }
    }
}
