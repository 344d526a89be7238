// SPDX-License-Identifier: Apache-2.0
// What is remembered of one object, and which of it a frame looks at.
// Source: `SAM2Base._prepare_memory_conditioned_features`, `select_closest_cond_frames`.
import TensorEngine

/// Result of one object on one frame, as far as it is still needed.
struct FrameOutput: Sendable {
    /// `[B, h, w, Cm]`, bfloat16 values: B samples in step, one in a stream; nil until encoded or once too old.
    var memory: Tensor?
    /// `[B, C]`
    var pointer: Tensor
    /// Logits after hole filling `[1, 1, S/4, S/4]`; nil once the frame can no longer be corrected.
    var masks: Tensor?
    var objectScore: Float
    var iou: Float
    var candidateIoU: [Float]
    /// Image embedding, while the memory still has to be made of it.
    var pendingEmbedding: Tensor?

    /// Bytes held, the shared image embedding aside.
    var bytes: Int {
        ((memory?.count ?? 0) + pointer.count + (masks?.count ?? 0)) * MemoryLayout<Float>.stride
    }
}

/// Conditioning frames, in the order they were made, and tracked frames of one object.
struct MemoryBank: Sendable {
    private(set) var conditioning: [(frame: Int, output: FrameOutput)] = []
    var tracked: [Int: FrameOutput] = [:]
    /// Whether conditioning frames were forgotten: then those left are a selection, read in a selection's order.
    private var isSelection = false

    var bytes: Int {
        conditioning.reduce(0) { $0 + $1.output.bytes } + tracked.values.reduce(0) { $0 + $1.bytes }
    }

    func conditioning(at frame: Int) -> FrameOutput? { conditioning.first { $0.frame == frame }?.output }

    /// The output of a frame, of either kind.
    subscript(frame: Int) -> FrameOutput? { conditioning(at: frame) ?? tracked[frame] }

    /// Stores a conditioning frame, in its old place if it has one.
    mutating func setConditioning(_ output: FrameOutput, at frame: Int) {
        tracked[frame] = nil
        if let index = conditioning.firstIndex(where: { $0.frame == frame }) {
            conditioning[index].output = output
        } else {
            conditioning.append((frame, output))
        }
    }

    @discardableResult
    mutating func removeConditioning(at frame: Int) -> FrameOutput? {
        guard let index = conditioning.firstIndex(where: { $0.frame == frame }) else { return nil }
        return conditioning.remove(at: index).output
    }

    // MARK: Reading

    /// One memory and how it is placed in time.
    struct Memory {
        let output: FrameOutput
        /// Row of the model's `memoryTimes`.
        let time: Int
    }

    /// A pointer and its distance from the current frame, in frames.
    struct Pointer {
        let pointer: Tensor
        let distance: Int
    }

    /// What frame `frame` attends to, in the reference's order.
    ///
    /// - Parameter pointerLimit: `min(frames of the clip, maxObjectPointers)`.
    func read(at frame: Int, _ config: SAM2Config, pointerLimit: Int) -> (
        memories: [Memory], pointers: [Pointer]
    ) {
        let (selected, unselected) = selectClosest(to: frame, limit: config.maxConditioningFrames)
        func earlier(_ frame: Int) -> FrameOutput? {
            tracked[frame] ?? unselected.first { $0.frame == frame }?.output
        }
        var memories = selected.map { Memory(output: $0.output, time: config.memoryFrames - 1) }
        for offset in (1..<config.memoryFrames).reversed() {
            if let output = earlier(Self.memoryFrame(frame, offset: offset, stride: config.memoryStride)) {
                memories.append(Memory(output: output, time: offset - 1))
            }
        }
        var pointers = selected.filter { $0.frame <= frame }.map {
            Pointer(pointer: $0.output.pointer, distance: frame - $0.frame)
        }
        for distance in 1..<max(1, pointerLimit) {
            guard let output = earlier(frame - distance) else { continue }
            pointers.append(Pointer(pointer: output.pointer, distance: distance))
        }
        return (memories.filter { $0.output.memory != nil }, pointers)
    }

    /// The frame that is `offset` memories back: the previous one, then every `stride`-th.
    static func memoryFrame(_ frame: Int, offset: Int, stride: Int) -> Int {
        guard offset > 1 else { return frame - 1 }
        let nearest = Int((Double(frame - 2) / Double(stride)).rounded(.down)) * stride
        return nearest - (offset - 2) * stride
    }

    private typealias Frames = [(frame: Int, output: FrameOutput)]

