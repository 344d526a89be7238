import TestSupport
import Testing

@testable import Models
// SPDX-License-Identifier: Apache-2.0
@testable import TensorEngine

/// Runs the operations of a video golden's manifest.
private struct VideoScript {
    struct Prompt {
        let frame, object: Int
        let points: [PromptPoint]
    }
    enum Operation {
        case prompt(Prompt)
        case propagate
    }
    let operations: [Operation]
    let frameCount, width, height: Int
    let iou: [[Double]]

    init(_ golden: SAM2Golden) throws {
        let manifest = golden.golden.manifest
        let size = try #require(manifest["video_hw"] as? [Int])
        (height, width) = (size[0], size[1])
        frameCount = try #require(manifest["num_frames"] as? Int)
        iou = try #require(manifest["decoder_iou_predictions_in_call_order"] as? [[[Double]]]).map { $0[0] }
        let rows = try #require(manifest["ops"] as? [[Any]])
        operations = try rows.map { row in
            let values = try #require(row[1] as? [String: Any])
            switch row[0] as? String {
            case "propagate": return .propagate
            case "points": return .prompt(try Self.prompt(values))
            default: throw SAM2Error.prompt("unknown operation \(row)")
            }
        }
    }

    private static func prompt(_ values: [String: Any]) throws -> Prompt {
        var points: [PromptPoint] = []
        if let box = values["box"] as? [Double] {
            points = PromptPoint.box(
                x0: Float(box[0]), y0: Float(box[1]), x1: Float(box[2]), y1: Float(box[3]))
        }
        if let clicks = values["points"] as? [[Double]] {
            points += promptPoints(clicks, try #require(values["labels"] as? [Int]))
        }
        return Prompt(
            frame: try #require(values["frame"] as? Int), object: try #require(values["obj"] as? Int),
            points: points)
    }
}

@Suite("SAM 2 video tracker", .serialized)
struct VideoTrackerTests {
    private static func frame(_ index: Int, size: Int) throws -> Tensor {
        let resized = "frames\(size)/0000\(index).png"
        let picture = try TestPicture(
            TestPicture.exists(resized) ? resized : "frames_full/0000\(index).png")
        return ImageTransforms.videoFrame(
            picture.pixels, width: picture.width, height: picture.height, size: size)
    }

    private static let goldens = SAM2Golden.all("05", kind: "video") + SAM2Golden.all("07", kind: "video")

    @Test("prompts, propagation and corrections equal the reference", arguments: goldens)
    func parity(_ golden: SAM2Golden) throws {
        let script = try VideoScript(golden)
        var config = try golden.config()
        if golden.golden.name.hasSuffix("_pp") {
            config.dynamicMultimaskViaStability = true
            config.binarizesMaskFromPointsForMemory = true
        }
        let model = try Weights.load(golden.source()) { try SAM2($0, config) }
        let features = try (0..<script.frameCount).map {
            model.imageEncoder(try Self.frame($0, size: config.imageSize))
        }
        var settings = VideoTracker.Settings()
        settings.retention = .everything
        settings.clipLength = script.frameCount
        settings.correctionsAreConditioning = golden.golden.name.hasSuffix("_cond")
        var tracker = VideoTracker(model, width: script.width, height: script.height, settings: settings)
        var iou: [[Float]] = []

        for (number, operation) in script.operations.enumerated() {
            switch operation {
            case .prompt(let prompt):
                let result = try tracker.addPoints(
                    prompt.points, object: prompt.object, frame: prompt.frame,
                    features: features[prompt.frame])
                let output = try #require(tracker.output(object: prompt.object, frame: prompt.frame)).output
                iou.append(output.candidateIoU)
                try compare(golden, result, script, "op\(number).")
                try compare(golden, output, "op\(number).")
            case .propagate:
                for frame in 0..<script.frameCount {
                    let result = try tracker.track(frame: frame, features: features[frame])
                    try compare(golden, result, script, "op\(number).f\(frame).")
                    for id in tracker.objectIDs {
                        let (output, isConditioning) = try #require(tracker.output(object: id, frame: frame))
                        if !isConditioning { iou.append(output.candidateIoU) }
                        try compare(golden, output, "op\(number).f\(frame).obj\(id).")
                    }
                }
            }
        }
        expectClose(
            iou.flatMap(\.self), script.iou.flatMap { $0.map { Float($0) } }, "\(golden.golden.name): IoU",
            relativeRMS: 5e-4, largest: 2e-3)
    }

