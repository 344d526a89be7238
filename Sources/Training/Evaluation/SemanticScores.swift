// SPDX-License-Identifier: Apache-2.0
import Models

/// How well pixels got their classes: AVSBench's semantic measures, from label maps.
///
/// Each class is judged on the frames on which it is marked or true; its score is the mean over those.
/// Sources: AVSBench, `avss_utils.py`, with β² = 0.3; for seen and unseen classes the evaluation of OV-AVSS.
package struct SemanticScores: Sendable {
    package struct Class: Sendable, Codable, Equatable {
        package var name: String
        /// IoU in percent, and F.
        package var overlap, fMeasure: Double
        /// Frames on which it is marked or true.
        package var frames: Int
    }

    private static let betaSquared = 0.3

    private let names: [String]
    private var overlaps, fMeasures: [Mean]
    /// Pixels of all frames together: right ones, and those marked or true.
    private var hits, unions: [Int]

    /// - Parameter classes: names by class index; the first is the background.
    package init(classes: [String]) {
        names = classes
        overlaps = Array(repeating: Mean(), count: classes.count)
        fMeasures = overlaps
        hits = Array(repeating: 0, count: classes.count)
        unions = hits
    }

    package mutating func add(_ prediction: [PredictedFrame], _ clip: AnnotatedClip) {
        for (found, frame) in zip(prediction, clip.frames) {
            guard let truth = frame.labels(width: found.width, height: found.height) else { continue }
            add(found.labels, truth)
        }
    }

    private mutating func add(_ labels: [UInt8], _ truth: [UInt8]) {
        var marked = [Int](repeating: 0, count: 256), real = marked, both = marked
        for (label, right) in zip(labels, truth) {
            marked[Int(label)] += 1
            real[Int(right)] += 1
            if label == right { both[Int(label)] += 1 }
        }
        for index in names.indices where marked[index] + real[index] > 0 {
            self.hits[index] += both[index]
            unions[index] += marked[index] + real[index] - both[index]
            let hits = Double(both[index])
            overlaps[index].add(hits / Double(marked[index] + real[index] - both[index]))
            let (precision, recall) = (hits / Double(marked[index]), hits / Double(real[index]))
            let f = (1 + Self.betaSquared) * precision * recall / (Self.betaSquared * precision + recall)
            fMeasures[index].add(f.isNaN ? 0 : f)
        }
    }

    /// All, in the order of their indices; a class that never occurs scores 0.
    package var classes: [Class] {
        names.indices.map {
            Class(
                name: names[$0], overlap: 100 * overlaps[$0].value, fMeasure: fMeasures[$0].value,
                frames: overlaps[$0].count)
        }
    }

    /// Means over all classes, as AVSBench takes them, and over those that occur. For AVSBench's classes also the
    /// means over those of AVSBench-OV's parts that occur, of IoU over the pixels of all frames together.
    package var metrics: [String: Double] {
        let seen = classes.filter { $0.frames > 0 }
        var metrics = [
            "semantic_M_J": Self.mean(classes.map(\.overlap)),
            "semantic_F": Self.mean(classes.map(\.fMeasure)),
            "semantic_M_J_occurring": Self.mean(seen.map(\.overlap)),
            "semantic_F_occurring": Self.mean(seen.map(\.fMeasure)),
        ]
        guard names == avsBenchClasses else { return metrics }
        metrics["seen_mIoU"] = pooledOverlap(OpenVocabulary.seen)
        metrics["unseen_mIoU"] = pooledOverlap(OpenVocabulary.unseen)
        return metrics
    }

    /// In percent; nil where none of the classes occurs.
    private func pooledOverlap(_ ids: Set<Int>) -> Double? {
        let occurring = ids.sorted().filter { unions[$0] > 0 }
        guard !occurring.isEmpty else { return nil }
        return 100 * Self.mean(occurring.map { Double(hits[$0]) / Double(unions[$0]) })
    }

    private static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }
}
