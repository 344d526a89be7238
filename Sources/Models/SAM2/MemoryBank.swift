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
        conditioned(embedding, on: [bank], at: frame, pointerLimit: pointerLimit)
    }

    /// The same for several objects. Those that remember the same moments go through the attention together; one that
    /// remembers nothing gets the embedding without memory.
    ///
    /// - Returns: `[B · banks, h, w, C]`, the objects of a sample in a row.
    func conditioned(_ embedding: Tensor, on banks: [MemoryBank], at frame: Int, pointerLimit: Int) -> Tensor
    {
        let looks = banks.map { bank in
            bank.conditioning.isEmpty
                ? nil : MemoryLook(bank.read(at: frame, config, pointerLimit: pointerLimit))
        }
        let groups = Dictionary(grouping: banks.indices) { looks[$0]?.moments }
        func pass(_ members: [Int]) -> Tensor {
            let found = members.compactMap { looks[$0] }
            guard !found.isEmpty else { return withoutMemory(embedding).repeated(members.count) }
            return memoryAttention(
                embedding, positions: visionPositions(size: embedding.shape[1]),
                memory: memoryTokens(found, size: embedding.shape[1], pointerLimit: pointerLimit))
        }
        if groups.count == 1 { return pass(Array(banks.indices)) }
        var rows = [Tensor?](repeating: nil, count: banks.count)
        for members in groups.values {
            let together = pass(members)
            for (place, member) in members.enumerated() {
                rows[member] = together.entries(of: place, among: members.count)
            }
        }
        return Tensor.interleaved(rows.compactMap(\.self))
    }

    /// Sine encoding of the image embedding. `[1, size, size, C]`
    func visionPositions(size: Int) -> Tensor {
        sinePositions(size) { sinePositionEncoding(size: size, channels: config.hiddenDim) }
    }

    /// Memories of whole frames, then each pointer as C / Cm tokens, of objects that remember the same moments.
    private func memoryTokens(_ looks: [MemoryLook], size: Int, pointerLimit: Int) -> MemoryTokens {
        let Cm = config.memoryDim, pieces = config.hiddenDim / Cm, moments = looks[0].moments
        let places = memoryPositions(size, of: memoryTimes) { placesInTime(size: size) }
        var positions = moments.times.map { places[$0] }
        if !moments.distances.isEmpty {
            positions.append(
                pointerPositions(moments.distances, limit: pointerLimit).repeated(pieces)
                    .reshaped(1, moments.distances.count * pieces, Cm))
        }
        let values = looks.map { look in
            concat(
                look.memories.map { $0.reshaped(-1, size * size, Cm) }
                    + look.pointers.map { $0.reshaped(-1, pieces, Cm) }, axis: 1)
        }
        return MemoryTokens(
            values: Tensor.interleaved(values), positions: concat(positions, axis: 1),
            pointerTokens: moments.distances.count * pieces)
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

/// What one object remembers, as a frame looks at it.
private struct MemoryLook {
    struct Moments: Hashable {
        /// Of the memories: rows of `memoryTimes`.
        var times: [Int]
        /// Of the pointers, in frames.
        var distances: [Int]
    }

    var moments: Moments
    /// `[B, h, w, Cm]` each.
    var memories: [Tensor]
    /// `[B, C]` each.
    var pointers: [Tensor]

    init(_ read: (memories: [MemoryBank.Memory], pointers: [MemoryBank.Pointer])) {
        moments = Moments(times: read.memories.map(\.time), distances: read.pointers.map(\.distance))
        memories = read.memories.compactMap(\.output.memory)
        pointers = read.pointers.map(\.pointer)
    }
}

extension Tensor {
    /// Those of one object where each sample has `count` in a row. `[B · count, …] → [B, …]`
    func entries(of object: Int, among count: Int) -> Tensor {
        let rest = Array(shape.dropFirst())
        return reshaped([-1, count] + rest).sliced(axis: 1, object..<object + 1).reshaped([-1] + rest)
    }

    /// The entries of all objects, sample by sample. Each `[B, …]` → `[B · objects, …]`
    static func interleaved(_ objects: [Tensor]) -> Tensor {
        guard objects.count > 1 else { return objects[0] }
        let rest = Array(objects[0].shape.dropFirst())
        return concat(objects.map { $0.reshaped([-1, 1] + rest) }, axis: 1).reshaped([-1] + rest)
    }
}