    private func compare(
        _ golden: SAM2Golden, _ result: TrackedFrame, _ script: VideoScript, _ prefix: String
    ) throws {
        try golden.expect(
            result.masks(height: script.height, width: script.width), equals: prefix + "video_res_masks",
            relativeRMS: 5e-4, largest: 2e-3)
    }

    private func compare(_ golden: SAM2Golden, _ output: FrameOutput, _ prefix: String) throws {
        try golden.expect(
            try #require(output.masks), equals: prefix + "low_res_masks", relativeRMS: 5e-4, largest: 2e-3)
        try golden.expect(output.pointer, equals: prefix + "obj_ptr", relativeRMS: 5e-4, largest: 2e-3)
        try golden.expect(
            Tensor([output.objectScore], shape: [1, 1]), equals: prefix + "object_score_logits",
            relativeRMS: 5e-4, largest: 2e-3)
        guard golden.golden.has(prefix + "maskmem_features") else { return }
        try golden.expectMap(
            try #require(output.memory), equals: prefix + "maskmem_features", relativeRMS: 3e-3,
            largest: 1e-2)
    }

    // MARK: Streaming

    /// A model of few operations whose objects count as present.
    private static func smallModel(size: Int = 64) throws -> SAM2 {
        var config = SAM2Config.tinyGolden
        config.imageSize = size
        let fills = ["sam_mask_decoder.pred_obj_score_head.layers.2.bias": Float(2)]
        return try Weights.load(SeededSource(fills: fills)) { try SAM2($0, config) }
    }

    /// Features of a short clip that is shown over and over.
    private static func clip(_ model: SAM2) -> [ImageFeatures] {
        let size = model.config.imageSize
        return (0..<8).map {
            model.imageEncoder(seededMap("input.stream.\($0)", [1, 3, size, size], scale: 2))
        }
    }

    private static let click = [PromptPoint(x: 30, y: 20, label: .positive)]
    private static let box = PromptPoint.box(x0: 5, y0: 5, x1: 40, y1: 50)

    @Test("frames pushed one by one equal a run that remembers everything", arguments: [1, 2], [nil, 2])
    func streaming(stride: Int, conditioningFrames: Int?) throws {
        var config = try Self.smallModel().config
        config.memoryStride = stride
        config.maxConditioningFrames = conditioningFrames
        let fills = ["sam_mask_decoder.pred_obj_score_head.layers.2.bias": Float(2)]
        let model = try Weights.load(SeededSource(fills: fills)) { try SAM2($0, config) }
        let clip = Self.clip(model)
        var everything = VideoTracker.Settings()
        everything.retention = .everything
        everything.correctionsAreConditioning = true
        var streaming = everything
        streaming.retention = .streaming(editableFrames: 1)
        var whole = VideoTracker(model, width: 64, height: 64, settings: everything)
        var bounded = VideoTracker(model, width: 64, height: 64, settings: streaming)

        func both(_ body: (inout VideoTracker) throws -> TrackedFrame) rethrows {
            let (a, b) = (try body(&whole), try body(&bounded))
            #expect(a.objects.map(\.id) == b.objects.map(\.id))
            for (x, y) in zip(a.objects, b.objects) {
                #expect(x.mask.values == y.mask.values, "frame \(a.frame), object \(x.id)")
            }
        }
        for frame in 0..<40 {
            let features = clip[frame % 8]
            if frame == 0 {
                try both { try $0.addPoints(Self.click, object: 1, frame: 0, features: features) }
            }
            // Another object in the middle, and corrections of the frame just tracked.
            if frame == 7 {
                try both { try $0.addPoints(Self.box, object: 2, frame: frame, features: features) }
            }
            try both { try $0.track(frame: frame, features: features) }
            if [12, 13, 25].contains(frame) {
                try both {
                    try $0.addPoints(
                        [PromptPoint(x: Float(frame), y: 30, label: .negative)], object: 1, frame: frame,
                        features: features)
                }
            }
        }
        #expect(bounded.bankBytes < whole.bankBytes)
    }

    @Test("memory does not grow between frame 100 and frame 1000")
    func boundedMemory() throws {
        let model = try Self.smallModel()
        let clip = Self.clip(model)
        var settings = VideoTracker.Settings()
        settings.fillHoleArea = 8
        var tracker = VideoTracker(model, width: 64, height: 64, settings: settings)
        var bytes: [Int] = [], pool: [Int] = []
        // Frame numbers are counters without end.
        let start = 1 << 40
        for frame in start...start + 1000 {
            let features = clip[frame % 8]
            if frame == start {
                _ = try tracker.addPoints(Self.click, object: 1, frame: frame, features: features)
                _ = try tracker.addPoints(Self.box, object: 2, frame: frame, features: features)
            }
            _ = try tracker.track(frame: frame, features: features)
            bytes.append(tracker.bankBytes)
            pool.append(BufferPool.shared.cachedBytes)
        }
        #expect(Set(bytes[100...]).count == 1, "\(bytes[100]) … \(bytes[1000]) bytes")
        #expect(bytes[1000] <= 2 * (try #require(tracker.largestObjectBytes)))
        // Other suites use the pool too; what matters is that frames do not add to it.
        #expect(pool[1000] <= pool[100] + 32 << 20, "\(pool[100]), then \(pool[1000]) bytes in the pool")
    }

    @Test("conditioning frames are forgotten beyond their limit")
    func conditioningLimit() throws {
        let model = try Self.smallModel()
        let clip = Self.clip(model)
        var settings = VideoTracker.Settings()
        settings.conditioningLimit = 3
        settings.correctionsAreConditioning = true
        var tracker = VideoTracker(model, width: 64, height: 64, settings: settings)
        var bytes: [Int] = []
        for frame in 0..<60 {
            let features = clip[frame % 8]
            if frame % 2 == 0 {
                _ = try tracker.addPoints(Self.click, object: 1, frame: frame, features: features)
            }
            _ = try tracker.track(frame: frame, features: features)
            bytes.append(tracker.bankBytes)
        }
        #expect(bytes[40...].max() == bytes[24..<40].max())
        #expect(bytes[59] <= (try #require(tracker.largestObjectBytes)))
    }

    @Test("removing an object leaves the others as they would be without it")
    func removal() throws {
        let model = try Self.smallModel()
        let clip = Self.clip(model)
        var alone = VideoTracker(model, width: 64, height: 64)
        var tracker = VideoTracker(model, width: 64, height: 64)
        for frame in 0..<6 {
            let features = clip[frame % 8]
            if frame == 0 {
                _ = try tracker.addPoints(Self.click, object: 7, frame: 0, features: features)
                _ = try tracker.addPoints(Self.box, object: 9, frame: 0, features: features)
                _ = try alone.addPoints(Self.box, object: 9, frame: 0, features: features)
            }
            if frame == 3 {
                try tracker.removeObject(7)
                #expect(throws: SAM2Error.unknownObject(7)) { try tracker.removeObject(7) }
            }
            let result = try tracker.track(frame: frame, features: features)
            let expected = try alone.track(frame: frame, features: features)
            #expect(result.objects.map(\.id) == (frame < 3 ? [7, 9] : [9]))
            #expect(result.objects.last?.mask.values == expected.objects[0].mask.values)
        }
        tracker.reset()
        #expect(tracker.objectIDs.isEmpty && tracker.bankBytes == 0)
        #expect(try tracker.track(frame: 0, features: clip[0]).objects.isEmpty)
    }

    @Test("a mask prompt is the result itself and starts tracking")
    func maskPrompt() throws {
        let model = try Self.smallModel()
        let clip = Self.clip(model)
        var tracker = VideoTracker(model, width: 64, height: 64)
        let features = clip[0]
        let mask = Tensor(shape: [64, 64]) { out in
            for i in 0..<64 * 64 { out[i] = i % 64 < 32 && i / 64 < 32 ? 1 : 0 }
        }
        let result = try tracker.addMask(mask, object: 1, frame: 0, features: features)
        #expect(result.objects[0].mask[4, 4] == 10 && result.objects[0].mask[12, 12] == -10)
        #expect(result.objects[0].objectScore == 10)
        let empty = try tracker.addMask(Tensor([64, 64]), object: 2, frame: 0, features: features)
        #expect(empty.objects[1].objectScore == -10)
        #expect(
            try #require(tracker.output(object: 2, frame: 0)).output.pointer.values
                == model.noObjectPointer.values)
        // Another size is resized and made binary again.
        let large = Tensor(shape: [128, 96]) { out in
            for i in 0..<128 * 96 { out[i] = i % 96 < 48 && i / 96 < 64 ? 1 : 0 }
        }
        let resized = try tracker.addMask(large, object: 3, frame: 0, features: features)
        #expect(resized.objects[2].mask.values == result.objects[0].mask.values)
        let next = try tracker.track(frame: 1, features: clip[1])
        #expect(next.objects.map(\.id) == [1, 2, 3])
        #expect(next.objects.allSatisfy { $0.objectScore != nil })
    }

