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
    ///   - slots: which to decode, and to remember the frame; all when nil. They are as many as the prompts' at most,
    ///     and the memory's are as many as the prompts'.
    ///   - remembers: false only looks back, and leaves the memory as it is.
    ///   - softMasks: remember probabilities, as in training, instead of binary masks.
    ///   - probe: receives `memory_attention` `[slots, s, s, 256]` where memory is read, and `memory_encoder`
    ///     `[slots, s, s, 64]`.
    public func segment(
        image: Tensor, prompts: AudioPrompts, dense: Tensor, memory: inout SlotMemory, slots: [Int]? = nil,
        remembers: Bool = true, softMasks: Bool = false, probe: Probe? = nil
    ) -> FramePrediction {
        segment(
            features(image: image, prompts: prompts), prompts: prompts, dense: dense, memory: &memory,
            slots: slots, remembers: remembers, softMasks: softMasks, probe: probe)
    }

    /// The same on features made before.
    public func segment(
        _ features: ImageFeatures, prompts: AudioPrompts, dense: Tensor, memory: inout SlotMemory,
        slots: [Int]? = nil, remembers: Bool = true, softMasks: Bool = false, probe: Probe? = nil
    ) -> FramePrediction {
        precondition(
            memory.banks.count == prompts.slots,
            "SlotMemory: \(memory.banks.count) slots, prompts of \(prompts.slots)")
        let chosen = slots ?? Array(0..<prompts.slots)
        let banks = chosen.map { memory.banks[$0] }
        var conditioned = sam2.withoutMemory(features.embedding)
        if banks.contains(where: { !$0.conditioning.isEmpty }) {
            conditioned = sam2.conditioned(
                features.embedding, on: banks, at: memory.frame,
                pointerLimit: min(memory.pointerLimit, config.sam2.maxObjectPointers))
            probe?("memory_attention", conditioned)
        }
        let prediction = decode(
            conditioned, features: features, prompts: prompts, dense: dense, slots: slots)
        if remembers {
            remember(prediction, of: chosen, features, in: &memory, softMasks: softMasks, probe: probe)
        }
        return prediction
    }

    private func remember(
        _ prediction: FramePrediction, of slots: [Int], _ features: ImageFeatures,
        in memory: inout SlotMemory, softMasks: Bool, probe: Probe?
    ) {
        let encoded = encodedMemory(features, prediction, softMasks: softMasks)
        probe?("memory_encoder", encoded)
        let rounded = encoded.roundedToBFloat16()
        let pointers = pointers(prediction)
        for (row, slot) in slots.enumerated() {
            let output = FrameOutput(
                memory: rounded.entries(of: row, among: slots.count),
                pointer: pointers.entries(of: row, among: slots.count),
                masks: nil,
                objectScore: prediction.objectScores[row, 0],
                iou: prediction.iou[row, prediction.best[row]],
                candidateIoU: [], pendingEmbedding: nil)
            if memory.banks[slot].conditioning.isEmpty {
                memory.banks[slot].setConditioning(output, at: memory.frame)
            } else {
                memory.banks[slot].tracked[memory.frame] = output
            }
        }
        memory.frame += 1
        for slot in memory.banks.indices {
            memory.banks[slot].forget(
                before: memory.frame, conditioningLimit: Self.conditioningFrames, config.sam2)
        }
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
