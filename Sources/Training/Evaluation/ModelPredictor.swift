// SPDX-License-Identifier: Apache-2.0
package import Models
import TensorEngine

/// The bare model, as the published evaluation runs it: every frame by itself, or with memory within the clip.
/// Source: `test_avs.py`, `evaluate_avs_S4`.
package struct ModelPredictor: ClipPredictor {
    private let model: TAViS
    private let bank: LabelBank
    private let side: Int
    private let usesMemory, looksAtObjects, sceneOnly: Bool
    private let logMel: LogMel

    /// - Parameters:
    ///   - bank: the classes of the clips.
    ///   - side: of the square picture that the model sees, and of its predictions.
    ///   - looksAtObjects: also gives embeddings of what was found, at the cost of an image-tower pass for each.
    ///   - sceneOnly: decodes one slot, that of everything that sounds, for clips that name no classes: there are no
    ///     objects, and all that is marked has label 1.
    package init(
        _ model: TAViS, bank: LabelBank, side: Int, usesMemory: Bool, looksAtObjects: Bool = false,
        sceneOnly: Bool = false, logMel: LogMel = LogMel()
    ) {
        self.sceneOnly = sceneOnly
        (self.model, self.bank, self.side, self.usesMemory) = (model, bank, side, usesMemory)
        (self.looksAtObjects, self.logMel) = (looksAtObjects, logMel)
    }

    package func predict(_ clip: AnnotatedClip) throws -> [PredictedFrame] {
        var clip = clip
        for index in clip.frames.indices where clip.frames[index].truth == nil {
            let image = clip.frames[index].image
            clip.frames[index].truth = [UInt8](repeating: 0, count: image.width * image.height)
        }
        let batch = try ClipBatch([clip], side: side, smallestArea: 0, logMel: logMel)
        let found = model.predict(batch, usesMemory: usesMemory, sceneOnly: sceneOnly)
        if sceneOnly { return clip.frames.indices.map { scene(found.logits[row: $0][row: 0]) } }
        let slots = model.config.slots
        let classes = model.audioTextLogits(
            found.prompts.objects.reshaped(clip.frames.count * (slots - 1), -1), bank
        ).argmax()
        return clip.frames.indices.map { frame in
            predicted(frame, found, batch, Array(classes[frame * (slots - 1)..<(frame + 1) * (slots - 1)]))
        }
    }

    private func scene(_ logits: Tensor) -> PredictedFrame {
        let values = logits.values
        return PredictedFrame(
            width: side, height: side, logits: values, labels: values.map { $0 > 0 ? 1 : 0 }, objects: [])
    }

    private func predicted(
        _ frame: Int, _ found: FramePredictions, _ batch: ClipBatch, _ classes: [Int]
    ) -> PredictedFrame {
        let logits = found.logits[row: frame]
        let objects = logits[rows: 0..<classes.count]
        let embeddings = looksAtObjects ? embeddings(frame, found, batch) : nil
        return PredictedFrame(
            width: side, height: side, logits: logits[row: classes.count].values,
            labels: TAViS.semanticMap(logits: objects, classes: classes),
            objects: classes.indices.map { slot in
                PredictedFrame.Object(
                    classIndex: classes[slot],
                    mask: objects[row: slot].withValues { $0.map { $0 > 0 } },
                    embeddings: embeddings.map { ($0.audio[row: slot].values, $0.image[row: slot].values) })
            })
    }

    /// `[slots − 1, E]` each.
    private func embeddings(
        _ frame: Int, _ found: FramePredictions, _ batch: ClipBatch
    ) -> (audio: Tensor, image: Tensor) {
        let tokens = found.prompts.objects[row: frame]
        return (
            model.imageBind.audio.head(tokens),
            model.imageEmbeddings(
                image: batch.plain[rows: frame..<frame + 1],
                logits: found.logits[row: frame][rows: 0..<tokens.shape[0]])
        )
    }
}