    /// The conditioning frames next before and after `frame`, then the nearest others.
    private func selectClosest(to frame: Int, limit: Int?) -> (selected: Frames, unselected: Frames) {
        guard let limit, isSelection || conditioning.count > limit else { return (conditioning, []) }
        var order: [Int] = []
        if let before = conditioning.map(\.frame).filter({ $0 < frame }).max() { order.append(before) }
        if let after = conditioning.map(\.frame).filter({ $0 >= frame }).min() { order.append(after) }
        let rest = conditioning.map(\.frame).filter { !order.contains($0) }
        // Swift's sort is stable; ties keep their order of insertion.
        order += rest.sorted { abs($0 - frame) < abs($1 - frame) }.prefix(max(0, limit - order.count))
        let selected = order.compactMap { frame in conditioning.first { $0.frame == frame } }
        return (selected, conditioning.filter { !order.contains($0.frame) })
    }

    // MARK: Forgetting

    /// Drops what neither `earliest` nor any later frame looks at, and masks of frames before it.
    ///
    /// - Parameters:
    ///   - earliest: the first frame that may still be tracked or corrected.
    ///   - conditioningLimit: conditioning frames kept in full, the newest.
    mutating func forget(before earliest: Int, conditioningLimit: Int, _ config: SAM2Config) {
        let oldestPointer = earliest - config.maxObjectPointers + 1, stride = config.memoryStride
        let oldestMemory = Self.memoryFrame(earliest, offset: config.memoryFrames - 1, stride: stride)
        func isMemory(_ frame: Int) -> Bool {
            frame >= earliest - 1 || frame >= oldestMemory && frame % stride == 0
        }
        for (frame, output) in tracked {
            guard frame >= oldestPointer || isMemory(frame) else {
                tracked[frame] = nil
                continue
            }
            if !isMemory(frame), output.memory != nil { tracked[frame]?.memory = nil }
            if frame < earliest, output.masks != nil { tracked[frame]?.masks = nil }
        }
        let kept = Set(conditioning.map(\.frame).sorted().suffix(max(1, conditioningLimit)))
        for index in conditioning.indices.reversed() {
            let frame = conditioning[index].frame
            if kept.contains(frame) {
                if frame < earliest { conditioning[index].output.masks = nil }
                continue
            }
            isSelection = true
            if frame >= oldestPointer || isMemory(frame) {
                // Still among the last frames: remembered as one of them.
                let output = conditioning.remove(at: index).output
                tracked[frame] = output
            } else {
                conditioning.remove(at: index)
            }
        }
    }
}

extension SAM2 {
    /// The embedding of a frame, conditioned on what is remembered of an object. `[B, h, w, C]`
    func conditioned(_ embedding: Tensor, on bank: MemoryBank, at frame: Int, pointerLimit: Int) -> Tensor {
        let (memories, pointers) = bank.read(at: frame, config, pointerLimit: pointerLimit)
        let tokens = memoryTokens(
            memories, pointers, size: embedding.shape[1], pointerLimit: pointerLimit)
        return memoryAttention(
            embedding, positions: visionPositions(size: embedding.shape[1]), memory: tokens)
    }

    /// Sine encoding of the image embedding. `[1, size, size, C]`
    func visionPositions(size: Int) -> Tensor {
        sinePositions(size) { sinePositionEncoding(size: size, channels: config.hiddenDim) }
    }

    /// Memories of whole frames, then each pointer as C / Cm tokens.
    private func memoryTokens(
        _ memories: [MemoryBank.Memory], _ pointers: [MemoryBank.Pointer], size: Int, pointerLimit: Int
    ) -> MemoryTokens {
        let Cm = config.memoryDim, pieces = config.hiddenDim / Cm
        let places = memoryPositions(size, of: memoryTimes) { placesInTime(size: size) }
        var values = memories.compactMap { $0.output.memory?.reshaped(-1, size * size, Cm) }
        var positions = memories.map { places[$0.time] }
        if !pointers.isEmpty {
            let rows = pointers.map { $0.pointer.reshaped(-1, pieces, Cm) }
            values.append(concat(rows, axis: 1))
            positions.append(
                pointerPositions(pointers.map(\.distance), limit: pointerLimit).repeated(pieces)
                    .reshaped(1, pointers.count * pieces, Cm))
        }
        return MemoryTokens(
            values: concat(values, axis: 1), positions: concat(positions, axis: 1),
            pointerTokens: pointers.count * pieces)
    }

    /// Place on the map plus place in time, for each row of `memoryTimes`. `[1, size², Cm]` each
    private func placesInTime(size: Int) -> [Tensor] {
        let Cm = config.memoryDim
        let map = sinePositionEncoding(size: size, channels: Cm).reshaped(1, size * size, Cm)
        return (0..<config.memoryFrames).map { map + memoryTimes[row: $0].reshaped(Cm) }
    }

    /// `[distances.count, Cm]`; zero for SAM 2.0.
    private func pointerPositions(_ distances: [Int], limit: Int) -> Tensor {
        guard let pointerTimeProjection else { return Tensor([distances.count, config.memoryDim]) }
        let scale = Float(max(1, limit - 1))
        return pointerTimeProjection(
            sinePositionEncoding(distances.map { Float($0) / scale }, channels: config.hiddenDim))
    }
}
