// SPDX-License-Identifier: Apache-2.0
// The training objective. Source: `sam2_train/sam2_video_predictor.py`, `backward_G`; paper eq. 7–12.
package import Models
package import TensorEngine

/// Everything that the losses look at, for F frames of all clips of a batch.
package struct FramePredictions {
    /// Masks at the input's size, `[F, slots, S, S]`; the last slot is the scene.
    package var logits: Tensor
    package var prompts: TAViS.AudioPrompts
    /// Of the pictures, before any prompt; only `VisibleClassesHead` looks at them.
    package var features: ImageFeatures?

    package init(logits: Tensor, prompts: TAViS.AudioPrompts, features: ImageFeatures? = nil) {
        (self.logits, self.prompts, self.features) = (logits, prompts, features)
    }
}

/// Text of the classes, as ImageBind's text tower gives it.
package struct ClassTexts: Sendable {
    /// Names and scaled embeddings `[K, E]`.
    package var bank: LabelBank
    /// Raw rows at the end token, `[K, T]`.
    package var rows: Tensor

    package init(bank: LabelBank, rows: Tensor) { (self.bank, self.rows) = (bank, rows) }
}

/// One step's losses.
package struct LossResult {
    /// Weighted sum, a scalar on the gradient tape.
    package var total: Tensor
    /// Each term before its weight, by the names of the log.
    package var terms: [(name: String, value: Float)]
    /// Matched slots of each frame.
    package var matches: [[SlotMatch]]
}

