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
    /// Class ids of what sounds, row-major, S · S of each frame; nil where nothing is known, and after a clip's end.
    package var truth: [[UInt8]?]
    /// Classes heard in each frame's window, seen or not; nil where the dataset does not know.
    package var heard: [Set<UInt8>]?
    /// For each frame whether its truth tells classes; nil for all.
    package var namesClasses: [Bool]?
    /// Class ids of what is seen, sounding or not, S · S of each frame; nil where the data does not tell.
    package var visible: [[UInt8]]?

    package init(
        clips: Int, framesPerClip: Int, plain: Tensor, mel: Tensor, truth: [[UInt8]?],
        heard: [Set<UInt8>]? = nil, namesClasses: [Bool]? = nil, visible: [[UInt8]]? = nil
    ) {
        (self.clips, self.framesPerClip) = (clips, framesPerClip)
        (self.plain, self.mel, self.truth, self.heard) = (plain, mel, truth, heard)
        (self.namesClasses, self.visible) = (namesClasses, visible)
    }
}

extension ClipBatch {
    /// Frames of clips, prepared as the published loader does: bilinear pictures, nearest labels. Shorter clips are
    /// filled up with black and silence at their end, where no loss looks.
    ///
    /// - Throws: `TrainingDataError` where a clip has no truth, or one of another size than its picture.
    package init(_ clips: [AnnotatedClip], side: Int, smallestArea: Int, logMel: LogMel) throws {
        let count = clips.map(\.frames.count).max() ?? 0
        let truths = try clips.map { try $0.truths(side: side, smallestArea: smallestArea, count: count) }
        // Frame-major: all first frames, then all second ones.
        let order = (0..<count).flatMap { t in clips.indices.map { (t, $0) } }
        let frames = order.map { t, b in t < clips[b].frames.count ? clips[b].frames[t] : nil }
        let heard = frames.compactMap { $0 == nil ? [] : $0?.heard }
        let visible = frames.compactMap { $0?.visibleClasses(side: side) }
        let black = Tensor([1, side, side, 3], filled: 0),
            silence = Tensor([1, LogMel.bins, LogMel.frames], filled: 0)
        self.init(
            clips: clips.count, framesPerClip: count,
            plain: concat(
                zip(frames, order).map { frame, place in
                    frame?.picture(side: side, by: clips[place.1].publishedSide) ?? black
                }),
            mel: concat(
                frames.map { $0.map { logMel($0.sound).reshaped(1, LogMel.bins, LogMel.frames) } ?? silence }),
            truth: order.map { truths[$1][$0] }, heard: heard.count == frames.count ? heard : nil,
            namesClasses: order.map { clips[$1].namesClasses },
            visible: visible.count == frames.count ? visible : nil)
    }
}

/// A clip that cannot be trained on.
package struct TrainingDataError: Error, CustomStringConvertible, Sendable {
    package var clip: String
    package var detail: String
    package var description: String { "\(clip): \(detail)" }
}

extension AnnotatedFrame {
    fileprivate func visibleClasses(side: Int) -> [UInt8]? {
        visible.map {
            nearestLabels($0, width: image.width, height: image.height, toWidth: side, toHeight: side)
        }
    }
}

extension AnnotatedClip {
    /// Class ids of `count` frames at another size; nil where nothing is known, or the clip has ended.
    fileprivate func truths(side: Int, smallestArea: Int, count: Int) throws -> [[UInt8]?] {
        let truths = try frames.map { frame in
            try frame.truth.map { truth in
                let (width, height) = (frame.image.width, frame.image.height)
                guard truth.count == width * height else {
                    throw TrainingDataError(clip: name, detail: "a truth is not of its picture's size")
                }
                return nearestLabels(truth, width: width, height: height, toWidth: side, toHeight: side)
            }
        }
        guard truths.contains(where: { $0 != nil }) else {
            throw TrainingDataError(clip: name, detail: "has no frame with truth")
        }
        return withoutSmallClasses(truths, area: smallestArea)
            + Array(repeating: nil, count: count - frames.count)
    }
}

extension AnnotatedFrame {
    /// `[1, side, side, 3]`, 0 … 1.
    ///
    /// - Parameter detour: side to which the picture is brought first, rounded to bytes.
    func picture(side: Int, by detour: Int? = nil) -> Tensor {
        let first = detour.map { Self.resized(image, $0) } ?? image
        let pixels = Self.resized(first, side).pixels
        return Tensor(shape: [1, side, side, 3]) { out in
            for i in out.indices { out[i] = Float(pixels[i]) / 255 }
        }
    }

    private static func resized(_ image: RGBImage, _ side: Int) -> RGBImage {
        guard image.width != side || image.height != side else { return image }
        let pixels = pillowResize(
            image.pixels, width: image.width, height: image.height, toWidth: side, toHeight: side,
            filter: .bilinear)
        return RGBImage(width: side, height: side, pixels: pixels)
    }
}

extension TAViS {
    /// The training forward pass: every frame of every clip, with memory from frame to frame where asked for.
    ///
    /// - Parameter sceneOnly: gives the slot of everything that sounds alone.
    package func predict(_ batch: ClipBatch, usesMemory: Bool, sceneOnly: Bool = false) -> FramePredictions {
        let side = batch.plain.shape[1]
        let prompts = audioPrompts(mel: batch.mel, sceneOnly: sceneOnly)
        let small = resizeBilinear(batch.plain, height: config.imageBindSide, width: config.imageBindSide)
        let dense = densePrompt(image: small)
        let features = features(image: ImageTransforms.normalised(batch.plain), prompts: prompts)
        let logits =
            usesMemory
            ? withMemory(features, prompts: prompts, dense: dense, batch)
            : segment(features, prompts: prompts, dense: dense).logits
        let quarter = logits.shape[1]
        let full = resizeBilinear(logits.reshaped(-1, quarter, quarter, 1), height: side, width: side)
        return FramePredictions(
            logits: full.reshaped(-1, prompts.slots, side, side), prompts: prompts, features: features)
    }

    /// Frame after frame, all clips in step. `[F · slots, S/4, S/4]`
    private func withMemory(
        _ features: ImageFeatures, prompts: AudioPrompts, dense: Tensor, _ batch: ClipBatch
    ) -> Tensor {
        var memory = SlotMemory(slots: prompts.slots, clipLength: batch.framesPerClip)
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
