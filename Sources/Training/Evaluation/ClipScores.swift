// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine

/// How well clips were segmented: the benchmark's measures, and what was marked where nothing is to be marked.
package struct ClipScores: Sendable {
    /// A slot that is not the background's shows an object where they overlap so much (IoU).
    private static let coveringOverlap: Float = 0.5
    /// Smaller marks do not count as marks: one in so many pixels.
    private static let strayShare = 1000

    private var overlaps = Mean(), fMeasures = Mean(), probabilityFMeasures = Mean()
    private var officialOverlaps = Mean(), officialFMeasures = Mean()
    private var strayAreas = Mean(), strayFrames = Mean()
    private var covered = Mean(), named = Mean(), hiddenOverlaps = Mean()
    /// Annotated frames, and those of them on which nothing in sight sounds.
    package private(set) var frames = 0, emptyFrames = 0
    package private(set) var clips = 0

    package init() {}

    /// M_J in percent over clips with something sounding in sight.
    package var overlap: Double { 100 * overlaps.value }
    /// M_F over the same clips, its thresholds on logits as published.
    package var fMeasure: Double { fMeasures.value }
    /// Clips with something sounding in sight.
    package var soundingClips: Int { overlaps.count }
    /// Share of pixels marked on frames where nothing in sight sounds, in percent.
    package var strayArea: Double { 100 * strayAreas.value }
    /// Share of such frames with marks on more than 0.1 % of the pixels, in percent.
    package var strayFrameShare: Double { 100 * strayFrames.value }
    /// Share of the sounding classes of all frames that one object shows (IoU ≥ 0.5), in percent.
    package var coveredShare: Double { 100 * covered.value }
    /// Share of those whose object has the right class, in percent.
    package var namedRight: Double { 100 * named.value }

    /// By the names of logs and reports. Measures that nothing went into are left out.
    package var metrics: [String: Double] {
        let all: [(String, Mean, Double)] = [
            ("M_J", overlaps, 100), ("M_F", fMeasures, 1), ("M_F_probability", probabilityFMeasures, 1),
            ("official_M_J", officialOverlaps, 100), ("official_M_F", officialFMeasures, 1),
            ("stray_area", strayAreas, 100), ("stray_frames", strayFrames, 100),
            ("covered", covered, 100), ("named_right", named, 100), ("hidden_M_J", hiddenOverlaps, 100),
        ]
        return Dictionary(
            uniqueKeysWithValues: all.filter { $0.1.count > 0 }.map { ($0.0, $0.1.value * $0.2) })
    }

    /// - Parameter prediction: one for each of the clip's frames; those without a truth are passed over.
    package mutating func add(_ prediction: [PredictedFrame], _ clip: AnnotatedClip) {
        let judged = zip(prediction, clip.frames).compactMap { found, frame in
            frame.labels(width: found.width, height: found.height).map { (found, truth: $0) }
        }
        guard let (width, height) = judged.first.map({ ($0.0.width, $0.0.height) }) else { return }
        clips += 1
        let logits = Tensor(judged.flatMap { $0.0.logits }, shape: [judged.count, height, width])
        addClip(logits, truth: judged.flatMap { $0.truth.map { $0 != 0 } })
        for (found, truth) in judged { addFrame(found, truth, namesClasses: clip.namesClasses) }
        addHidden(judged)
    }

    /// M_J of the frames on which a sounding class shows less than half of what it shows at most during the clip: it is
    /// behind something or half out of the picture. What memory is for.
    private mutating func addHidden(_ judged: [(found: PredictedFrame, truth: [UInt8])]) {
        let areas = judged.map { frame in
            frame.truth.reduce(into: [Int](repeating: 0, count: 256)) { $0[Int($1)] += 1 }
        }
        let most = (0..<256).map { label in areas.map { $0[label] }.max() ?? 0 }
        for (frame, shown) in zip(judged, areas)
        where (1..<256).contains(where: { shown[$0] > 0 && 2 * shown[$0] < most[$0] }) {
            hiddenOverlaps.add(
                Double(Metrics.overlap(frame.found.logits, truth: frame.truth.map { $0 != 0 })))
        }
    }

    private mutating func addClip(_ logits: Tensor, truth: [Bool]) {
        let overlap = Double(Metrics.overlap(logits, truth: truth))
        let fMeasure = Double(Metrics.fMeasure(logits, truth: truth))
        officialOverlaps.add(overlap)
        officialFMeasures.add(fMeasure)
        guard truth.contains(true) else { return }
        overlaps.add(overlap)
        fMeasures.add(fMeasure)
        probabilityFMeasures.add(Double(Metrics.fMeasure(logits, truth: truth, .probabilities)))
    }

    private mutating func addFrame(_ found: PredictedFrame, _ truth: [UInt8], namesClasses: Bool) {
        frames += 1
        let classes = Set(truth).subtracting([0])
        guard classes.isEmpty else {
            // What is one mark in the truth may be several objects.
            if namesClasses { for label in classes { addObject(found, truth, label) } }
            return
        }
        emptyFrames += 1
        let marked = found.logits.count { $0 > 0 }
        strayAreas.add(Double(marked) / Double(truth.count))
        strayFrames.add(marked * Self.strayShare > truth.count ? 1 : 0)
    }

    private mutating func addObject(_ found: PredictedFrame, _ truth: [UInt8], _ label: UInt8) {
        let shown = found.objects.filter { $0.classIndex != 0 }
        let best = shown.map { ($0, Self.overlap($0.mask, truth, label)) }.max { $0.1 < $1.1 }
        guard let (object, overlap) = best, overlap >= Self.coveringOverlap else {
            covered.add(0)
            return
        }
        covered.add(1)
        named.add(object.classIndex == Int(label) ? 1 : 0)
    }

    private static func overlap(_ mask: [Bool], _ truth: [UInt8], _ label: UInt8) -> Float {
        var (both, either) = (0, 0)
        for (isMarked, pixel) in zip(mask, truth) {
            let isTrue = pixel == label
            if isMarked || isTrue { either += 1 }
            if isMarked && isTrue { both += 1 }
        }
        return Float(both) / Float(max(1, either))
    }
}

/// A mean that grows.
struct Mean: Sendable {
    private var sum = 0.0
    private(set) var count = 0

    /// 0 without values.
    var value: Double { count > 0 ? sum / Double(count) : 0 }

    mutating func add(_ value: Double) {
        sum += value
        count += 1
    }
}
