// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import TestSupport
import Testing

@testable import Training

@Suite(
    "a training step equals the official code's",
    .enabled("the full model and its gradients need 18 GB of memory") {
        ProcessInfo.processInfo.physicalMemory > 20 << 30
    }
)
struct GoldenStepTests {
    private struct Report: Decodable {
        var losses: [String: Value]
        var matching: Matching
        var all_grad_norms: [String: Double?]
        var labels: [String]

        struct Matching: Decodable {
            var indices: [[[Int]]]
            var tgt_ids: [[Int]]
        }
        enum Value: Decodable {
            case number(Double)
            case text(String)
            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let number = try? container.decode(Double.self) {
                    self = .number(number)
                } else {
                    self = .text(try container.decode(String.self))
                }
            }
        }

        func loss(_ name: String) throws -> Double {
            guard case .number(let value) = try #require(losses[name]) else {
                throw CocoaError(.coderReadCorrupt)
            }
            return value
        }

        /// Slot and class of each frame's pairs.
        var matches: [[SlotMatch]] {
            zip(matching.indices, matching.tgt_ids).map { pairs, ids in
                zip(pairs[0], pairs[1]).map { SlotMatch(slot: $0, label: UInt8(ids[$1])) }
            }
        }
    }

    @Test("losses, matching and every gradient", arguments: Golden.matching("08_tavis_train"))
    func step(golden: Golden) throws {
        let report = try JSONDecoder().decode(Report.self, from: golden.manifestData)
        let (store, model) = try Self.model()
        let batch = try Self.batch(golden)
        let texts = try Self.texts(golden, model, report.labels)
        let result = try withCheckpoints {
            let found = TAViSLoss()(
                model.predict(batch, usesMemory: true), truth: batch.truth, plain: batch.plain, model: model,
                texts: texts, points: Self.points)
            #expect(found.matches == report.matches)
            try Self.expectTerms(found, report)
            return gradients(of: found.total)
        }
        try Self.expectGradients(result, store, report, golden)
    }

    private static func model() throws -> (ParameterStore, TAViS) {
        let store = ParameterStore(
            SeededSource(fills: ["sam_mask_decoder.pred_obj_score_head.layers.2.bias": 2]),
            isFrozen: TAViS.isFrozenAsPublished)
        var config = TAViSConfig.large
        config.audioPairing = .tiled
        let model = try Weights.load(store) { try TAViS($0, config) }
        return (store, model)
    }

    private static func batch(_ golden: Golden) throws -> ClipBatch {
        let frames = try golden.entry("input.u8").shape[0]
        let plain = Tensor(try golden.stored("input.u8").map { $0 / 255 }, shape: [frames, 224, 224, 3])
        let labels = try golden.stored("gt_mask.u8").map { UInt8($0) }, pixels = 224 * 224
        return ClipBatch(
            clips: 1, framesPerClip: frames, plain: plain,
            mel: try golden.tensor("input.spec").reshaped(frames, 128, 204),
            truth: (0..<frames).map { Array(labels[$0 * pixels..<($0 + 1) * pixels]) })
    }

    private static func texts(_ golden: Golden, _ model: TAViS, _ labels: [String]) throws -> ClassTexts {
        let ids = try golden.stored("text_all").map { Int($0) }
        let encoded = model.imageBind.text.encode(labels.indices.map { Array(ids[$0 * 77..<($0 + 1) * 77]) })
        return ClassTexts(bank: LabelBank(names: labels, embeddings: encoded.embedding), rows: encoded.rows)
    }

    /// The points of the golden: name-seeded, the same for every frame.
    private static let points = MatchPoints(
        SeededWeights.input("tavis.match_points", shape: [2 * MatchPoints.officialCount], scale: 1)
            .map { ($0 + 1) / 2 })

    private static func expectTerms(_ found: LossResult, _ report: Report) throws {
        let names = [
            "a2t": "a2t", "i2t": "v2t", "bce_sep": "ce_sep", "iou_sep": "iou_sep", "a2pt": "mse_text",
            "bce_all": "ce_all", "iou_all": "iou_all",
        ]
        #expect(Set(found.terms.map(\.name)) == Set(names.keys))
        for (name, value) in found.terms {
            let expected = try report.loss(try #require(names[name]))
            #expect(
                abs(Double(value) - expected) <= 1e-4 * abs(expected), "\(name): \(value), not \(expected)")
        }
        let total = try report.loss("loss_G")
        #expect(abs(Double(found.total.scalar) - total) <= 1e-4 * total, "total: \(found.total.scalar)")
    }

    private static func expectGradients(
        _ found: Gradients, _ store: ParameterStore, _ report: Report, _ golden: Golden
    ) throws {
        var compared = 0
        for (key, parameter) in store.parameters {
            // Gradients of key biases cancel out in exact arithmetic.
            let isZero = key.hasSuffix("k_proj.bias")
            let memory = key.hasPrefix("memory_attention")
            let norm = found[parameter].map { Double(($0 * $0).sum().squareRoot().scalar) } ?? 0
            let expected = (report.all_grad_norms[key] ?? nil) ?? 0
            let bound = isZero ? 1e-5 : (memory ? 5e-3 : 1e-3) * expected + 1e-7
            #expect(abs(norm - expected) <= bound, "\(key): gradient norm \(norm), not \(expected)")
            guard let gradient = found[parameter], golden.has("grad.\(key)"), expected > 0 else { continue }
            try golden.expect(
                gradient, equals: "grad.\(key)", relativeRMS: memory ? 5e-3 : 1e-3,
                largest: memory ? 2e-2 : 5e-3)
            compared += 1
        }
        #expect(compared >= 24)
    }
}
