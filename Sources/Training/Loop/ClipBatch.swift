// SPDX-License-Identifier: Apache-2.0
import Media
package import Models
package import TensorEngine

/// Clips of equal length as a model takes them: F = B · T frames, all clips' first frames, then all second ones, ….
package struct ClipBatch: Sendable {
    /// Clips B and frames of each T.
    package var clips, framesPerClip: Int
    /// Pictures 0 … 1, `[F, S, S, 3]`.
    package var plain: Tensor
    /// Normalised log-mel of the audio windows, `[F, 128, 204]`.
    package var mel: Tensor
    /// Class ids of what sounds, row-major, S · S of each frame.
    package var truth: [[UInt8]]
    /// Classes heard in each frame's window, seen or not; nil where the dataset does not know.
    package var heard: [Set<UInt8>]?

    package init(
        clips: Int, framesPerClip: Int, plain: Tensor, mel: Tensor, truth: [[UInt8]],
        heard: [Set<UInt8>]? = nil
    ) {
        (self.clips, self.framesPerClip) = (clips, framesPerClip)
        (self.plain, self.mel, self.truth, self.heard) = (plain, mel, truth, heard)
    }
}

extension ClipBatch {
    /// Frames of clips of one length, prepared as the published loader does: bilinear pictures, nearest labels.
    ///
    /// - Throws: `TrainingDataError` where a frame has no truth or clips differ in length.
    package init(_ clips: [AnnotatedClip], side: Int, smallestArea: Int, logMel: LogMel) throws {
        let count = clips.first?.frames.count ?? 0
        for clip in clips where clip.frames.count != count || count == 0 {
            throw TrainingDataError(
                clip: clip.name, detail: "\(clip.frames.count) frames beside clips of \(count)")
        }
        let truths = try clips.map { clip in
            withoutSmallClasses(
                try clip.frames.map { try $0.labels(side: side, of: clip) }, area: smallestArea)
        }
        // Frame-major: all first frames, then all second ones.
        let order = (0..<count).flatMap { t in clips.indices.map { (t, $0) } }
        let frames = order.map { clips[$1].frames[$0] }
        let heard = frames.compactMap(\.heard)
        self.init(
            clips: clips.count, framesPerClip: count,
            plain: concat(frames.map { $0.picture(side: side) }),
            mel: concat(frames.map { logMel($0.sound).reshaped(1, LogMel.bins, LogMel.frames) }),
            truth: order.map { truths[$1][$0] }, heard: heard.count == frames.count ? heard : nil)
    }
}

/// A clip that cannot be trained on.
package struct TrainingDataError: Error, CustomStringConvertible, Sendable {
    package var clip: String
    package var detail: String
    package var description: String { "\(clip): \(detail)" }
}

extension AnnotatedFrame {
    /// `[1, side, side, 3]`, 0 … 1.
    func picture(side: Int) -> Tensor {
        let pixels =
            image.width == side && image.height == side
            ? image.pixels
            : pillowResize(
                image.pixels, width: image.width, height: image.height, toWidth: side, toHeight: side,
                filter: .bilinear)
        return Tensor(shape: [1, side, side, 3]) { out in
            for i in out.indices { out[i] = Float(pixels[i]) / 255 }
        }
    }

    /// Class ids, side · side.
    func labels(side: Int, of clip: AnnotatedClip) throws -> [UInt8] {
        guard let truth, truth.count == image.width * image.height else {
            throw TrainingDataError(clip: clip.name, detail: "a frame has no truth of its picture's size")
        }
        guard image.width != side || image.height != side else { return truth }
        return (0..<side * side).map { i in
            let (y, x) = (i / side, i % side)
            return truth[y * image.height / side * image.width + x * image.width / side]
        }
    }
}

extension TAViS {
    /// The training forward pass: every frame of every clip, with memory from frame to frame where asked for.
    package func predict(_ batch: ClipBatch, usesMemory: Bool) -> FramePredictions {
        let side = batch.plain.shape[1]
        let prompts = audioPrompts(mel: batch.mel)
        let small = resizeBilinear(batch.plain, height: config.imageBindSide, width: config.imageBindSide)
        let dense = densePrompt(image: small)
        let features = features(image: ImageTransforms.normalised(batch.plain), prompts: prompts)
        let logits =
            usesMemory
            ? withMemory(features, prompts: prompts, dense: dense, batch)
            : segment(features, prompts: prompts, dense: dense).logits
        let quarter = logits.shape[1]
        let full = resizeBilinear(logits.reshaped(-1, quarter, quarter, 1), height: side, width: side)
        return FramePredictions(logits: full.reshaped(-1, config.slots, side, side), prompts: prompts)
    }

    /// Frame after frame, all clips in step. `[F · slots, S/4, S/4]`
    private func withMemory(
        _ features: ImageFeatures, prompts: AudioPrompts, dense: Tensor, _ batch: ClipBatch
    ) -> Tensor {
        var memory = SlotMemory(slots: config.slots, clipLength: batch.framesPerClip)
        return concat(
            (0..<batch.framesPerClip).map { t in
                let rows = t * batch.clips..<(t + 1) * batch.clips
                return segment(
                    features[rows: rows], prompts: prompts[rows: rows], dense: dense[rows: rows],
                    memory: &memory, softMasks: true
                ).logits
            })
    }
}