    @Test("clearing a prompt demotes its frame and ends what nothing else holds")
    func clearing() throws {
        let model = try Self.smallModel()
        let clip = Self.clip(model)
        var tracker = VideoTracker(model, width: 64, height: 64)
        _ = try tracker.addPoints(Self.click, object: 1, frame: 0, features: clip[0])
        try tracker.clearPrompts(object: 1, frame: 0)
        let nothing = try tracker.track(frame: 0, features: clip[0])
        #expect(nothing.objects[0].objectScore == nil)
        #expect(nothing.objects[0].mask.values.allSatisfy { $0 == SAM2.noObjectScore })
        #expect(throws: SAM2Error.unknownObject(5)) { try tracker.clearPrompts(object: 5, frame: 0) }
    }

    @Test("limits and wrong prompts are errors")
    func limits() throws {
        let model = try Self.smallModel()
        let clip = Self.clip(model)
        let features = clip[0]
        var settings = VideoTracker.Settings()
        settings.objectLimit = 1
        var tracker = VideoTracker(model, width: 64, height: 64, settings: settings)
        #expect(throws: SAM2Error.self) { try tracker.addPoints([], object: 1, frame: 0, features: features) }
        #expect(throws: SAM2Error.self) {
            try tracker.addPoints(
                [PromptPoint(x: .nan, y: 0, label: .positive)], object: 1, frame: 0, features: features)
        }
        #expect(throws: SAM2Error.self) {
            try tracker.addMask(Tensor([3]), object: 1, frame: 0, features: features)
        }
        _ = try tracker.addPoints(Self.click, object: 1, frame: 5, features: features)
        #expect(throws: SAM2Error.tooManyObjects(limit: 1)) {
            try tracker.addPoints(Self.click, object: 2, frame: 5, features: features)
        }
        #expect(throws: SAM2Error.self) {
            try tracker.addPoints(
                Self.box, object: 1, frame: 5, features: features, clearsOldPoints: false)
        }
        _ = try tracker.track(frame: 5, features: features)
        #expect(throws: SAM2Error.frameOrder(frame: 4, newest: 5)) {
            try tracker.track(frame: 4, features: features)
        }
        settings.byteLimit = 1000
        var small = VideoTracker(model, width: 64, height: 64, settings: settings)
        #expect(throws: SAM2Error.bankFull(limitBytes: 1000)) {
            try small.addPoints(Self.click, object: 1, frame: 0, features: features)
        }
    }
}

