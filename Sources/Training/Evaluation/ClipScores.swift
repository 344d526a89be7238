// SPDX-License-Identifier: Apache-2.0
package import Models
import TensorEngine

/// How well a model does on clips: the benchmark's measures, and what it marks where nothing is to be marked.
package struct ClipScores: Sendable {
    /// M_J in percent and M_F (on logits), over clips with something sounding in sight.
    package private(set) var overlap = 0.0
    package private(set) var fMeasure = 0.0
    /// Share of pixels marked on frames where nothing in sight sounds, in percent.
    package private(set) var strayArea = 0.0
    /// Share of such frames with any mark of more than 0.1 % of the pixels, in percent.
    package private(set) var strayFrames = 0.0
    /// Of the sounding classes that a slot covers (IoU ≥ 0.5), the share whose slot is named right, in percent.
    package private(set) var namedRight = 0.0
    /// Clips with something sounding in sight, and frames without.
    package private(set) var soundingClips = 0, emptyFrames = 0, coveredObjects = 0

    /// By the names of the log.
    package var metrics: [String: Double] {
        [
            "M_J": overlap, "M_F": fMeasure, "stray_area": strayArea, "stray_frames": strayFrames,
            "named_right": namedRight,
        ]
    }

    /// - Parameters:
    ///   - bank: of the source's classes.
    ///   - clips: how many of the source; all when nil.
    package init(
        _ model: TAViS, bank: LabelBank, _ source: any ClipSource, clips: Int?, side: Int, usesMemory: Bool,
        logMel: LogMel = LogMel()
    ) throws {
        let count = min(source.count, clips ?? source.count)
        for index in 0..<count {
            let batch = try ClipBatch([try source.clip(index)], side: side, smallestArea: 0, logMel: logMel)
            add(model.predict(batch, usesMemory: usesMemory), batch, model, bank)
        }
        overlap /= Double(max(1, soundingClips))
        fMeasure /= Double(max(1, soundingClips))
        strayArea /= Double(max(1, emptyFrames))
        strayFrames /= Double(max(1, emptyFrames))
        namedRight /= Double(max(1, coveredObjects))
    }

    private mutating func add(
        _ predictions: FramePredictions, _ batch: ClipBatch, _ model: TAViS, _ bank: LabelBank
    ) {
        let slots = model.config.slots, frames = batch.framesPerClip, side = predictions.logits.shape[2]
        let scene = concat(
            (0..<frames).map { predictions.logits[row: $0][rows: slots - 1..<slots] })
        let truth: [Bool] = batch.truth.flatMap { frame in frame.map { $0 != 0 } }
        if truth.contains(true) {
            soundingClips += 1
            overlap += 100 * Double(Metrics.overlap(scene, truth: truth))
            fMeasure += Double(Metrics.fMeasure(scene, truth: truth))
        }
        let classes = model.audioTextLogits(
            predictions.prompts.objects.reshaped(frames * (slots - 1), -1), bank
        ).argmax()
        for frame in 0..<frames {
            if batch.truth[frame].contains(where: { $0 != 0 }) {
                addNames(
                    predictions.logits[row: frame], batch.truth[frame],
                    Array(classes[frame * (slots - 1)..<(frame + 1) * (slots - 1)]))
            } else {
                addEmpty(scene[row: frame], pixels: side * side)
            }
        }
    }

    private mutating func addEmpty(_ logits: Tensor, pixels: Int) {
        let marked = logits.withValues { $0.count { $0 > 0 } }
        emptyFrames += 1
        strayArea += 100 * Double(marked) / Double(pixels)
        if marked * 1000 > pixels { strayFrames += 100 }
    }

    private mutating func addNames(_ logits: Tensor, _ truth: [UInt8], _ classes: [Int]) {
        for label in Set(truth) where label != 0 {
            let mask = truth.map { $0 == label }
            let best = classes.indices.map { ($0, Metrics.overlap(logits[row: $0].values, truth: mask)) }
                .max { $0.1 < $1.1 }
            guard let best, best.1 >= 0.5 else { continue }
            coveredObjects += 1
            if classes[best.0] == Int(label) { namedRight += 100 }
        }
    }
}
