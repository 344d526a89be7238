// SPDX-License-Identifier: Apache-2.0
import Models

/// What the tracker may be told to do differently. Numbers without a remark are the specification's.
package struct TrackerSettings: Sendable, Equatable {
    /// An object appears once it was found in this many audio windows in a row.
    package var windowsToAppear = 2
    /// It vanishes once it was missing in this many windows in a row.
    package var windowsToVanish = 3
    /// As sure as this of a class, or that there is nothing, one window is enough to show an object or to hide it.
    package var sureFrom: Float = 0.7
    /// It counts as another object once it had another class for this many windows in a row.
    package var windowsToReclassify = 2
    /// Smallest mask, in pixels of a 224×224 picture: the area below which training drops a class.
    package var minimumArea: Float = 20
    /// Two objects of one class that overlap more than this (IoU) are one object.
    package var duplicateOverlap: Float = 0.7
    /// Share of the newest window in the averaged class probabilities: an average over about three windows.
    package var smoothing: Float = 0.5

    package init() {}

    /// For windows that lie a second apart: each is taken for what it is.
    package static let independentWindows: TrackerSettings = {
        var settings = TrackerSettings()
        (settings.windowsToAppear, settings.windowsToVanish, settings.smoothing) = (1, 1, 1)
        return settings
    }()
}

/// One object slot of one frame, as the model gives it.
package struct SlotObservation: Sendable {
    package var mask: Mask
    /// Probability of each class; class 0 is the background.
    package var probabilities: [Float]
    /// Audio token of the slot.
    package var token: [Float]

    package init(mask: Mask, probabilities: [Float], token: [Float]) {
        (self.mask, self.probabilities, self.token) = (mask, probabilities, token)
    }
}

/// An object to be shown on this frame.
package struct TrackedObject: Sendable, Equatable {
    /// Counts from 1 and is never used again.
    package var id: Int
    /// Slot of this frame that holds its mask.
    package var slot: Int
    package var classIndex: Int
    /// Averaged probability of the class.
    package var score: Float
}

