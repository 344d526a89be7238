// SPDX-License-Identifier: Apache-2.0
// Follows prompted objects through frames that are pushed one after another, in memory that does not grow.
//
// Prompts make temporary outputs; the next tracked frame first turns these into memories. Objects do not see each
// other. With `retention: .everything` frames may also be revisited, as the reference's offline predictor does.
// Source: `sam2/sam2_video_predictor.py`.
public import TensorEngine

/// What one object looks like on one frame.
public struct TrackedObject: Sendable {
    public let id: Int
    /// Logits `[S/4, S/4]`, holes filled if so set; `SAM2.noObjectScore` throughout where there is no output.
    public let mask: Tensor
    /// Logit of the object being in the picture; nil where there is no output on this frame.
    public let objectScore: Float?
    /// Estimated IoU of the mask.
    public let iou: Float?
}

/// All objects on one frame, in the order in which they were added.
public struct TrackedFrame: Sendable {
    public let frame: Int
    public let objects: [TrackedObject]
    let avoidsOverlap: Bool

    /// Logits at any size, without overlap if so set. `[N, 1, height, width]`
    public func masks(height: Int, width: Int) -> Tensor {
        guard let side = objects.first?.mask.shape[0] else { return Tensor([0, 1, height, width]) }
        let stacked = concat(objects.map { $0.mask.reshaped(1, side, side, 1) })
        let masks = resizeBilinear(stacked, height: height, width: width)
        let shaped = masks.reshaped(objects.count, 1, height, width)
        return avoidsOverlap ? MaskPostprocessing.withoutOverlap(shaped) : shaped
    }
}

public struct VideoTracker: Sendable {
    public struct Settings: Codable, Sendable, Equatable {
        /// How much of the past is kept.
        public enum Retention: Codable, Sendable, Equatable {
            /// Everything: clips of known length whose frames are revisited.
            case everything
            /// What later frames can look at, and what it takes to correct the newest `editableFrames`.
            case streaming(editableFrames: Int)
        }
        public var retention = Retention.streaming(editableFrames: 1)
        /// Background specks up to this area, at a quarter of the input's size, are filled; 0 fills none.
        public var fillHoleArea = 0
        public var avoidsOverlap = false
        /// Frames corrected later become conditioning frames too, as in training. The reference's default is false.
        public var correctionsAreConditioning = false
        /// Forget tracked memories around a prompted frame.
        public var clearsMemoryAroundPrompts = false
        /// Frames of the clip; nil for a stream, which counts as long.
        public var clipLength: Int?
        /// Bounds, where the past is not kept in full. Older conditioning frames than the limit are forgotten.
        public var conditioningLimit = 16
        public var objectLimit = 32
        /// Adding an object whose memories could make the bank larger than this is refused.
        public var byteLimit = 1 << 30

        public init() {}
    }

    public let model: SAM2
    public let settings: Settings
    /// Size of the pictures that prompts refer to.
    public var width, height: Int

    private struct Object: Sendable {
        let id: Int
        var bank = MemoryBank()
        /// Outputs of prompts, not yet memories.
        var pendingConditioning: [Int: FrameOutput] = [:]
        var pendingTracked: [Int: FrameOutput] = [:]
        var points: [Int: [PromptPoint]] = [:]
        /// Frames with a mask prompt.
        var masks: Set<Int> = []
        /// Frames on which the object was followed.
        var followed: Set<Int> = []

        var bytes: Int {
            bank.bytes
                + (Array(pendingConditioning.values) + Array(pendingTracked.values)).reduce(0) {
                    $0 + $1.bytes
                }
        }

        func pending(_ frame: Int, conditioning: Bool) -> FrameOutput? {
            conditioning ? pendingConditioning[frame] : pendingTracked[frame]
        }

        mutating func setPending(_ output: FrameOutput?, _ frame: Int, conditioning: Bool) {
            if conditioning { pendingConditioning[frame] = output } else { pendingTracked[frame] = output }
        }
    }
    private var objects: [Object] = []
    /// First frame that may still be tracked or corrected.
    private var earliest = Int.min

