// SPDX-License-Identifier: Apache-2.0

/// Where the pictures and the sound of a stream go, RTSP aside.
package enum LiveOutputKind: Sendable, Hashable {
    package enum Container: String, Sendable { case mp4, mkv }

    /// Files one after the other; the oldest go when all take more than the budget, in bytes.
    case files(folder: String, container: Container, seconds: Int, bytes: Int?, diskBudget: Int)
    case hls(folder: String, targetSeconds: Int, keep: Int)
    case v4l2(device: String)
    case window

    var name: String {
        switch self {
        case .files(let folder, _, _, _, _): "files \(folder)"
        case .hls(let folder, _, _): "hls \(folder)"
        case .v4l2(let device): "v4l2 \(device)"
        case .window: "window"
        }
    }

    var takesSound: Bool {
        switch self {
        case .files, .hls: true
        case .v4l2, .window: false
        }
    }

    func text(withSound: Bool) -> String {
        let (pictures, sound): (PipelineFile, PipelineFile?) =
            switch self {
            case .files(_, .mp4, _, _, _): (.liveOutFiles, .liveOutFilesAudio)
            case .files(_, .mkv, _, _, _): (.liveOutFilesMKV, .liveOutFilesAudio)
            case .hls: (.liveOutHLS, .liveOutHLSAudio)
            case .v4l2: (.liveOutV4L2, nil)
            case .window: (.liveOutWindow, nil)
            }
        return pictures.text + (withSound ? sound.map { "\n" + $0.text } ?? "" : "")
    }
}
