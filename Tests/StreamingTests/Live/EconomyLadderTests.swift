// SPDX-License-Identifier: Apache-2.0
import Media
import Testing

@testable import Streaming

@Suite("Economy")
struct EconomyLadderTests {
    /// Feeds a delay ten times a second from `start` on; gives the levels that were changed to, with their times.
    private func run(
        _ ladder: inout EconomyLadder, delay: Double, from start: Double, seconds: Double
    ) -> [(time: Double, level: Int)] {
        var changes: [(Double, Int)] = []
        for step in 0..<Int(seconds * 10) {
            let now = start + Double(step) / 10
            if ladder.note(delay: .seconds(delay), at: .seconds(now)) { changes.append((now, ladder.level)) }
        }
        return changes
    }

    @Test("late masks go down a level every two seconds, to the last and no further")
    func down() {
        var ladder = EconomyLadder()
        let changes = run(&ladder, delay: 0.4, from: 0, seconds: 30)
        #expect(changes.map(\.level) == Array(1..<Economy.steps.count))
        #expect((changes.first?.time ?? 0) >= 2 && (changes.last?.time ?? 99) <= 12)
    }

    @Test("masks in time leave it where it is; ample time brings it up again, slowly")
    func upAgain() {
        var ladder = EconomyLadder()
        #expect(run(&ladder, delay: 0.2, from: 0, seconds: 60).isEmpty)
        _ = run(&ladder, delay: 0.4, from: 60, seconds: 5)
        // What was late counts until it has been judged.
        _ = run(&ladder, delay: 0.2, from: 65, seconds: 2.5)
        let level = ladder.level
        #expect(level > 0)
        #expect(run(&ladder, delay: 0.2, from: 67.5, seconds: 57.5).isEmpty)
        let changes = run(&ladder, delay: 0.05, from: 125, seconds: 60)
        #expect(changes.map(\.level) == Array((0..<level).reversed()))
        #expect((changes.first?.time ?? 0) >= 134)
    }

    @Test("a step up that has to be taken back makes the next one wait longer each time")
    func hysteresis() {
        var ladder = EconomyLadder()
        // At full quality masks are late, one level down there seems to be time to spare.
        var ups: [Double] = []
        for step in 0..<3000 {
            let now = Double(step) / 10
            let before = ladder.level
            _ = ladder.note(delay: .seconds(before == 0 ? 0.4 : 0.1), at: .seconds(now))
            if ladder.level < before { ups.append(now) }
        }
        let waits = zip(ups, ups.dropFirst()).map { $1 - $0 }
        #expect(waits.count >= 2 && zip(waits, waits.dropFirst()).allSatisfy { $1 > 1.5 * $0 }, "\(ups)")
    }

    @Test("each level is cheaper than the one before, and says what it does without")
    func steps() {
        let costs = Economy.steps.map { $0.side * $0.side / Double($0.everyFrames) / $0.audioHops }
        #expect(zip(costs, costs.dropFirst()).allSatisfy { $0 > $1 })
        #expect(Set(Economy.steps.map(\.text)).count == Economy.steps.count)
        #expect(Economy.steps[0].text == "full quality")
    }
}
