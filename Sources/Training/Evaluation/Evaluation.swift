// SPDX-License-Identifier: Apache-2.0
// What `tavisd eval` does: clips in, scores out.
import Media
import Models

/// What was measured, on what, with what: enough to say whether two results may be compared.
package struct EvaluationResult: Codable, Sendable {
    package struct Data: Codable, Sendable {
        package var name: String
        package var clips, frames: Int
        /// SHA-256 of pictures, sound and truth of these clips.
        package var sha256: String
    }

    package struct Model: Codable, Sendable {
        package var name: String
        /// Of the weights' file; nil for weights that are made up.
        package var sha256: String?

        package init(name: String, sha256: String?) { (self.name, self.sha256) = (name, sha256) }
    }

    package var data: Data
    package var model: Model
    /// `official` or `stream`, and what else a result depends on.
    package var settings: [String: String]
    package var audio: SoundChange
    package var metrics: [String: Double]
    package var classes: [SemanticScores.Class]
    /// With another model on the same clips, where asked for.
    package var comparison: ModelComparison?
}

/// Runs a predictor over clips.
package struct Evaluation {
    package struct Settings {
        /// How many of the source; all when nil.
        package var clips: Int?
        package var audio = SoundChange.asRecorded
        /// Frames kept for a report, spread over the clips.
        package var panels = 0

        package init() {}
    }

    package private(set) var scores = ClipScores()
    package private(set) var semantic: SemanticScores
    package private(set) var follow = FollowScores()
    package private(set) var panels: [ReportPanel] = []
    package private(set) var points: [EmbeddingMap.Item] = []

    private let predictor: any ClipPredictor
    private let source: any ClipSource
    private let settings: Settings
    private let sum = SHA256()
    /// Clips to judge.
    package let count: Int
    private let logMel = LogMel()
    /// A map of more points takes minutes to draw and cannot be read.
    private static let maximumPoints = 800

    package init(_ predictor: any ClipPredictor, _ source: any ClipSource, _ settings: Settings = Settings())
    {
        (self.predictor, self.source, self.settings) = (predictor, source, settings)
        semantic = SemanticScores(classes: source.classes)
        count = min(source.count, settings.clips ?? source.count)
    }

    /// - Parameter progress: gets the number of clips done.
    package mutating func run(progress: (Int) -> Void = { _ in }) throws {
        for index in 0..<count {
            try judge(index)
            progress(index + 1)
        }
    }

    /// - Returns: what was found on each frame.
    @discardableResult
    mutating func judge(_ index: Int) throws -> [PredictedFrame] {
        if settings.audio == .swap, let scenes = source as? SyntheticClips {
            guard let (first, second) = scenes.swapped(index) else { return [] }
            let (before, after) = (try judge(first, index), try judge(second, index))
            follow.add(after, sounding: second, silent: first)
            return before + after
        }
        let other = settings.audio == .swap ? try source.clip((index + 1) % source.count) : nil
        return try judge(settings.audio.applied(to: source.clip(index), number: index, other: other), index)
    }

    private mutating func judge(_ clip: AnnotatedClip, _ index: Int) throws -> [PredictedFrame] {
        add(toSum: clip)
        let prediction = try predictor.predict(clip)
        scores.add(prediction, clip)
        addPanel(prediction, clip, index)
        if clip.namesClasses {
            semantic.add(prediction, clip)
            addPoints(prediction, clip)
        }
        return prediction
    }

    private func add(toSum clip: AnnotatedClip) {
        for frame in clip.frames {
            sum.add(frame.image.pixels)
            sum.add(frame.sound)
            if let truth = frame.truth { sum.add(truth) }
        }
    }

    // MARK: For reports

    private mutating func addPanel(_ prediction: [PredictedFrame], _ clip: AnnotatedClip, _ index: Int) {
        // The n-th panel comes from the clip at n parts of all.
        guard panels.count < settings.panels, index * settings.panels >= panels.count * count else { return }
        let middle = clip.frames.count / 2
        let (found, frame) = (prediction[middle], clip.frames[middle])
        guard found.width == frame.image.width, found.height == frame.image.height else {
            return addResizedPanel(found, frame, clip.name)
        }
        add(found, frame.image, frame, clip.name)
    }

    private mutating func addResizedPanel(_ found: PredictedFrame, _ frame: AnnotatedFrame, _ name: String) {
        let pixels = pillowResize(
            frame.image.pixels, width: frame.image.width, height: frame.image.height, toWidth: found.width,
            toHeight: found.height, filter: .bilinear)
        add(found, RGBImage(width: found.width, height: found.height, pixels: pixels), frame, name)
    }

    private mutating func add(
        _ found: PredictedFrame, _ image: RGBImage, _ frame: AnnotatedFrame, _ name: String
    ) {
        panels.append(
            ReportPanel(
                title: name, frame: image, prediction: found.labels,
                truth: frame.labels(width: found.width, height: found.height)
                    ?? [UInt8](repeating: 0, count: image.width * image.height),
                spectrogram: Spectrogram.image(logMel(frame.sound))))
    }

    private mutating func addPoints(_ prediction: [PredictedFrame], _ clip: AnnotatedClip) {
        for (found, frame) in zip(prediction, clip.frames) where points.count < Self.maximumPoints {
            guard let truth = frame.labels(width: found.width, height: found.height) else { continue }
            for object in found.objects where object.classIndex != 0 {
                guard let embeddings = object.embeddings,
                    let label = Self.commonest(truth, within: object.mask)
                else { continue }
                points.append(.init(kind: .audio, label: Int(label), values: embeddings.audio))
                points.append(.init(kind: .image, label: Int(label), values: embeddings.image))
            }
        }
    }

    /// The class that fills most of a mask; nil where that is the background.
    private static func commonest(_ truth: [UInt8], within mask: [Bool]) -> UInt8? {
        var counts = [Int](repeating: 0, count: 256)
        for (label, isMarked) in zip(truth, mask) where isMarked { counts[Int(label)] += 1 }
        let best = counts.indices.max { counts[$0] < counts[$1] } ?? 0
        return best == 0 ? nil : UInt8(best)
    }

    // MARK: The result

    package func result(
        data: String, model: EvaluationResult.Model, settings names: [String: String]
    ) -> EvaluationResult {
        var metrics = scores.metrics
        if source.namesClasses { metrics.merge(semantic.metrics) { $1 } }
        if follow.clips > 0 { metrics.merge(follow.metrics) { $1 } }
        return EvaluationResult(
            data: .init(name: data, clips: scores.clips, frames: scores.frames, sha256: sum.text),
            model: model,
            settings: names, audio: settings.audio, metrics: metrics,
            classes: source.namesClasses ? semantic.classes : [])
    }
}