    /// - Parameters:
    ///   - width: of the pictures that prompts refer to; masks can be had at any size.
    public init(_ model: SAM2, width: Int, height: Int, settings: Settings = Settings()) {
        self.model = model
        self.width = width
        self.height = height
        self.settings = settings
    }

    public var objectIDs: [Int] { objects.map(\.id) }

    /// Bytes of all that is remembered.
    public var bankBytes: Int { objects.reduce(0) { $0 + $1.bytes } }

    /// Largest `bankBytes` of one object with these settings; nil if everything is kept.
    public var largestObjectBytes: Int? {
        guard case .streaming(let editable) = settings.retention else { return nil }
        let config = model.config, conditioning = settings.conditioningLimit + 1
        let memory = config.embeddingSize * config.embeddingSize * config.memoryDim
        let recent = (config.memoryFrames - 1) + editable + 1, pointers = config.maxObjectPointers + editable
        let mask = config.maskSize * config.maskSize
        let floats =
            (conditioning + recent) * memory + (conditioning + pointers) * config.hiddenDim
            + 2 * (editable + 1) * mask
        return floats * MemoryLayout<Float>.stride
    }

    // MARK: Prompts

    /// Clicks, or a box and clicks, on one object. A new id adds an object.
    ///
    /// - Parameters:
    ///   - features: of that frame.
    ///   - points: in pixels of the picture; a box comes first (`PromptPoint.box`).
    ///   - clearsOldPoints: otherwise they are added to the earlier ones of this frame.
    /// - Returns: all objects on that frame.
    public mutating func addPoints(
        _ points: [PromptPoint], object id: Int, frame: Int, features: ImageFeatures,
        clearsOldPoints: Bool = true
    ) throws -> TrackedFrame {
        guard !points.isEmpty else { throw SAM2Error.prompt("no points") }
        let scaled = points.map { $0.scaled(width: width, height: height, to: model.config.imageSize) }
        let hasBox = points.contains { $0.label == .boxTopLeft || $0.label == .boxBottomRight }
        guard clearsOldPoints || !hasBox else { throw SAM2Error.prompt("a box must come before any points") }
        guard points.allSatisfy({ $0.x.isFinite && $0.y.isFinite }) else {
            throw SAM2Error.prompt("coordinates are not finite")
        }
        let index = try self.index(of: id, frame: frame)
        let all = (clearsOldPoints ? [] : objects[index].points[frame] ?? []) + scaled
        objects[index].points[frame] = all
        objects[index].masks.remove(frame)

        let (isInitial, isConditioning) = kind(of: frame, objects[index])
        let bank = objects[index].bank
        let previous = objects[index].pending(frame, conditioning: isConditioning) ?? bank[frame]
        let image = embedding(features.embedding, bank, frame: frame, isInitial: isInitial)
        let heads = model.forwardSAMHeads(
            features, image: image, points: [all], mask: previous?.masks?.clamped(to: -32...32),
            multimask: model.usesMultimask(points: all))
        store(heads, index, frame, features, isConditioning)
        return consolidated(frame, conditioning: isConditioning)
    }

    /// A mask of one object, 0 or 1, of any size. `[H, W]`
    public mutating func addMask(_ mask: Tensor, object id: Int, frame: Int, features: ImageFeatures) throws
        -> TrackedFrame
    {
        guard mask.rank == 2, mask.count > 0 else {
            throw SAM2Error.prompt("mask of shape \(mask.shape) is not [H, W]")
        }
        let index = try self.index(of: id, frame: frame), size = model.config.imageSize
        var square = model.resizedMasks(
            mask.reshaped(1, 1, mask.shape[0], mask.shape[1]), size: size, antialias: true)
        if mask.shape != [size, size] {
            square.withMutableValues { for i in $0.indices { $0[i] = $0[i] >= 0.5 ? 1 : 0 } }
        }
        objects[index].masks.insert(frame)
        objects[index].points[frame] = nil
        let isConditioning = kind(of: frame, objects[index]).isConditioning
        store(model.useMaskAsOutput(features, mask: square), index, frame, features, isConditioning)
        return consolidated(frame, conditioning: isConditioning)
    }