package struct TAViSLoss {
    package var settings: LossSettings

    package init(_ settings: LossSettings = LossSettings()) { self.settings = settings }

    /// - Parameters:
    ///   - truth: class ids of each frame, row-major, S · S; without small classes (`withoutSmallClasses`). Frames
    ///     without a truth are left out of all losses; at least one has one.
    ///   - namesClasses: for each frame whether its truth tells classes, or only where something sounds; nil for all.
    ///   - plain: the pictures 0 … 1, `[F, S, S, 3]`; used by L_i2t.
    ///   - heard: classes that each frame's sound holds, seen or not; where known, for `sceneClasses`.
    ///   - points: where masks are compared for matching.
    package func callAsFunction(
        _ predictions: FramePredictions, truth: [[UInt8]?], plain: Tensor, heard: [Set<UInt8>]? = nil,
        namesClasses: [Bool]? = nil, model: TAViS, texts: ClassTexts, points: MatchPoints
    ) -> LossResult {
        let frames = FrameView(predictions, truth: truth, namesClasses: namesClasses)
        let audio = model.audioTextLogits(frames.objects, texts.bank)
        let shown = usesImages ? imageEmbeddings(frames, plain: plain, model: model) : nil
        let image = shown.map { matmul($0, texts.bank.embeddings, transposeB: true) }
        let matches = match(frames, audio: audio, image: image, points: points)
        var sum = WeightedSum()
        let masks = compare(frames, matches)
        let scenes = 0..<frames.count, objects = frames.count..<masks.count
        sum.add("bce_all", settings.sceneEntropy, masks.comparison.entropy(scenes))
        sum.add("iou_all", settings.sceneOverlap, masks.comparison.overlap(scenes))
        if let heard {
            addHeardTerm(
                &sum, model.audioTextLogits(frames.scene, texts.bank), frames.judged.map { heard[$0] })
        }
        if !objects.isEmpty {
            sum.add("bce_sep", settings.objectEntropy, masks.comparison.entropy(objects))
            sum.add("iou_sep", settings.objectOverlap, masks.comparison.overlap(objects))
        }
        let named = frames.named.map { matches[$0] }
        let pairs = named.reduce(0) { $0 + $1.count }
        if pairs > 0 {
            let labels = self.labels(named, slots: frames.objectSlots)
            addClassTerm(&sum, "a2t", settings.audioText, frames.onNamed(audio), labels, pairs)
            if let image {
                addClassTerm(&sum, "i2t", settings.imageText, frames.onNamed(image), labels, pairs)
            }
            if let shown { addAudioImageTerm(&sum, frames, frames.onNamed(shown), labels, model: model) }
            addTextTerm(&sum, frames.onNamed(frames.pseudoText), labels, texts)
        }
        return LossResult(total: sum.total, terms: sum.terms, matches: matches)
    }

    private var usesImages: Bool { settings.imageText > 0 || settings.audioImage > 0 }

    // MARK: Matching

    private func match(
        _ frames: FrameView, audio: Tensor, image: Tensor?, points: MatchPoints
    ) -> [[SlotMatch]] {
        let n = frames.objectSlots
        let scores = [audio, image].compactMap { $0.map { softmax($0.detached()) } }
        return (0..<frames.count).map { f in
            matchSlots(
                logits: frames.objectLogits(f).detached(),
                scores: frames.named.contains(f) ? scores.map { $0[rows: f * n..<(f + 1) * n] } : [],
                targets: frames.targets(f), points: points)
        }
    }

    /// Class of each object slot of each frame: its match, else the background.
    private func labels(_ matches: [[SlotMatch]], slots: Int) -> [Int] {
        matches.flatMap { frame in
            (0..<slots).map { slot in frame.first { $0.slot == slot }.map { Int($0.label) } ?? 0 }
        }
    }

    // MARK: Terms

    /// The masks that the losses judge: all frames' scenes, then the matched objects.
    private func compare(
        _ frames: FrameView, _ matches: [[SlotMatch]]
    ) -> (comparison: MaskComparison, count: Int) {
        let objects = matches.enumerated().flatMap { f, frame in frame.map { (f, $0) } }
        let rows =
            (0..<frames.count).map { ($0 + 1) * frames.slots - 1 }
            + objects.map { f, match in f * frames.slots + match.slot }
        let truth = Tensor(shape: [rows.count, frames.side * frames.side]) { out in
            for f in 0..<frames.count { frames.write(f, to: out, mask: f) { $0 != 0 } }
            for (i, (f, match)) in objects.enumerated() {
                frames.write(f, to: out, mask: frames.count + i) { $0 == match.label }
            }
        }
        return (MaskComparison(frames.allLogits, rows: rows, truth: truth), rows.count)
    }

    /// `logits [F, K]`: each class by itself is heard or not.
    private func addHeardTerm(_ sum: inout WeightedSum, _ logits: Tensor, _ heard: [Set<UInt8>]) {
        guard settings.sceneClasses > 0 else { return }
        let truth = Tensor(shape: logits.shape) { out in
            out.update(repeating: 0)
            for (frame, classes) in heard.enumerated() {
                for label in classes { out[frame * logits.shape[1] + Int(label)] = 1 }
            }
        }
        sum.add("heard", settings.sceneClasses, binaryCrossEntropy(logits, truth))
    }

    private func addClassTerm(
        _ sum: inout WeightedSum, _ name: String, _ weight: Float, _ logits: Tensor, _ labels: [Int],
        _ pairs: Int
    ) {
        guard weight > 0 else { return }
        let loss = weightedCrossEntropy(logits, labels: labels, backgroundWeight: settings.backgroundWeight)
        sum.add(name, weight, loss / Float(pairs))
    }

    private func addTextTerm(
        _ sum: inout WeightedSum, _ pseudoText: Tensor, _ labels: [Int], _ texts: ClassTexts
    ) {
        guard settings.pseudoText > 0 else { return }
        let difference = pseudoText - texts.rows.gathered(labels)
        sum.add("a2pt", settings.pseudoText, (difference * difference).mean())
    }

    /// Each matched object's sound must be most like what its own mask shows, among the batch.
    private func addAudioImageTerm(
        _ sum: inout WeightedSum, _ frames: FrameView, _ shown: Tensor, _ labels: [Int], model: TAViS
    ) {
        let rows = labels.indices.filter { labels[$0] != 0 }
        guard settings.audioImage > 0, rows.count > 1 else { return }
        let audio = model.imageBind.audio.head(frames.onNamed(frames.objects).gathered(rows))
        let similarity = matmul(audio, shown.gathered(rows), transposeB: true)
        sum.add(
            "a2i", settings.audioImage,
            weightedCrossEntropy(similarity, labels: Array(rows.indices), backgroundWeight: 1))
    }

    /// ImageBind's embedding of each object as its mask shows it. `[F · N, E]`
    private func imageEmbeddings(_ frames: FrameView, plain: Tensor, model: TAViS) -> Tensor {
        concat(
            (0..<frames.count).map { f in
                let number = frames.judged[f]
                return model.imageEmbeddings(
                    image: plain[rows: number..<number + 1], logits: frames.objectLogits(f))
            })
    }
}

