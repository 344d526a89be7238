// SPDX-License-Identifier: Apache-2.0

/// The files of the folder `pipelines/`, built into the program so that it runs from anywhere.
package enum PipelineFile: String, CaseIterable, Sendable {
    case fileInVideo = "file-in-video"
    case fileInAudio = "file-in-audio"
    case fileInPackets = "file-in-packets"
    case fileOutMP4 = "file-out-mp4"
    case fileOutMKV = "file-out-mkv"
    case fileOutWebM = "file-out-webm"

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
        }
    }
}
