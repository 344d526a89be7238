// SPDX-License-Identifier: Apache-2.0
package import Media
package import TensorEngine

/// One sounding object on one frame.
package struct SoundingObject: Sendable, Equatable {
    package var id: Int
    package var classIndex: Int
    package var className: String
    /// Probability of the class, averaged over the last windows.
    package var score: Float
    /// Smallest box around its pixels.
    package var box: Box
    package var area: Int
    /// Row of the frame's logits that its mask is made of.
    package var row: Int
}

/// What was found on one frame.
package struct FrameAnalysis: Sendable {
    package var number: Int
    package var time: MediaTime
    package var width, height: Int
    package var gate: SoundGate
    /// Level of the window in dB relative to full scale; nil without sound.
    package var level: Float?
    /// End of the frame's window of sound.
    package var windowEnd: MediaTime
    /// At most as many as the model has object slots.
    package var objects: [SoundingObject]
    /// For each pixel 0, or 1 + index into `objects`. Objects do not overlap: a pixel is that of the largest logit.
    package var labels: [UInt8]
    /// Mask logits of the slots that were decoded, `[slots, h, w]`; nil where the model had no reason to run.
    package var logits: Tensor?
}

/// Turns frames with their sound into objects: runs the model, gates, tracks, and brings masks to the frame's size.
package final class FrameAnalyzer {
    private let segmenter: any FrameSegmenter
    private let alwaysRuns: Bool
    private var economy: Economy
    private var tracker: ObjectTracker
    private var heard: Heard?
    /// A newer window, while work on it is spread.
    private var hearing: (window: Heard, work: SpreadWork<HeardSound>)?
    private var spacing = FrameSpacing()
    /// How long the newest frame's work on sound took; nil where it had none.
    private(set) var hearingTime: MediaTime?

    /// A window of sound and what it says.
    private struct Heard {
        let window: Int
        let end: MediaTime
        let level: Float?
        /// Nil where the model had no reason to run.
        var sound: HeardSound?

        var gate: SoundGate { SoundGate(level: level, scene: sound?.scene) }
    }

    /// - Parameter alwaysRuns: gives the logits of all slots, even for frames on which nothing can be marked.
    package init(
        _ segmenter: any FrameSegmenter, tracker: ObjectTracker = ObjectTracker(), alwaysRuns: Bool = false,
        economy: Economy = Economy()
    ) {
        (self.segmenter, self.tracker, self.alwaysRuns) = (segmenter, tracker, alwaysRuns)
        self.economy = economy
        segmenter.use(economy)
    }

    /// Works so from now on.
    package func use(_ economy: Economy) {
        self.economy = economy
        segmenter.use(economy)
    }

    package func analyze(_ aligned: AlignedFrame) throws -> FrameAnalysis {
        let (frame, window) = (aligned.frame, aligned.window)
        let start = MediaClock.now
        let (isNewWindow, isAtWork) = try listen(window, at: frame.pts)
        hearingTime = isAtWork ? MediaClock.now - start : nil
        var analysis = FrameAnalysis(
            number: aligned.number, time: frame.pts, width: frame.width, height: frame.height,
            gate: heard?.gate ?? .absent, level: heard?.level, windowEnd: heard?.end ?? window.end,
            objects: [], labels: [], logits: nil)
        guard analysis.gate == .open, let sound = heard?.sound else {
            if alwaysRuns { analysis.logits = try mask(frame, slots: nil) }
            tracker.rest(isNewWindow: isNewWindow)
            draw([], into: &analysis)
            return analysis
        }
        let wanted = wantedSlots(sound, isNewWindow: isNewWindow)
        if wanted.isEmpty {
            draw([], into: &analysis)
            return analysis
        }
        let logits = try mask(frame, slots: alwaysRuns ? nil : wanted)
        analysis.logits = logits
        var found = Self.observations(logits, of: wanted, sound)
        if isNewWindow { try look(at: &found) }
        let tracked = tracker.follow(found, isNewWindow: isNewWindow)
        let rows = Dictionary(uniqueKeysWithValues: wanted.enumerated().map { ($1, $0) })
        draw(tracked.compactMap { object in rows[object.slot].map { (object, $0) } }, into: &analysis)
        return analysis
    }

    /// Object slots that may matter on this frame, in order. See `Economy.Slots`.
    private func wantedSlots(_ sound: HeardSound, isNewWindow: Bool) -> [Int] {
        let all = Array(sound.parts.indices)
        if alwaysRuns || economy.slots == .all || isNewWindow { return all }
        let existing = tracker.objectSlots
        guard segmenter.remembers else { return existing }
        // What may exist with the next window is to have been remembered then.
        return all.filter { existing.contains($0) || sound.parts[$0].probabilities.indexOfLargest != 0 }
    }

    private func mask(_ frame: VideoFrame, slots: [Int]?) throws -> Tensor {
        let logits = try segmenter.segment(frame, slots: slots)
        try logits.withValues { try Self.requireFinite($0, "mask logits") }
        return logits
    }

    /// Damaged weights show here first, before anything is drawn or written.
    private static func requireFinite(_ values: some Sequence<Float>, _ what: String) throws {
        guard values.allSatisfy(\.isFinite) else {
            throw StreamError(.model, "model", "its \(what) are not finite numbers: the weights are damaged")
        }
    }

    /// Takes in the frame's window of sound, or goes on with it.
    ///
    /// - Returns: whether what is heard changed, and whether there was anything to do.
    private func listen(_ window: AudioWindow, at time: MediaTime) throws -> (changed: Bool, worked: Bool) {
        spacing.add(frameAt: time)
        let before = heard?.window
        var share = spacing.share(of: economy.audioHop)
        if (hearing?.window ?? heard)?.window != window.number {
            // What this frame still does for the window before is part of its share.
            share = max(0, share - (hearing?.work.left ?? 0))
            try begin(window)
        } else if hearing == nil {
            return (false, false)
        }
        if let sound = hearing?.work.advance(by: share), let hearing {
            try take(sound, of: hearing.window)
        }
        return (heard?.window != before, true)
    }

    /// Silence says so at once, and so does the first sound after it.
    private func begin(_ window: AudioWindow) throws {
        let isLongEnough = window.samples.count >= WindowSchedule.shortestSamples
        let newest = Heard(
            window: window.number, end: window.end, level: isLongEnough ? decibels(window.samples) : nil)
        guard alwaysRuns || newest.gate == .open else {
            (heard, hearing) = (newest, nil)
            return
        }
        if var late = hearing { try take(late.work.finish(), of: late.window) }
        let silence = [Float](repeating: 0, count: WindowSchedule.windowSamples)
        let work = try segmenter.hearing(isLongEnough ? window.samples : silence)
        if economy.spreads, economy.audioHop > .zero, heard?.gate == .open, heard?.sound != nil {
            hearing = (newest, SpreadWork(work))
        } else {
            try take(work.finished(), of: newest)
        }
    }

    private func take(_ sound: HeardSound, of window: Heard) throws {
        try Self.requireFinite(sound.scene + sound.parts.flatMap(\.probabilities), "class scores")
        (heard, hearing) = (window, nil)
        heard?.sound = sound
    }

    /// One for each object slot; nil for those that were not decoded.
    private static func observations(
        _ logits: Tensor, of slots: [Int], _ sound: HeardSound
    ) -> [SlotObservation?] {
        let (height, width) = (logits.shape[1], logits.shape[2])
        var found = [SlotObservation?](repeating: nil, count: sound.parts.count)
        for (row, slot) in slots.enumerated() {
            let (part, mask) = (
                sound.parts[slot],
                logits[row: row].withValues { Mask(logits: $0, width: width, height: height) }
            )
            found[slot] = SlotObservation(mask: mask, probabilities: part.probabilities, token: part.token)
        }
        return found
    }

    /// Lets the model judge the active slots by their looks, too, where it is told to.
    private func look(at slots: inout [SlotObservation?]) throws {
        let active = slots.indices.filter { index in
            slots[index].map { $0.probabilities.indexOfLargest != 0 && tracker.hasArea($0.mask) } ?? false
        }
        guard !active.isEmpty, let judged = try segmenter.look(at: active) else { return }
        try Self.requireFinite(judged.flatMap(\.self), "class scores")
        for (slot, probabilities) in zip(active, judged) { slots[slot]?.probabilities = probabilities }
    }

    /// Fills in labels and objects; an object without a pixel of its own is left out.
    ///
    /// - Parameter tracked: objects with the rows of the logits that are theirs.
    private func draw(_ tracked: [(object: TrackedObject, row: Int)], into analysis: inout FrameAnalysis) {
        guard let logits = analysis.logits, !tracked.isEmpty else {
            analysis.labels = [UInt8](repeating: 0, count: analysis.width * analysis.height)
            return
        }
        let map = LabelMap(
            logits: logits.gathered(tracked.map(\.row)), width: analysis.width, height: analysis.height)
        analysis.labels = map.labels
        for ((object, row), extent) in zip(tracked, map.extents) {
            guard let extent else { continue }
            analysis.objects.append(
                SoundingObject(
                    id: object.id, classIndex: object.classIndex,
                    className: segmenter.classNames[object.classIndex], score: object.score, box: extent.box,
                    area: extent.area, row: row))
        }
    }
}