@Suite("Mask post-processing")
struct MaskPostprocessingTests {
    /// `#` is foreground.
    private func mask(_ rows: [String], on: Float = 3, off: Float = -3) -> Tensor {
        Tensor(rows.joined().map { $0 == "#" ? on : off }, shape: [rows.count, rows[0].count])
    }

    @Test("holes up to the area are filled, diagonals connect")
    func holes() {
        let picture = [
            "#########", "#.#####.#", "###.###.#", "##.####.#", "#########", "#######..", "#######..",
        ]
        // Parts: one pixel, two diagonal ones, three in a column, four at the border.
        let filled = MaskPostprocessing.fillingHoles(mask(picture), maxArea: 2)
        let holes = [(1, 1), (2, 3), (3, 2)]
        for y in 0..<picture.count {
            for (x, c) in picture[y].enumerated() {
                let isHole = holes.contains { $0 == (y, x) }
                #expect(filled[y, x] == (isHole ? 0.1 : c == "#" ? 3 : -3), "(\(y), \(x))")
            }
        }
        #expect(MaskPostprocessing.fillingHoles(mask(picture), maxArea: 0).values == mask(picture).values)
        #expect(MaskPostprocessing.fillingHoles(mask(picture), maxArea: 4).values.allSatisfy { $0 > 0 })
        let one = MaskPostprocessing.removingSprinkles(mask(["#..", "...", ".##"]), maxArea: 1)
        #expect(one[0, 0] == -10 && one[2, 1] == 3)
    }

