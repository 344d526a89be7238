// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// What each slot remembers of earlier frames: SAM 2's bank, with hard bounds, one per slot.
///
/// The first frame conditions the later ones; they are remembered as in SAM 2, though each has prompts of its own.
/// Source: `sam2_train/sam2_video_predictor.py`, `propagate_in_video`.
public struct SlotMemory: Sendable {
    fileprivate var banks: [MemoryBank]
    fileprivate var frame = 0
    fileprivate let pointerLimit: Int

    /// - Parameters:
    ///   - slots: of the model.
    ///   - clipLength: frames of the clip where it is known; bounds the pointers' reach as the reference does.
    public init(slots: Int, clipLength: Int? = nil) {
        banks = Array(repeating: MemoryBank(), count: slots)
        pointerLimit = clipLength ?? .max
    }

    /// Bytes held, bounded by the bank's frames.
    public var bytes: Int { banks.reduce(0) { $0 + $1.bytes } }

    /// Forgets what a slot has seen, for a slot whose object is gone or another.
    public mutating func reset(slot: Int) { banks[slot] = MemoryBank() }

    /// Forgets everything, as after a cut.
    public mutating func reset() {
        for slot in banks.indices { reset(slot: slot) }
    }

    /// Lets memories follow their objects: slot i takes over what slot `order[i]` remembers.
    public mutating func permute(_ order: [Int]) {
        precondition(order.sorted() == Array(banks.indices), "SlotMemory: \(order) for \(banks.count) slots")
        banks = order.map { banks[$0] }
    }
}

extension TAViS {
    /// Presence is judged with this added to the logit: a pointer is only replaced below −2.
    private static let presenceLift: Float = 2
    /// Conditioning frames kept per slot.
    private static let conditioningFrames = 1

    /// One frame of a clip or stream, every slot attending to what it remembers; then the frame is remembered too.
    ///
    /// - Parameters:
    ///   - image: normalised with ImageNet's mean and deviation, `[1, S, S, 3]`; one S for one memory.
    ///   - softMasks: remember probabilities, as in training, instead of binary masks.
    ///   - probe: receives `memory_attention` `[slots, s, s, 256]` where memory is read, and `memory_encoder`
    ///     `[slots, s, s, 64]`.
    public func segment(
        image: Tensor, prompts: AudioPrompts, dense: Tensor, memory: inout SlotMemory,
        softMasks: Bool = false, probe: Probe? = nil
    ) -> FramePrediction {
        segment(
            features(image: image, prompts: prompts), prompts: prompts, dense: dense, memory: &memory,
            softMasks: softMasks, probe: probe)
    }

    /// The same on features made before.
    public func segment(
        _ features: ImageFeatures, prompts: AudioPrompts, dense: Tensor, memory: inout SlotMemory,
        softMasks: Bool = false, probe: Probe? = nil
    ) -> FramePrediction {
        let frame = memory.frame, slots = config.slots
        let pointerLimit = min(memory.pointerLimit, config.sam2.maxObjectPointers)
        let remembers = memory.banks.contains { !$0.conditioning.isEmpty }
        var conditioned = sam2.withoutMemory(features.embedding)
        if remembers {
            conditioned = Self.interleaved(
                memory.banks.map { bank in
                    bank.conditioning.isEmpty
                        ? conditioned
                        : sam2.conditioned(
                            features.embedding, on: bank, at: frame, pointerLimit: pointerLimit)
                })
            probe?("memory_attention", conditioned)
        }
        let prediction = decode(conditioned, features: features, prompts: prompts, dense: dense, slots: nil)

        let encoded = encodedMemory(features, prediction, softMasks: softMasks)
        probe?("memory_encoder", encoded)
        let rounded = encoded.roundedToBFloat16()
        let pointers = pointers(prediction)
        for slot in 0..<slots {
            let output = FrameOutput(
                memory: Self.slot(slot, of: slots, in: rounded),
                pointer: Self.slot(slot, of: slots, in: pointers),
                masks: nil,
                objectScore: prediction.objectScores[slot, 0],
                iou: prediction.iou[slot, prediction.best[slot]],
                candidateIoU: [], pendingEmbedding: nil)
            if memory.banks[slot].conditioning.isEmpty {
                memory.banks[slot].setConditioning(output, at: frame)
            } else {
                memory.banks[slot].tracked[frame] = output
            }
            memory.banks[slot].forget(
                before: frame + 1, conditioningLimit: Self.conditioningFrames, config.sam2)
        }
        memory.frame += 1
        return prediction
    }

    /// What each slot's mask leaves to remember. `[B · slots, s, s, 64]`
    private func encodedMemory(_ features: ImageFeatures, _ prediction: FramePrediction, softMasks: Bool)
        -> Tensor
    {
        let (rows, quarter) = (prediction.logits.shape[0], prediction.logits.shape[1])
        let masks = sam2.resizedMasks(
            prediction.logits.reshaped(rows, 1, quarter, quarter), size: 4 * quarter, antialias: false)
        return sam2.encodeMemory(
            features.embedding, masks: masks, objectScores: prediction.objectScores, fromPrompts: !softMasks)
    }

    /// Rows of one slot among those of B samples. `[B · slots, …] → [B, …]`
    private static func slot(_ slot: Int, of slots: Int, in rows: Tensor) -> Tensor {
        let rest = Array(rows.shape.dropFirst())
        return rows.reshaped([-1, slots] + rest).sliced(axis: 1, slot..<slot + 1).reshaped([-1] + rest)
    }

    /// Rows of all slots, sample by sample. Each `[B, …]` → `[B · slots, …]`
    private static func interleaved(_ slots: [Tensor]) -> Tensor {
        let rest = Array(slots[0].shape.dropFirst())
        return concat(slots.map { $0.reshaped([-1, 1] + rest) }, axis: 1).reshaped([-1] + rest)
    }

    /// One object pointer per row of the prediction. `[B · slots, 256]`
    private func pointers(_ prediction: FramePrediction) -> Tensor {
        let count = prediction.best.count, choices = prediction.tokens.shape[1], c = config.sam2.hiddenDim
        let tokens = prediction.tokens.reshaped(-1, c)
            .gathered(prediction.best.enumerated().map { $0 * choices + $1 })
        let present = prediction.objectScores.values.map { $0 + Self.presenceLift > 0 }
        let rows = concat([sam2.pointerProjection(tokens), sam2.noObjectPointer])
        return rows.gathered(present.enumerated().map { $1 ? $0 : count })
    }
}
