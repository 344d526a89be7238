// SPDX-License-Identifier: Apache-2.0
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
