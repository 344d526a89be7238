// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import Streaming
import TensorEngine
import Training

/// A clip as a live stream would show it: gated, tracked, each frame with a new window of sound. What is not painted
/// does not count as found.
struct StreamPredictor: ClipPredictor {
    /// Stands for "certainly not" where nothing is painted.
    private static let nothing: Float = -10

    /// Makes the segmenter of a new stream.
    let segmenter: () -> TAViSSegmenter

    func predict(_ clip: AnnotatedClip) throws -> [PredictedFrame] {
        let analyzer = FrameAnalyzer(segmenter())
        return try clip.frames.enumerated().map { number, frame in
            let time = MediaTime.seconds(Double(number))
            let image = VideoFrame(
                width: frame.image.width, height: frame.image.height, pts: time, duration: nil,
                pixels: frame.image.pixels)
            let window = AudioWindow(number: number, samples: frame.sound, end: time)
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
        let shown = all.gathered(analysis.objects.map(\.slot))
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
