// SPDX-License-Identifier: Apache-2.0
package import Media
package import Models
package import TensorEngine

/// TAViS on the frames of a stream: each by itself, as the published evaluation runs it, or with memory.
package final class TAViSSegmenter: FrameSegmenter {
    /// What classes are told from.
    package enum ClassEvidence: String, Sendable, CaseIterable {
        case audio
        /// Also from what the object looks like: the published rule for classes never trained on.
        case audioAndImage = "audio+image"
    }

    package var classNames: [String] { bank.names }
    package var memoryBytes: Int { memory?.banks.bytes ?? 0 }

    /// The trunk halves pictures five times.
    private static let sideStep = 32

    private let model: TAViS
    private let bank: LabelBank
    private let evidence: ClassEvidence
    private let preprocessing: FramePreparation.Kind
    /// Of the full picture.
    private let side: Int
    private var preparation: FramePreparation
    private let logMel = LogMel()
    private var memory: StreamMemory<SlotMemory>?
    /// Prompts of the newest window, and the likeness of its parts and its whole to each class, `[N + 1, K]`.
    private var heard: (prompts: TAViS.AudioPrompts, likeness: Tensor)?
    /// The newest frame, 0…1, `[1, s, s, 3]`, and its masks, `[slots, h, w]`.
    private var seen: (picture: Tensor, logits: Tensor)?

    /// - Parameters:
    ///   - bank: the classes to tell apart; index 0 is the background.
    ///   - side: of the square picture that the model sees, in pixels; a multiple of 32.
    ///   - memory: lets each slot see its own earlier frames, which only weights trained so can make use of.
    package init(
        _ model: TAViS, bank: LabelBank, side: Int, preprocessing: FramePreparation.Kind = .direct,
        evidence: ClassEvidence = .audio, memory: MemorySettings? = nil
    ) {
        precondition(
            side > 0 && side % Self.sideStep == 0, "side \(side) is not a multiple of \(Self.sideStep)")
        (self.model, self.bank, self.evidence) = (model, bank, evidence)
        self.memory = memory.map { StreamMemory(SlotMemory(slots: model.config.slots), $0) }
        (self.side, self.preprocessing) = (side, preprocessing)
        preparation = FramePreparation(preprocessing, side: side, imageBindSide: model.config.imageBindSide)
    }

    package func forget() { memory?.forget() }

    package func shrink(to share: Double) {
        let smaller = max(Self.sideStep, Int(share * Double(side) / Double(Self.sideStep)) * Self.sideStep)
        guard smaller != preparation.side else { return }
        preparation = FramePreparation(
            preprocessing, side: min(side, smaller), imageBindSide: model.config.imageBindSide)
        forget()
    }

    package func hear(_ samples: [Float]) -> HeardSound {
        let mel = logMel(samples)
        let prompts = model.audioPrompts(mel: mel.reshaped([1] + mel.shape))
        let objects = prompts.objects[row: 0]
        let likeness = model.audioTextLogits(concat([objects, prompts.scene]), bank)
        heard = (prompts, likeness)
        let scores = model.classScores(audio: likeness, bank)
        let parts = (0..<objects.shape[0]).map {
            HeardSound.Part(probabilities: scores[row: $0].values, token: objects[row: $0].values)
        }
        memory?.hear(tokens: objects, classes: parts.map(\.probabilities.indexOfLargest))
        return HeardSound(parts: parts, scene: scores[row: parts.count].values)
    }

    package func segment(_ frame: VideoFrame) -> Tensor {
        guard let prompts = heard?.prompts else { preconditionFailure("segment: nothing was heard yet") }
        let pictures = preparation(frame)
        let dense = model.densePrompt(image: pictures.imageBind)
        let logits =
            memory?.remember(pictures.imageBind) { memory in
                model.segment(image: pictures.sam, prompts: prompts, dense: dense, memory: &memory).logits
            } ?? model.segment(image: pictures.sam, prompts: prompts, dense: dense).logits
        seen = (pictures.plain, logits)
        return logits
    }

    package func look(at slots: [Int]) -> [[Float]]? {
        guard evidence == .audioAndImage, let heard, let seen, !slots.isEmpty else { return nil }
        let (count, side) = (slots.count, seen.picture.shape[1])
        let masks = seen.logits.gathered(slots)
        let sized = resizeBilinear(
            masks.reshaped(count, masks.shape[1], masks.shape[2], 1), height: side, width: side)
        let likeness = model.imageTextLogits(
            image: seen.picture, logits: sized.reshaped(count, side, side), bank)
        let scores = model.classScores(audio: heard.likeness.gathered(slots), image: likeness, bank)
        return slots.indices.map { scores[row: $0].values }
    }
}