/// Gives the model's anonymous slots an identity over time, and decides which of them exist.
///
/// The model tells nothing about which slot of one frame is which of the next, nor whether a slot holds anything.
/// As many *lanes* as slots are kept. With each window of sound, slots are assigned to lanes by mask overlap and by
/// likeness of their sound. A lane with a class and a mask in enough audio windows, or in one that is sure of it, becomes an
/// object and gets an id.
package struct ObjectTracker: Sendable {
    private struct Lane: Sendable {
        var slot: Int
        var mask: Mask
        var token: [Float]
        /// Averaged over windows.
        var probabilities: [Float]
        /// Those of the newest window.
        var newest: [Float]
        var foundWindows = 0
        var missedWindows = 0
        var otherClassWindows = 0
        var object: (id: Int, classIndex: Int)?
        /// False while the object surely is not heard; for some windows it is still the same when it comes back.
        var isShown = false
    }

    /// Keeps a lane on its slot where nothing else speaks for one or the other.
    private static let slotChangeCost: Float = 1e-3

    private let settings: TrackerSettings
    private var lanes: [Lane] = []
    private var lastID = 0

    package init(_ settings: TrackerSettings = TrackerSettings()) { self.settings = settings }

    /// Follows the slots into the next frame.
    ///
    /// - Parameters:
    ///   - slots: the object slots of the frame, the same number in each call. Nil for those that were not decoded: not
    ///     with the first frame of a window, and not for those of `objectSlots`.
    ///   - isNewWindow: whether this is the first frame with its audio window. Classes and existence are
    ///     judged once per window.
    package mutating func follow(_ slots: [SlotObservation?], isNewWindow: Bool) -> [TrackedObject] {
        assign(slots, isNewWindow: isNewWindow)
        if isNewWindow {
            for index in lanes.indices { judge(index, isHeard: true) }
        }
        return withoutDuplicates(lanes.filter { $0.isShown && hasArea($0.mask) }).map(Self.shown)
    }

    /// Nothing is heard in this frame's window: nothing is shown, and objects vanish as time goes on.
    package mutating func rest(isNewWindow: Bool) {
        guard isNewWindow else { return }
        for index in lanes.indices { judge(index, isHeard: false) }
    }

    /// Slots of the objects that are shown. Nothing else can be before the next window.
    package var objectSlots: [Int] { lanes.filter(\.isShown).map(\.slot).sorted() }

    private mutating func assign(_ slots: [SlotObservation?], isNewWindow: Bool) {
        guard lanes.count == slots.count else {
            // Nothing is followed yet.
            lanes = slots.enumerated().compactMap { index, slot in
                slot.map {
                    Lane(
                        slot: index, mask: $0.mask, token: $0.token, probabilities: $0.probabilities,
                        newest: $0.probabilities)
                }
            }
            return
        }
        // Within a window a slot's prompt is the same, and so is what it stands for. What is not shown cannot be before the
        // next one: where it is does not matter until then.
        guard isNewWindow else {
            for index in lanes.indices where lanes[index].isShown {
                if let slot = slots[lanes[index].slot] { lanes[index].mask = slot.mask }
            }
            return
        }
        let found = slots.compactMap(\.self)
        precondition(found.count == slots.count, "ObjectTracker: a window begins with all slots")
        let cost = lanes.map { lane in
            found.enumerated().map { index, slot in
                -lane.mask.overlap(with: slot.mask) - cosine(lane.token, slot.token)
                    + (index == lane.slot ? 0 : Self.slotChangeCost)
            }
        }
        for (lane, slot) in minimumCostAssignment(cost).enumerated() {
            lanes[lane].slot = slot
            lanes[lane].mask = found[slot].mask
            lanes[lane].token = found[slot].token
            lanes[lane].newest = found[slot].probabilities
            lanes[lane].probabilities = smoothed(
                lanes[lane].probabilities, towards: found[slot].probabilities)
        }
    }

    private func smoothed(_ average: [Float], towards new: [Float]) -> [Float] {
        zip(average, new).map { $0 + settings.smoothing * ($1 - $0) }
    }

    func hasArea(_ mask: Mask) -> Bool { mask.standardArea >= settings.minimumArea }

    private func isPresent(_ lane: Lane) -> Bool {
        lane.probabilities.indexOfLargest != 0 && hasArea(lane.mask)
    }

    private mutating func judge(_ index: Int, isHeard: Bool) {
        var lane = lanes[index]
        defer { lanes[index] = lane }
        let opinion = lane.newest.indexOfLargest
        let isSure = isHeard && lane.newest[opinion] >= settings.sureFrom
        let hides = isSure && opinion == 0
        // What was before does not count any more.
        if hides || isSure && !lane.isShown { lane.probabilities = lane.newest }
        let found = isHeard && isPresent(lane)
        lane.foundWindows = found ? lane.foundWindows + 1 : 0
        lane.missedWindows = found ? 0 : lane.missedWindows + 1
        if lane.missedWindows >= settings.windowsToVanish { lane.object = nil }
        if hides || lane.object == nil { lane.isShown = false }
        guard found else { return }
        let best = lane.probabilities.indexOfLargest
        lane.otherClassWindows =
            lane.object.map { $0.classIndex != best } ?? false ? lane.otherClassWindows + 1 : 0
        let isAnother = lane.otherClassWindows >= settings.windowsToReclassify
        let appears = lane.object == nil && (isSure || lane.foundWindows >= settings.windowsToAppear)
        if isAnother || appears {
            lastID += 1
            lane.object = (lastID, best)
            lane.otherClassWindows = 0
        }
        lane.isShown = lane.object != nil
    }

    /// Of two overlapping objects of one class, keeps the one that is surer of it.
    private func withoutDuplicates(_ shown: [Lane]) -> [Lane] {
        shown.filter { lane in
            !shown.contains { other in
                other.object?.id != lane.object?.id && other.object?.classIndex == lane.object?.classIndex
                    && (margin(other), lane.object?.id ?? 0) > (margin(lane), other.object?.id ?? 0)
                    && other.mask.overlap(with: lane.mask) > settings.duplicateOverlap
            }
        }
    }

    /// Distance of the class's probability to the best other one.
    private func margin(_ lane: Lane) -> Float {
        guard let own = lane.object?.classIndex else { return -.infinity }
        let others = lane.probabilities.enumerated().lazy.filter { $0.offset != own }.map(\.element)
        return lane.probabilities[own] - (others.max() ?? 0)
    }

    private static func shown(_ lane: Lane) -> TrackedObject {
        guard let object = lane.object else { preconditionFailure("a lane without an object is not shown") }
        return TrackedObject(
            id: object.id, slot: lane.slot, classIndex: object.classIndex,
            score: lane.probabilities[object.classIndex])
    }
}

/// Cosine of the angle between two vectors; 0 where one of them is zero.
func cosine(_ a: [Float], _ b: [Float]) -> Float {
    var (dot, aa, bb) = (Float(0), Float(0), Float(0))
    for (x, y) in zip(a, b) {
        dot += x * y
        aa += x * x
        bb += y * y
    }
    let norm = (aa * bb).squareRoot()
    return norm > 0 ? dot / norm : 0
}

extension [Float] {
    /// Index of the first largest element; 0 for an empty array.
    var indexOfLargest: Int {
        var best = 0
        for (index, value) in enumerated() where value > self[best] { best = index }
        return best
    }
}
