// SPDX-License-Identifier: Apache-2.0
package import Models

/// What is lost with a model against another one, the reference, on the same clips.
package struct ModelComparison: Codable, Sendable {
    package var reference: EvaluationResult.Model
    /// The reference's scores.
    package var metrics: [String: Double]
    /// The reference's scores less the model's: above 0 the model is worse, for measures of which more is better.
    package var losses: [String: Double]
    package var masks: MaskAgreement
    /// How bytes changed the model's layers, as it was measured when they were made; nil where it has none.
    package var quantization: QuantizationInfo?

    package init(
        reference: EvaluationResult.Model, metrics: [String: Double], of model: [String: Double],
        masks: MaskAgreement, quantization: QuantizationInfo? = nil
    ) {
        (self.reference, self.metrics, self.masks) = (reference, metrics, masks)
        self.quantization = quantization
        losses = metrics.reduce(into: [:]) { losses, entry in
            losses[entry.key] = model[entry.key].map { entry.value - $0 }
        }
    }

    /// Judges both clip after clip.
    ///
    /// - Parameter progress: gets the number of clips done.
    package static func run(
        _ model: inout Evaluation, _ reference: inout Evaluation, progress: (Int) -> Void = { _ in }
    ) throws -> MaskAgreement {
        var agreement = MaskAgreement()
        for index in 0..<model.count {
            for (a, b) in zip(try model.judge(index), try reference.judge(index)) { agreement.add(a, b) }
            progress(index + 1)
        }
        return agreement
    }
}

/// How alike the marks of two models are, frame by frame.
package struct MaskAgreement: Codable, Sendable {
    /// Intersection over union of the marked pixels, over the frames where either model marks any; 0 without such.
    package var meanOverlap: Double { markedFrames > 0 ? overlapSum / Double(markedFrames) : 0 }
    /// Of the frame where they are least alike; 1 where nothing is marked.
    package private(set) var worstOverlap = 1.0
    package private(set) var markedFrames = 0
    /// Frames where neither marks anything.
    package private(set) var emptyFrames = 0
    private var overlapSum = 0.0

    package init() {}

    private enum CodingKeys: String, CodingKey { case meanOverlap, worstOverlap, markedFrames, emptyFrames }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        markedFrames = try values.decode(Int.self, forKey: .markedFrames)
        emptyFrames = try values.decode(Int.self, forKey: .emptyFrames)
        worstOverlap = try values.decode(Double.self, forKey: .worstOverlap)
        overlapSum = try values.decode(Double.self, forKey: .meanOverlap) * Double(markedFrames)
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(meanOverlap, forKey: .meanOverlap)
        try values.encode(worstOverlap, forKey: .worstOverlap)
        try values.encode(markedFrames, forKey: .markedFrames)
        try values.encode(emptyFrames, forKey: .emptyFrames)
    }

    /// - Precondition: both are of one size.
    package mutating func add(_ a: PredictedFrame, _ b: PredictedFrame) {
        precondition(
            a.logits.count == b.logits.count, "MaskAgreement: \(a.width)×\(a.height), \(b.width)×\(b.height)")
        var (both, either) = (0, 0)
        for (x, y) in zip(a.logits, b.logits) where x > 0 || y > 0 {
            either += 1
            if x > 0 && y > 0 { both += 1 }
        }
        guard either > 0 else {
            emptyFrames += 1
            return
        }
        let overlap = Double(both) / Double(either)
        markedFrames += 1
        overlapSum += overlap
        worstOverlap = min(worstOverlap, overlap)
    }
}
