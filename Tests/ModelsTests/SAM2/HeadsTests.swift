// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("SAM 2 prompt encoder and mask decoder", .serialized)
struct HeadsTests {
    private struct Case {
        let name: String
        var points: [[PromptPoint]]?
        var boxes: [[PromptPoint]]?
        var hasMask = false
    }

    private func cases(_ golden: SAM2Golden) throws -> [Case] {
        let rows = try #require(golden.golden.manifest["cases"] as? [String: [String: Any]])
        return try rows.sorted { $0.key < $1.key }.map { name, row in
            var result = Case(name: name, hasMask: row["masks"] != nil)
            if let points = row["points"] as? [Any] {
                let coordinates = try #require(points[0] as? [[[Double]]])
                let labels = try #require(points[1] as? [[Int]])
                result.points = zip(coordinates, labels).map { promptPoints($0, $1) }
            }
            if let boxes = row["boxes"] as? [[Double]] {
                result.boxes = boxes.map { b in
                    PromptPoint.box(x0: Float(b[0]), y0: Float(b[1]), x1: Float(b[2]), y1: Float(b[3]))
                }
            }
            return result
        }
    }

    @Test("each prompt equals the reference", arguments: SAM2Golden.all("03", kind: "heads"))
    func parity(_ golden: SAM2Golden) throws {
        let config = try golden.config(), e = config.embeddingSize, C = config.hiddenDim
        let model = try Weights.load(golden.source()) { try SAM2($0, config) }
        let image = seededMap("input.image_embedding", [1, C, e, e], scale: 1)
        let features = ImageFeatures(
            s0: seededMap("input.high_res_s0", [1, C / 8, 4 * e, 4 * e], scale: 1),
            s1: seededMap("input.high_res_s1", [1, C / 4, 2 * e, 2 * e], scale: 1), embedding: image)
        let mask = seeded("input.mask_prompt", [1, 1, 4 * e, 4 * e], scale: 8)
        try golden.expectMap(model.promptEncoder.densePositionEncoding(), equals: "dense_pe")
        for item in try cases(golden) {
            let sparse =
                item.boxes.map { model.promptEncoder.sparse($0, padded: false) }
                ?? model.promptEncoder.sparse(item.points ?? [[]], padded: item.points != nil)
            let dense = model.promptEncoder.dense(item.hasMask ? mask : nil)
            try golden.expect(sparse, equals: item.name + ".sparse")
            try golden.expectMap(dense + Tensor([1, e, e, C]), equals: item.name + ".dense")
            let decoded = model.decode(features, image: image, sparse: sparse, dense: dense)
            for (kind, multimask) in [("single", false), ("multi", true)] {
                let prefix = "\(item.name).\(kind)."
                let selected = model.maskDecoder.select(decoded, multimask: multimask)
                try golden.expect(selected.masks, equals: prefix + "low_res_masks")
                try golden.expect(selected.iou, equals: prefix + "iou")
                try golden.expect(selected.tokens, equals: prefix + "tokens")
                try golden.expect(selected.objectScores, equals: prefix + "object_score_logits")
                guard golden.golden.has(prefix + "heads.obj_ptr") else { continue }
                let heads = model.forwardSAMHeads(
                    features, image: image, points: item.points, mask: item.hasMask ? mask : nil,
                    multimask: multimask)
                try golden.expect(heads.lowResMasks, equals: prefix + "heads.low_res_best")
                try golden.expect(heads.pointers, equals: prefix + "heads.obj_ptr")
                try golden.expect(heads.objectScores, equals: prefix + "heads.obj_score")
            }
        }
        try batches(golden, model, features)
        try dynamic(golden, config, features)
    }

    private func batches(_ golden: SAM2Golden, _ model: SAM2, _ features: ImageFeatures) throws {
        let sparse = model.promptEncoder.sparse([
            [PromptPoint(x: 210, y: 350, label: .positive)], [PromptPoint(x: 30, y: 60, label: .negative)],
        ])
        let decoded = model.decode(
            features, image: features.embedding, sparse: sparse, dense: model.promptEncoder.dense(nil))
        let selected = model.maskDecoder.select(decoded, multimask: true)
        try golden.expect(selected.masks, equals: "batch2.low_res_masks")
        try golden.expect(selected.iou, equals: "batch2.iou")
        try golden.expect(selected.objectScores, equals: "batch2.obj")
    }

    private func dynamic(_ golden: SAM2Golden, _ config: SAM2Config, _ features: ImageFeatures) throws {
        var config = config
        config.dynamicMultimaskViaStability = true
        let model = try Weights.load(golden.source()) { try SAM2($0, config) }
        let sparse = model.promptEncoder.sparse([[PromptPoint(x: 210, y: 350, label: .positive)]])
        let decoded = model.decode(
            features, image: features.embedding, sparse: sparse, dense: model.promptEncoder.dense(nil))
        let selected = model.maskDecoder.select(decoded, multimask: false)
        try golden.expect(selected.masks, equals: "pos1.dynamic.low_res_masks")
        try golden.expect(selected.iou, equals: "pos1.dynamic.iou")
    }
}

func promptPoints(_ coordinates: [[Double]], _ labels: [Int]) -> [PromptPoint] {
    zip(coordinates, labels).map { point, label in
        PromptPoint(
            x: Float(point[0]), y: Float(point[1]), label: PointLabel(rawValue: label) ?? .padding)
    }
}
