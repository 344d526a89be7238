// SPDX-License-Identifier: Apache-2.0
import Streaming
import Testing

/// A scene is told by its slots: a class with a square, or nothing.
@Suite("Object tracker")
struct ObjectTrackerTests {
    private let dog = 1, cat = 2
    private var tracker = ObjectTracker()

    @Test("an object appears with its second window, or at once where the model is sure of it")
    mutating func appears() {
        #expect(window([slot(dog, at: 10)]).isEmpty)
        let shown = window([slot(dog, at: 10)])
        #expect(shown.map(\.id) == [1])
        #expect(shown.map(\.classIndex) == [dog])
        tracker = ObjectTracker()
        #expect(window([slot(dog, at: 10, probability: 0.7)]).map(\.classIndex) == [dog])
        tracker = ObjectTracker()
        #expect(window([slot(0, at: 10, probability: 0.6)]).isEmpty)
        #expect(window([slot(dog, at: 10, probability: 0.7)]).map(\.score) == [0.7])
    }

    @Test("what surely is not heard is hidden at once, and is the same when it comes back soon")
    mutating func hides() {
        settle([slot(dog, at: 10, probability: 0.9)])
        let quiet = slot(0, at: 10, probability: 0.7)
        #expect(window([quiet]).isEmpty)
        #expect(tracker.objectSlots.isEmpty)
        #expect(frame([quiet]).isEmpty)
        #expect(window([slot(dog, at: 10, probability: 0.9)]).map(\.id) == [1])
        for _ in 0..<3 { _ = window([quiet]) }
        #expect(window([slot(dog, at: 10, probability: 0.9)]).map(\.id) == [2])
        // Unsure of it, it waits as before: masks do not flicker.
        #expect(window([slot(0, at: 10, probability: 0.6)]).map(\.id) == [2])
    }