    @Test("parts that meet late are one part")
    func spiral() {
        let rows = ["#.#.#", "#.#.#", "#.#.#", "#####", "....."]
        let parts = ConnectedComponents(rows.joined().map { $0 == "#" }, width: 5)
        #expect(parts.areas == [0, 14])
        #expect(ConnectedComponents([], width: 1).areas == [0])
    }

    @Test("components equal a flood fill on random maps")
    func random() {
        let (w, h) = (23, 17)
        for seed in 0..<20 {
            let values = SeededWeights.input("input.parts.\(seed)", shape: [h, w], scale: 1)
            let members = values.map { $0 > 0.1 }
            let parts = ConnectedComponents(members, width: w)
            var seen = [Bool](repeating: false, count: w * h)
            for start in members.indices where members[start] && !seen[start] {
                var stack = [start], part: [Int] = []
                seen[start] = true
                while let i = stack.popLast() {
                    part.append(i)
                    for dy in -1...1 {
                        for dx in -1...1 {
                            let (x, y) = (i % w + dx, i / w + dy)
                            guard x >= 0, x < w, y >= 0, y < h, members[y * w + x], !seen[y * w + x] else {
                                continue
                            }
                            seen[y * w + x] = true
                            stack.append(y * w + x)
                        }
                    }
                }
                #expect(Set(part.map { parts.labels[$0] }).count == 1)
                #expect(parts.areas[parts.labels[start]] == part.count)
            }
        }
    }

    @Test("each pixel belongs to the object with the highest logit, ties to the first")
    func overlap() {
        let masks = Tensor([1, 5, -20, 2, 1, 4, -15, 2], shape: [2, 1, 2, 2])
        #expect(MaskPostprocessing.withoutOverlap(masks).values == [1, 5, -20, 2, -10, -10, -15, -10])
        #expect(MaskPostprocessing.withoutOverlap(masks[rows: 0..<1]).values == [1, 5, -20, 2])
    }
}
