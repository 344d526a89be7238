// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("SAM 2 image predictor", .serialized)
struct ImagePredictorTests {
    private func prompts(_ row: [String: Any]) -> [[PromptPoint]] {
        var result: [[PromptPoint]] = [[]]
        func corners(_ b: [Double]) -> [PromptPoint] {
            PromptPoint.box(x0: Float(b[0]), y0: Float(b[1]), x1: Float(b[2]), y1: Float(b[3]))
        }
        if let box = row["box"] as? [Double] { result = [corners(box)] }
        if let boxes = row["box"] as? [[Double]] { result = boxes.map(corners) }
        if let points = row["point_coords"] as? [[Double]], let labels = row["point_labels"] as? [Int] {
            result = result.map { $0 + promptPoints(points, labels) }
        }
        return result
    }

    @Test(
        "points, boxes and refinement equal the reference",
        arguments: SAM2Golden.all("10", kind: "image_predictor"))
    func parity(_ golden: SAM2Golden) throws {
        let config = try golden.config()
        let predictor = ImagePredictor(try Weights.load(golden.source()) { try SAM2($0, config) })
        let frame = try TestPicture("frames_full/00000.png")
        let image = predictor.encode(frame.pixels, width: frame.width, height: frame.height)
        try golden.expectMap(image.features.embedding, equals: "image_embed")
        let cases = try #require(golden.golden.manifest["cases"] as? [String: [String: Any]])
        for (name, row) in cases.sorted(by: { $0.key < $1.key }) {
            let multimask = try #require(row["multimask_output"] as? Bool)
            let result = try predictor.predict(image, prompts: prompts(row), multimask: multimask)
            try compare(golden, result, name)
        }
        let first = try predictor.predict(
            image, prompts: [[PromptPoint(x: 480, y: 270, label: .positive)]], multimask: false)
        let refined = try predictor.predict(
            image,
            prompts: [
                [
                    PromptPoint(x: 480, y: 270, label: .positive),
                    PromptPoint(x: 100, y: 100, label: .negative),
                ]
            ],
            mask: first.lowResMasks, multimask: false)
        try compare(golden, refined, "refine")
    }

    /// The reference drops a batch of one.
    private func compare(_ golden: SAM2Golden, _ result: ImagePredictor.Prediction, _ name: String) throws {
        func squeezed(_ x: Tensor) -> Tensor { x.shape[0] == 1 ? x[row: 0] : x }
        try golden.expect(squeezed(result.masks), equals: name + ".masks")
        try golden.expect(squeezed(result.iou), equals: name + ".iou")
        try golden.expect(squeezed(result.lowResMasks), equals: name + ".low_res")
    }

    @Test("prompts without points and of unequal length")
    func prompts() throws {
        let predictor = ImagePredictor(
            try Weights.load(SeededSource()) { try SAM2($0, SAM2Config.tinyGolden) })
        let image = predictor.encode([UInt8](repeating: 90, count: 30 * 20 * 3), width: 30, height: 20)
        let whole = try predictor.predict(image)
        #expect(whole.masks.shape == [1, 3, 20, 30] && whole.lowResMasks.shape == [1, 3, 32, 32])
        let masks = try predictor.predict(image, mask: Tensor([2, 1, 32, 32]), multimask: false)
        #expect(masks.masks.shape == [2, 1, 20, 30])
        let point = PromptPoint(x: 1, y: 2, label: .positive)
        #expect(throws: SAM2Error.self) { try predictor.predict(image, prompts: [[point], [point, point]]) }
        #expect(throws: SAM2Error.self) { try predictor.predict(image, mask: Tensor([1, 1, 8, 8])) }
    }
}