/// Adds up the terms and keeps their values for the log.
private struct WeightedSum {
    var total = Tensor(0)
    var terms: [(name: String, value: Float)] = []

    mutating func add(_ name: String, _ weight: Float, _ term: Tensor) {
        guard weight > 0 else { return }
        terms.append((name, term.scalar))
        total = total + term * weight
    }
}

/// Predictions and truth of the frames that have one, frame by frame.
private struct FrameView {
    /// Which of the batch's frames these are.
    let judged: [Int]
    /// Which of these have a truth that tells classes.
    let named: [Int]
    let slots, side: Int
    /// `[F · slots, S²]`
    let allLogits: Tensor
    /// Object tokens, `[F · N, A]`, their pseudo-text, `[F · N, T]`, and the token of the whole sound, `[F, A]`.
    let objects, pseudoText, scene: Tensor
    private let logits: Tensor
    private let truth: [[UInt8]]

    var count: Int { judged.count }
    var objectSlots: Int { slots - 1 }

    init(_ predictions: FramePredictions, truth: [[UInt8]?], namesClasses: [Bool]?) {
        let shape = predictions.logits.shape
        let judged = truth.indices.filter { truth[$0] != nil }
        precondition(
            shape[0] == truth.count && !judged.isEmpty,
            "loss: \(shape) with \(truth.count) frames, of which \(judged.count) have a truth")
        func picked(_ x: Tensor) -> Tensor { judged.count == truth.count ? x : x.gathered(judged) }
        let rows = judged.count * (shape[1] - 1)
        (slots, side) = (shape[1], shape[2])
        logits = picked(predictions.logits)
        allLogits = logits.reshaped(judged.count * shape[1], shape[2] * shape[2])
        self.truth = truth.compactMap(\.self)
        objects = picked(predictions.prompts.objects).reshaped(rows, -1)
        pseudoText = picked(predictions.prompts.pseudoText).reshaped(rows, -1)
        scene = picked(predictions.prompts.scene)
        named = judged.indices.filter { namesClasses?[judged[$0]] ?? true }
        self.judged = judged
    }

    /// Of rows for each object slot of each frame, those of frames whose classes are known.
    func onNamed(_ rows: Tensor) -> Tensor {
        guard named.count < count else { return rows }
        return rows.gathered(named.flatMap { $0 * objectSlots..<($0 + 1) * objectSlots })
    }

    /// `[N, S, S]`
    func objectLogits(_ frame: Int) -> Tensor { logits[row: frame][rows: 0..<objectSlots] }

    /// Writes 1 where a frame's class satisfies `isSet`, else 0, as one of several masks of S² pixels.
    func write(
        _ frame: Int, to masks: UnsafeMutableBufferPointer<Float>, mask: Int, _ isSet: (UInt8) -> Bool
    ) {
        let labels = truth[frame], start = mask * labels.count
        for i in labels.indices { masks[start + i] = isSet(labels[i]) ? 1 : 0 }
    }

    /// 1 where the class sounds, row-major.
    func mask(_ frame: Int, of label: UInt8) -> [Float] { truth[frame].map { $0 == label ? 1 : 0 } }

    /// Sounding classes of a frame. The smallest id present is taken for the background, as in the reference.
    func targets(_ frame: Int) -> [TargetMask] {
        Set(truth[frame]).sorted().dropFirst().map { TargetMask(label: $0, values: mask(frame, of: $0)) }
    }
}

/// Truth of one clip without classes that cover at most `area` pixels of all its frames together.
package func withoutSmallClasses(_ frames: [[UInt8]?], area: Int) -> [[UInt8]?] {
    var counts = [Int](repeating: 0, count: 256)
    for frame in frames { for label in frame ?? [] { counts[Int(label)] += 1 } }
    return frames.map { $0?.map { counts[Int($0)] <= area ? 0 : $0 } }
}