    /// Takes back all prompts of an object on a frame. What they gave is kept as an ordinary tracked frame.
    public mutating func clearPrompts(object id: Int, frame: Int) throws {
        guard let index = objects.firstIndex(where: { $0.id == id }) else {
            throw SAM2Error.unknownObject(id)
        }
        objects[index].points[frame] = nil
        objects[index].masks.remove(frame)
        objects[index].pendingConditioning[frame] = nil
        objects[index].pendingTracked[frame] = nil
        if let output = objects[index].bank.removeConditioning(at: frame) {
            objects[index].bank.tracked[frame] = output
            objects[index].followed.remove(frame)
        }
    }

    public mutating func removeObject(_ id: Int) throws {
        guard let index = objects.firstIndex(where: { $0.id == id }) else {
            throw SAM2Error.unknownObject(id)
        }
        objects.remove(at: index)
    }

    /// Forgets all objects.
    public mutating func reset() {
        objects = []
        earliest = .min
    }

    // MARK: Tracking

    /// Follows all objects to a frame. Prompted objects keep the result of their prompts there.
    ///
    /// When streaming, frames must not go back beyond what is editable.
    public mutating func track(frame: Int, features: ImageFeatures) throws -> TrackedFrame {
        guard frame >= earliest else { throw SAM2Error.frameOrder(frame: frame, newest: earliest) }
        encodePendingMemories()
        let results = objects.indices.map { follow($0, frame, features) }
        if case .streaming(let editable) = settings.retention {
            earliest = max(earliest, frame - max(0, editable) + 1)
            forget()
        }
        return trackedFrame(frame, results)
    }

    /// Makes memories of what prompts gave since the last tracked frame.
    public mutating func encodePendingMemories() {
        for index in objects.indices {
            for (frame, output) in objects[index].pendingTracked.sorted(by: { $0.key < $1.key }) {
                clearMemory(around: frame, index)
                objects[index].bank.tracked[frame] = withMemory(output)
            }
            for (frame, output) in objects[index].pendingConditioning.sorted(by: { $0.key < $1.key }) {
                clearMemory(around: frame, index)
                objects[index].bank.setConditioning(withMemory(output), at: frame)
            }
            objects[index].pendingTracked = [:]
            objects[index].pendingConditioning = [:]
        }
    }

    private func withMemory(_ output: FrameOutput) -> FrameOutput {
        guard output.memory == nil, let embedding = output.pendingEmbedding, let masks = output.masks else {
            return output
        }
        var output = output
        output.memory = model.encodeMemory(
            embedding, lowResMasks: masks, objectScores: Tensor([output.objectScore], shape: [1, 1]),
            fromPrompts: true)
        output.pendingEmbedding = nil
        return output
    }

    private mutating func follow(_ index: Int, _ frame: Int, _ features: ImageFeatures) -> FrameOutput? {
        let bank = objects[index].bank
        // Without any conditioning frame there is nothing to follow.
        guard !bank.conditioning.isEmpty else { return nil }
        objects[index].followed.insert(frame)
        if let prompted = bank.conditioning(at: frame) {
            clearMemory(around: frame, index)
            return prompted
        }
        let image = embedding(features.embedding, bank, frame: frame, isInitial: false)
        let heads = model.forwardSAMHeads(
            features, image: image, points: nil, multimask: model.usesMultimask(points: nil))
        var output = frameOutput(heads)
        // The memory is made of the mask before its holes are filled.
        output.memory = model.encodeMemory(
            features.embedding, lowResMasks: heads.lowResMasks, objectScores: heads.objectScores,
            fromPrompts: false)
        objects[index].bank.tracked[frame] = output
        return output
    }

    private func embedding(_ embedding: Tensor, _ bank: MemoryBank, frame: Int, isInitial: Bool) -> Tensor {
        guard !isInitial, !bank.conditioning.isEmpty else { return model.withoutMemory(embedding) }
        let limit = min(settings.clipLength ?? .max, model.config.maxObjectPointers)
        return model.conditioned(embedding, on: bank, at: frame, pointerLimit: limit)
    }

