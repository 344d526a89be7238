// SPDX-License-Identifier: Apache-2.0
package import Media
package import Models
package import TensorEngine

/// TAViS on the frames of a stream: each by itself, as the published evaluation runs it, or with memory.
package final class TAViSSegmenter: FrameSegmenter {
    package var classNames: [String] { bank.names }

    private let model: TAViS
    private let bank: LabelBank
    private let side: Int
    private let preparation: FramePreparation
    private let logMel = LogMel()
    private var prompts: TAViS.AudioPrompts?
    private var memory: SlotMemory?

    /// - Parameters:
    ///   - bank: the classes to tell apart; index 0 is the background.
    ///   - side: of the square picture that the model sees, in pixels; a multiple of 32.
    ///   - remembers: lets each slot see its own earlier frames, which only weights trained so can make use of.
    package init(
        _ model: TAViS, bank: LabelBank, side: Int, preprocessing: FramePreparation.Kind = .direct,
        remembers: Bool = false
    ) {
        precondition(side > 0 && side % 32 == 0, "side \(side) is not a multiple of 32")
        (self.model, self.bank, self.side) = (model, bank, side)
        memory = remembers ? SlotMemory(slots: model.config.slots) : nil
        preparation = FramePreparation(preprocessing, side: side, imageBindSide: model.config.imageBindSide)
    }

    package func hear(_ samples: [Float]) -> HeardSound {
        let mel = logMel(samples)
        let prompts = model.audioPrompts(mel: mel.reshaped([1] + mel.shape))
        let objects = prompts.objects[row: 0]
        if let before = self.prompts?.objects[row: 0] { moveMemory(from: before, to: objects) }
        self.prompts = prompts
        let scores = model.classScores(
            audio: model.audioTextLogits(concat([objects, prompts.scene]), bank), bank)
        let parts = (0..<objects.shape[0]).map {
            HeardSound.Part(probabilities: scores[row: $0].values, token: objects[row: $0].values)
        }
        return HeardSound(parts: parts, scene: scores[row: parts.count].values)
    }

    package func segment(_ frame: VideoFrame) -> Tensor {
        guard let prompts else { preconditionFailure("segment: nothing was heard yet") }
        let pictures = preparation(frame)
        let dense = model.densePrompt(image: pictures.imageBind)
        guard var memory else {
            return model.segment(image: pictures.sam, prompts: prompts, dense: dense).logits
        }
        self.memory = nil
        defer { self.memory = memory }
        return model.segment(image: pictures.sam, prompts: prompts, dense: dense, memory: &memory).logits
    }

    /// Nothing ties a slot of one window to the same slot of the next: memories go where the likest sound went.
    private func moveMemory(from before: Tensor, to now: Tensor) {
        guard memory != nil else { return }
        let cost = (0..<now.shape[0]).map { new in
            (0..<before.shape[0]).map { -cosine(now[row: new].values, before[row: $0].values) }
        }
        memory?.permute(minimumCostAssignment(cost) + [before.shape[0]])
    }
}
