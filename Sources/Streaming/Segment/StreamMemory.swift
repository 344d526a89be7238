// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine

/// When the memory of a stream is forgotten.
package struct MemorySettings: Sendable, Equatable {
    /// A slot forgets once its sound had another class for this many windows in a row, like the tracker.
    package var windowsToReclassify = 2
    /// A slot forgets once nothing was active in it for this many frames in a row: the length of its bank.
    package var inactiveFrames = 7
    /// All slots forget at a cut: where two pictures share less than this of their colours. Neighbouring frames of
    /// one shot were seen to share 0.92 and more, frames 30 apart 0.73 and more; pictures of different scenes 0.44
    /// and less.
    package var leastSharedColors: Float = 0.6

    package init() {}
}

/// Memories of slots that can be forgotten and moved.
protocol SlotBanks {
    mutating func reset()
    mutating func reset(slot: Int)
    /// Slot i takes over what slot `order[i]` remembers.
    mutating func permute(_ order: [Int])
}

extension SlotMemory: SlotBanks {}

/// What the slots remember over a stream: `Banks` holds it, this decides what is forgotten.
///
/// Nothing ties a slot of one window of sound to the same slot of the next, so memories follow their sounds; and what
/// is remembered of something else is forgotten. The scene's slot stays the scene's: it forgets at cuts only.
struct StreamMemory<Banks: SlotBanks> {
    fileprivate struct History {
        var token: Tensor
        /// What the slot's memories are of, and what it sounds like now.
        var classIndex, newest: Int
        var otherClassWindows = 0
        var inactiveFrames = 0
    }

    private let settings: MemorySettings
    /// Of the object slots; empty until something is heard.
    private var histories: [History] = []
    private(set) var banks: Banks

    init(_ banks: Banks, _ settings: MemorySettings) {
        self.settings = settings
        self.banks = banks
    }

    mutating func forget() { banks.reset() }

    /// Takes in the sound of a new window.
    ///
    /// - Parameters:
    ///   - tokens: of the object slots, `[N, D]`.
    ///   - classes: of the same.
    mutating func hear(tokens: Tensor, classes: [Int]) {
        follow(tokens)
        for slot in classes.indices {
            let token = tokens[row: slot]
            guard slot < histories.count else {
                histories.append(History(token: token, classIndex: classes[slot], newest: classes[slot]))
                continue
            }
            histories[slot].token = token
            if histories[slot].isAnother(classes[slot], after: settings.windowsToReclassify) {
                banks.reset(slot: slot)
            }
        }
    }

    /// Memories go where the likest sound went.
    private mutating func follow(_ tokens: Tensor) {
        guard !histories.isEmpty else { return }
        let before = histories.map(\.token.values)
        let cost = (0..<tokens.shape[0]).map { slot in
            let token = tokens[row: slot].values
            return before.map { -cosine(token, $0) }
        }
        let order = minimumCostAssignment(cost)
        banks.permute(order + [order.count])
        histories = order.map { histories[$0] }
    }

    /// Segments a frame in the light of earlier ones.
    ///
    /// - Parameters:
    ///   - slots: which are decoded; all when nil. What an object slot without a class remembers ages when it is not.
    ///   - isKept: whether the frame is remembered.
    ///   - segment: uses the memory, and extends it where told to; gives the slots' mask logits `[slots, h, w]`.
    mutating func look(
        slots: [Int]? = nil, isKept: Bool = true, _ segment: (inout Banks) -> Tensor
    ) -> Tensor {
        let logits = segment(&banks)
        guard isKept else { return logits }
        let (height, width) = (logits.shape[1], logits.shape[2])
        for slot in histories.indices {
            let row = slots.map { $0.firstIndex(of: slot) } ?? slot
            var isActive = histories[slot].newest != 0
            if isActive, let row {
                let mask = logits[row: row].withValues { Mask(logits: $0, width: width, height: height) }
                isActive = mask.standardArea >= TrackerSettings().minimumArea
            }
            histories[slot].inactiveFrames = isActive ? 0 : histories[slot].inactiveFrames + 1
            // Each further frame, too: what becomes active then begins afresh.
            if histories[slot].inactiveFrames >= settings.inactiveFrames { banks.reset(slot: slot) }
        }
        return logits
    }
}

extension StreamMemory.History {
    /// Whether the slot has become another class's with this window.
    fileprivate mutating func isAnother(_ classIndex: Int, after windows: Int) -> Bool {
        newest = classIndex
        otherClassWindows = classIndex == self.classIndex ? 0 : otherClassWindows + 1
        guard otherClassWindows >= windows else { return false }
        (self.classIndex, otherClassWindows) = (classIndex, 0)
        return true
    }
}