    // MARK: State

    private mutating func index(of id: Int, frame: Int) throws -> Int {
        guard frame >= earliest else { throw SAM2Error.frameOrder(frame: frame, newest: earliest) }
        if let index = objects.firstIndex(where: { $0.id == id }) { return index }
        guard objects.count < settings.objectLimit else {
            throw SAM2Error.tooManyObjects(limit: settings.objectLimit)
        }
        if let bytes = largestObjectBytes, bytes * (objects.count + 1) > settings.byteLimit {
            throw SAM2Error.bankFull(limitBytes: settings.byteLimit)
        }
        objects.append(Object(id: id))
        return objects.count - 1
    }

    /// A frame on which the object was not yet followed starts it; others are corrected.
    private func kind(of frame: Int, _ object: Object) -> (isInitial: Bool, isConditioning: Bool) {
        let isInitial = !object.followed.contains(frame)
        return (isInitial, isInitial || settings.correctionsAreConditioning)
    }

    private func frameOutput(_ heads: SAMHeads) -> FrameOutput {
        FrameOutput(
            pointer: heads.pointers,
            masks: MaskPostprocessing.fillingHoles(heads.lowResMasks, maxArea: settings.fillHoleArea),
            objectScore: heads.objectScores[0, 0], iou: heads.iou[0],
            candidateIoU: heads.candidateIoU.values)
    }

    private mutating func store(
        _ heads: SAMHeads, _ index: Int, _ frame: Int, _ features: ImageFeatures, _ isConditioning: Bool
    ) {
        var output = frameOutput(heads)
        output.pendingEmbedding = features.embedding
        objects[index].setPending(output, frame, conditioning: isConditioning)
    }

    private mutating func clearMemory(around frame: Int, _ index: Int) {
        guard settings.clearsMemoryAroundPrompts else { return }
        let reach = model.config.memoryStride * model.config.memoryFrames
        for other in objects[index].bank.tracked.keys where abs(other - frame) <= reach {
            objects[index].bank.tracked[other] = nil
        }
    }

    private mutating func forget() {
        let limit = min(settings.conditioningLimit, model.config.maxConditioningFrames ?? .max)
        for index in objects.indices {
            objects[index].bank.forget(before: earliest, conditioningLimit: limit, model.config)
            objects[index].points = objects[index].points.filter { $0.key >= earliest }
            objects[index].masks = objects[index].masks.filter { $0 >= earliest }
            objects[index].followed = objects[index].followed.filter { $0 >= earliest }
        }
    }

    private func consolidated(_ frame: Int, conditioning: Bool) -> TrackedFrame {
        trackedFrame(
            frame, objects.map { $0.pending(frame, conditioning: conditioning) ?? $0.bank[frame] })
    }

    private func trackedFrame(_ frame: Int, _ outputs: [FrameOutput?]) -> TrackedFrame {
        let side = model.config.maskSize
        let results = zip(objects, outputs).map { object, output in
            TrackedObject(
                id: object.id,
                mask: output?.masks?.reshaped(side, side)
                    ?? Tensor([side, side], filled: SAM2.noObjectScore),
                objectScore: output?.objectScore, iou: output?.iou)
        }
        return TrackedFrame(frame: frame, objects: results, avoidsOverlap: settings.avoidsOverlap)
    }

    // MARK: Inspection

    /// The output of an object on a frame as it is held now, prompts first. For tests.
    func output(object id: Int, frame: Int) -> (output: FrameOutput, isConditioning: Bool)? {
        guard let object = objects.first(where: { $0.id == id }) else { return nil }
        if let output = object.pendingConditioning[frame] { return (output, true) }
        if let output = object.pendingTracked[frame] { return (output, false) }
        if let output = object.bank.conditioning(at: frame) { return (output, true) }
        return object.bank.tracked[frame].map { ($0, false) }
    }
}
