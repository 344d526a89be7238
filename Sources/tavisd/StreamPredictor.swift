// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import Streaming
import TensorEngine
import Training

/// A clip as a live stream would show it: gated, tracked, each frame with a new window of sound unless the economy keeps
/// one for longer. What is not painted does not count as found.
struct StreamPredictor: ClipPredictor {
    /// Stands for "certainly not" where nothing is painted.
    private static let nothing: Float = -10

    /// Makes the segmenter of a new stream.
    let segmenter: () -> TAViSSegmenter
    /// Time from frame to frame of a clip.
    var spacing = MediaTime.seconds(1)
    var economy: Economy = {
        var economy = Economy()
        economy.audioHop = .zero
        return economy
    }()

    func predict(_ clip: AnnotatedClip) throws -> [PredictedFrame] {
        let analyzer = FrameAnalyzer(segmenter(), economy: economy)
        var heard: Streaming.AudioWindow?
        return try clip.frames.enumerated().map { number, frame in
            let time = MediaTime(seconds: Double(number) * spacing.seconds)
            let image = VideoFrame(
                width: frame.image.width, height: frame.image.height, pts: time, duration: nil,
                pixels: frame.image.pixels)
            // Times are rounded: a thousandth of a second too early is not.
            let isDue = heard.map { time - $0.end + .milliseconds(1) >= economy.audioHop } ?? true
            let window =
                heard.flatMap { isDue ? nil : $0 }
                ?? AudioWindow(number: number, samples: frame.sound, end: time)
            heard = window
            return Self.painted(
                try analyzer.analyze(AlignedFrame(number: number, frame: image, window: window)))
        }
    }

    static func painted(_ analysis: FrameAnalysis) -> PredictedFrame {
        let (width, height) = (analysis.width, analysis.height)
        let classes: [UInt8] = [0] + analysis.objects.map { UInt8(clamping: $0.classIndex) }
        return PredictedFrame(
            width: width, height: height, logits: logits(analysis),
            labels: analysis.labels.map { classes[Int($0)] },
            objects: analysis.objects.enumerated().map { index, object in
                PredictedFrame.Object(
                    classIndex: object.classIndex, mask: analysis.labels.map { Int($0) == index + 1 })
            })
    }

    /// Each painted pixel's largest logit among the objects shown.
    private static func logits(_ analysis: FrameAnalysis) -> [Float] {
        let nothing = analysis.labels.map { _ in Self.nothing }
        guard let all = analysis.logits, !analysis.objects.isEmpty else { return nothing }
        let (h, w) = (all.shape[1], all.shape[2])
        let shown = all.gathered(analysis.objects.map(\.row))
        let sized = resizeBilinear(
            shown.reshaped(shown.shape[0], h, w, 1), height: analysis.height, width: analysis.width)
        let pixels = analysis.labels.count
        return sized.withValues { values in
            analysis.labels.indices.map { pixel in
                let label = Int(analysis.labels[pixel])
                return label == 0 ? Self.nothing : values[(label - 1) * pixels + pixel]
            }
        }
    }
}