    @Test("frames of one window count once")
    mutating func countsWindows() {
        #expect(window([slot(dog, at: 10)]).isEmpty)
        for _ in 0..<10 { #expect(frame([slot(dog, at: 10)]).isEmpty) }
    }

    @Test("an object missing for three windows vanishes, and comes back as another one")
    mutating func vanishes() {
        settle([slot(dog, at: 10)])
        for _ in 0..<2 { #expect(window([slot(0, at: nil)]).isEmpty) }
        #expect(window([slot(dog, at: 10)]).map(\.id) == [1])
        for _ in 0..<3 { _ = window([slot(0, at: nil)]) }
        #expect(settle([slot(dog, at: 10)]).map(\.id) == [2])
    }

    @Test("while nothing is heard objects are forgotten like absent ones")
    mutating func rests() {
        settle([slot(dog, at: 10)])
        tracker.rest(isNewWindow: true)
        tracker.rest(isNewWindow: true)
        #expect(window([slot(dog, at: 10)]).map(\.id) == [1])
        for _ in 0..<3 { tracker.rest(isNewWindow: true) }
        #expect(window([slot(dog, at: 10)]).isEmpty)
    }

    @Test("an object keeps its id when the model moves it to another slot")
    mutating func followsSlots() {
        let (a, b) = (slot(dog, at: 5, token: [1, 0]), slot(cat, at: 30, token: [0, 1]))
        let before = settle([a, b])
        let after = window([b, a])
        #expect(before.map(\.id) == [1, 2])
        #expect(after.map(\.id) == [1, 2])
        #expect(after.map(\.slot) == [1, 0])
    }

    @Test("slots that look the same stay where they are")
    mutating func tiesStay() {
        let same = [
            slot(0, at: nil), slot(0, at: nil), slot(dog, at: 10), slot(0, at: nil), slot(0, at: nil),
        ]
        settle(same)
        for _ in 0..<5 { #expect(window(same).map(\.slot) == [2]) }
    }

    @Test("a mask below 20 pixels of 224² is no object")
    mutating func tooSmall() {
        // 56² logits: one pixel stands for 16.
        #expect(settle([slot(dog, at: 10, side: 1)]).isEmpty)
        #expect(settle([slot(dog, at: 10, side: 2)]).count == 1)
    }

    @Test("an object whose mask is gone is not shown although it still exists")
    mutating func maskGone() {
        settle([slot(dog, at: 10)])
        #expect(frame([slot(dog, at: nil)]).isEmpty)
        #expect(frame([slot(dog, at: 10)]).map(\.id) == [1])
    }

    @Test("the background is no object")
    mutating func background() { #expect(settle([slot(0, at: 10)]).isEmpty) }

    @Test("of two overlapping objects of one class the surer one is kept")
    mutating func duplicates() {
        let sure = slot(dog, at: 10, probability: 0.9), unsure = slot(dog, at: 10, probability: 0.5)
        let shown = settle([unsure, sure])
        #expect(shown.map(\.slot) == [1])
        tracker = ObjectTracker()
        #expect(settle([slot(dog, at: 10), slot(cat, at: 10)]).count == 2)
        tracker = ObjectTracker()
        #expect(settle([slot(dog, at: 5), slot(dog, at: 30)]).count == 2)
    }

    @Test("another class for two windows is another object, one odd window is not")
    mutating func reclassified() {
        settle([slot(dog, at: 10)])
        #expect(window([slot(cat, at: 10, probability: 1)]).map(\.id) == [1])
        #expect(settle([slot(dog, at: 10)]).map(\.id) == [1])
        for _ in 0..<4 { _ = window([slot(cat, at: 10)]) }
        let shown = window([slot(cat, at: 10)])
        #expect(shown.map(\.id) == [2])
        #expect(shown.map(\.classIndex) == [cat])
    }

    @Test("class scores are averaged over windows")
    mutating func averaged() throws {
        settle([slot(dog, at: 10, probability: 0.8)])
        let shown = window([slot(dog, at: 10, probability: 0.6)])
        #expect(abs(try #require(shown.first).score - 0.7) < 1e-6)
    }

    @Test("ids are never used again")
    mutating func idsGrow() {
        var last = 0
        for _ in 0..<20 {
            let id = settle([slot(dog, at: 10)]).first?.id ?? 0
            #expect(id > last)
            last = id
            for _ in 0..<3 { _ = window([slot(0, at: nil)]) }
        }
    }

    @Test("between windows it is enough to know the slots of objects that exist")
    mutating func someSlots() {
        let (quiet, a, b) = (
            slot(0, at: nil, token: [1, 1]), slot(dog, at: 5, token: [1, 0]),
            slot(cat, at: 30, token: [0, 1])
        )
        #expect(tracker.objectSlots.isEmpty)
        settle([a, quiet, b])
        #expect(tracker.objectSlots == [0, 2])
        #expect(tracker.follow([a, nil, b], isNewWindow: false).map(\.id) == [1, 2])
        // Both have gone to the place of the other.
        let (farA, farB) = (slot(dog, at: 30, token: [1, 0]), slot(cat, at: 5, token: [0, 1]))
        let all = frame([farA, quiet, farB])
        #expect(tracker.follow([farA, nil, farB], isNewWindow: false) == all)
        #expect(window([quiet, a, b]).map(\.slot) == [1, 2])
        #expect(tracker.objectSlots == [1, 2])
    }

    // MARK: Telling scenes

    private mutating func window(_ slots: [SlotObservation]) -> [TrackedObject] {
        tracker.follow(slots, isNewWindow: true)
    }

    private mutating func frame(_ slots: [SlotObservation]) -> [TrackedObject] {
        tracker.follow(slots, isNewWindow: false)
    }

    @discardableResult
    private mutating func settle(_ slots: [SlotObservation]) -> [TrackedObject] {
        _ = window(slots)
        return window(slots)
    }

    private func slot(
        _ label: Int, at position: Int?, side: Int = 8, probability: Float = 0.6, token: [Float] = [1, 1]
    ) -> SlotObservation {
        var probabilities = [Float](repeating: (1 - probability) / 2, count: 3)
        probabilities[label] = probability
        var pixels = [Bool](repeating: false, count: 56 * 56)
        if let position {
            for y in position..<position + side {
                for x in position..<position + side { pixels[y * 56 + x] = true }
            }
        }
        return SlotObservation(
            mask: Mask(width: 56, height: 56, pixels: pixels), probabilities: probabilities, token: token)
    }
}
