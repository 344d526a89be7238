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

    /// What is asked of the model.
    package enum Task: Sendable {
        /// The sounding objects, told apart.
        case objects
        /// All that sounds as one object, named after what is heard most. The sound is not taken apart, one slot is
        /// decoded.
        case scene
    }

    package var classNames: [String] { bank.names }
    package var remembers: Bool { memory != nil }
    package var memoryBytes: Int { memory?.banks.bytes ?? 0 }

    /// The trunk halves pictures five times.
    private static let sideStep = 32

    private let model: TAViS
    private let bank: LabelBank
    private let evidence: ClassEvidence
    private let task: Task
    private let preprocessing: FramePreparation.Kind
    /// Of the full picture.
    private let side: Int
    private var preparation: FramePreparation
    private let logMel = LogMel()
    private var economy = Economy()
    private var memory: StreamMemory<SlotMemory>?
    /// When a frame was remembered last.
    private var keptAt: MediaTime?
    private var shots = ShotDetector(leastShared: MemorySettings().leastSharedColors)
    /// The dense prompt and the time of the frame it is of.
    private var dense: (prompt: Tensor, time: MediaTime)?
    /// The next one, while work on it is spread.
    private var nextDense: (work: SpreadWork<Tensor>, time: MediaTime)?
    private var spacing = FrameSpacing()
    /// Whether no frame was segmented since the sound changed.
    private var isNewlyHeard = false
    /// Prompts of the newest window, and the likeness of its parts and its whole to each class, `[N + 1, K]`.
    private var heard: (prompts: TAViS.AudioPrompts, likeness: Tensor)?
    /// The newest frame, 0…1, `[1, s, s, 3]`, and the masks of some slots, `[slots, h, w]`.
    private var seen: (picture: Tensor, logits: Tensor, slots: [Int])?

    /// - Parameters:
    ///   - bank: the classes to tell apart; index 0 is the background.
    ///   - side: of the square picture that the model sees, in pixels; a multiple of 32.
    ///   - memory: lets each slot see its own earlier frames, which only weights trained so can make use of.
    ///   - task: what to find.
    package init(
        _ model: TAViS, bank: LabelBank, side: Int, preprocessing: FramePreparation.Kind = .direct,
        evidence: ClassEvidence = .audio, memory: MemorySettings? = nil, task: Task = .objects
    ) {
        precondition(
            side > 0 && side % Self.sideStep == 0, "side \(side) is not a multiple of \(Self.sideStep)")
        (self.model, self.bank, self.evidence, self.task) = (model, bank, evidence, task)
        let slots = task == .scene ? 1 : model.config.slots
        self.memory = memory.map { StreamMemory(SlotMemory(slots: slots), $0) }
        (self.side, self.preprocessing) = (side, preprocessing)
        preparation = FramePreparation(preprocessing, side: side, imageBindSide: model.config.imageBindSide)
    }

    package func forget() {
        memory?.forget()
        (keptAt, dense, nextDense) = (nil, nil, nil)
    }

    package func use(_ economy: Economy) {
        self.economy = economy
        let share = Int(economy.side * Double(side) / Double(Self.sideStep))
        let smaller = min(side, max(Self.sideStep, share * Self.sideStep))
        guard smaller != preparation.side else { return }
        preparation = FramePreparation(
            preprocessing, side: smaller, imageBindSide: model.config.imageBindSide)
        forget()
    }

    package func hear(_ samples: [Float]) -> HeardSound { hearing(samples).finished() }

    package func hearing(_ samples: [Float]) -> Stepwise<HeardSound> {
        let mel = logMel(samples)
        return model.audioPromptSteps(mel: mel.reshaped([1] + mel.shape), sceneOnly: task == .scene)
            .map { [self] in use($0) }
    }

    private func use(_ prompts: TAViS.AudioPrompts) -> HeardSound {
        let tokens = task == .scene ? prompts.scene : prompts.objects[row: 0]
        let likeness = model.audioTextLogits(
            task == .scene ? tokens : concat([tokens, prompts.scene]), bank)
        heard = (prompts, likeness)
        isNewlyHeard = true
        let scores = model.classScores(audio: likeness, bank)
        let parts = (0..<tokens.shape[0]).map {
            HeardSound.Part(probabilities: scores[row: $0].values, token: tokens[row: $0].values)
        }
        if task == .objects {
            memory?.hear(tokens: tokens, classes: parts.map(\.probabilities.indexOfLargest))
        }
        return HeardSound(parts: parts, scene: scores[row: likeness.shape[0] - 1].values)
    }

    package func segment(_ frame: VideoFrame, slots: [Int]?) -> Tensor {
        guard let prompts = heard?.prompts else { preconditionFailure("segment: nothing was heard yet") }
        let pictures = preparation(frame)
        if memory != nil || economy.imageHop > .zero, shots.begins(with: pictures.imageBind) { forget() }
        let dense = densePrompt(pictures.imageBind, at: frame.pts)
        let isKept = isDue(keptAt, every: economy.memoryHop, at: frame.pts)
        if isKept { keptAt = frame.pts }
        let logits =
            memory?.look(slots: slots, isKept: isKept) { memory in
                model.segment(
                    image: pictures.sam, prompts: prompts, dense: dense, memory: &memory, slots: slots,
                    remembers: isKept
                ).logits
            } ?? model.segment(image: pictures.sam, prompts: prompts, dense: dense, slots: slots).logits
        isNewlyHeard = false
        seen = (pictures.plain, logits, slots ?? Array(0..<prompts.slots))
        return logits
    }

    /// The frame's own, or an earlier frame's while that serves. Work on sound and on the image token falls to different
    /// frames where it may, or is spread over them, so that no frame takes much longer than the others.
    private func densePrompt(_ picture: Tensor, at time: MediaTime) -> Tensor {
        spacing.add(frameAt: time)
        if let dense, economy.spreads, economy.imageHop > .zero {
            return spreadDensePrompt(dense, picture, at: time)
        }
        if let dense {
            let isOverdue = isDue(dense.time, every: economy.imageHop + economy.imageHop, at: time)
            if !isDue(dense.time, every: economy.imageHop, at: time) || isNewlyHeard && !isOverdue {
                return dense.prompt
            }
        }
        let prompt = model.densePrompt(image: picture)
        dense = (prompt, time)
        return prompt
    }

    /// The newest there is, while the next is worked on.
    private func spreadDensePrompt(
        _ current: (prompt: Tensor, time: MediaTime), _ picture: Tensor, at time: MediaTime
    ) -> Tensor {
        if nextDense == nil, isDue(current.time, every: economy.imageHop, at: time) {
            let steps = model.densePromptSteps(image: picture)
            nextDense = (SpreadWork(steps), time)
        }
        guard let begun = nextDense?.time else { return current.prompt }
        let hop = economy.imageHop, isLate = time < begun || time - begun >= hop + hop
        guard let prompt = nextDense?.work.advance(by: isLate ? 1 : spacing.share(of: hop))
        else { return current.prompt }
        (dense, nextDense) = ((prompt, begun), nil)
        return prompt
    }

    /// Whether something that was done at `last` is to be done again. Times of frames are rounded: a thousandth of a second
    /// too early is not.
    private func isDue(_ last: MediaTime?, every hop: MediaTime, at time: MediaTime) -> Bool {
        guard let last, hop > .zero, time >= last else { return true }
        return time - last + .milliseconds(1) >= hop
    }

    package func look(at slots: [Int]) -> [[Float]]? {
        guard evidence == .audioAndImage, let heard, let seen, !slots.isEmpty else { return nil }
        let (count, side) = (slots.count, seen.picture.shape[1])
        let masks = seen.logits.gathered(slots.compactMap(seen.slots.firstIndex))
        let sized = resizeBilinear(
            masks.reshaped(count, masks.shape[1], masks.shape[2], 1), height: side, width: side)
        let likeness = model.imageTextLogits(
            image: seen.picture, logits: sized.reshaped(count, side, side), bank)
        let scores = model.classScores(audio: heard.likeness.gathered(slots), image: likeness, bank)
        return slots.indices.map { scores[row: $0].values }
    }
}
