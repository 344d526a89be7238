// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine
import TestSupport
import Testing

@Suite("Metrics")
struct MetricsTests {
    private static let binaryCases = [
        "random", "disc", "gt_empty_pred_some", "gt_empty_pred_empty", "gt_some_pred_empty", "perfect",
        "mixed_empty",
        "shifted_disc", "zero_logits_tie",
    ]
    private static let semanticCases = [
        "sem_random", "sem_absent_and_empty", "sem_all_background", "sem_good", "sem_partial",
    ]

    @Test(
        "mask scores are the official ones", arguments: Golden.matching("09_metrics.*"),
        MetricsTests.binaryCases)
    func binary(golden: Golden, name: String) throws {
        let results = try #require((golden.manifest["results"] as? [String: Any])?[name] as? [String: Any])
        let logits = try golden.tensor("\(name).pred")
        let truth = try golden.tensor("\(name).gt").values.map { $0 > 0 }
        try expect(Metrics.overlap(logits, truth: truth), results["mask_iou"])
        try expect(Metrics.fMeasure(logits, truth: truth), results["Eval_Fmeasure"])
        try expect(
            Metrics.fMeasure(logits, truth: truth, .probabilities), results["Eval_Fmeasure_of_sigmoid"])
        let each = try #require(results["mask_iou_each"] as? [Double])
        let pixels = logits.shape[1] * logits.shape[2]
        for (frame, expected) in each.enumerated() {
            let score = Metrics.overlap(
                logits[row: frame].values, truth: Array(truth[frame * pixels..<(frame + 1) * pixels]))
            #expect(abs(Double(score) - expected) < 1e-6)
        }
    }

    @Test(
        "class scores are the official ones", arguments: Golden.matching("09_metrics.*"),
        MetricsTests.semanticCases)
    func semantic(golden: Golden, name: String) throws {
        let results = try #require((golden.manifest["results"] as? [String: Any])?[name] as? [String: Any])
        let logits = try golden.tensor("\(name).pred")
        let labels = try golden.tensor("\(name).gt").values.map { Int($0) }
        try expect(Metrics.classOverlap(logits, labels: labels), results["miou"])
        try expect(Metrics.classFMeasure(logits, labels: labels), results["mf"])
        try expect(Metrics.classFMeasure(logits, labels: labels, .probabilities), results["sigmoid.mf"])
    }

    private func expect(_ found: Float, _ expected: Any?) throws {
        let expected = try #require((expected as? Double) ?? (expected as? Int).map(Double.init))
        #expect(abs(Double(found) - expected) < 2e-6, "found \(found), expected \(expected)")
    }
}
