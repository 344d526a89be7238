// SPDX-License-Identifier: Apache-2.0
import Foundation
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
            if ladder.note(.init(delay: .seconds(delay)), at: .seconds(now)) {
                changes.append((now, ladder.level))
            }
        }
        return changes
    }

    @Test("late masks go down a level every two seconds, to the last and no further")
    func down() {
        var ladder = EconomyLadder()
        let changes = run(&ladder, delay: 0.4, from: 0, seconds: 30)
        #expect(changes.map(\.level) == Array(1...ladder.lastLevel) && ladder.lastLevel > 5)
        #expect(
            (changes.first?.time ?? 0) >= 2 && (changes.last?.time ?? 99) <= 2.2 * Double(ladder.lastLevel))
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
            _ = ladder.note(.init(delay: .seconds(before == 0 ? 0.4 : 0.1)), at: .seconds(now))
            if ladder.level < before { ups.append(now) }
        }
        let waits = zip(ups, ups.dropFirst()).map { $1 - $0 }
        #expect(waits.count >= 2 && zip(waits, waits.dropFirst()).allSatisfy { $1 > 1.5 * $0 }, "\(ups)")
    }

    @Test("each level asks for less than the one before, and says what it does without")
    func steps() {
        for profile in EconomyProfile.allCases {
            let steps = profile.economy.ladder(skipsFrames: true)
            #expect(steps[0] == profile.economy && steps.count > 3)
            for (one, next) in zip(steps, steps.dropFirst()) {
                #expect(next.audioHop >= one.audioHop && next.imageHop >= one.imageHop)
                #expect(next.memoryHop >= one.memoryHop && next.side <= one.side)
                #expect(next.everyFrames >= one.everyFrames && next != one && next.slots == one.slots)
            }
            let texts = steps.map { $0.text(comparedTo: steps[0]) }
            #expect(Set(texts).count == texts.count && texts[0] == "full quality")
            #expect(profile.economy.ladder(skipsFrames: false).allSatisfy { $0.everyFrames == 1 })
        }
        let last = Economy().ladder(skipsFrames: true).last?.text(comparedTo: Economy())
        #expect(
            last
                == "sound heard every 1 s, image token every 1 s, remembered every 1 s, pictures at 50 % of their side, one frame in 4 segmented"
        )
    }

    /// A source of 30 frames per second, of which the newest is worked on for `seconds(level)`; or a file, of which
    /// every frame is.
    private func play(
        _ ladder: inout EconomyLadder, from start: Double, for length: Double, isFile: Bool,
        work seconds: (Int) -> Double
    ) {
        var now = start
        while now < start + length {
            let work = seconds(ladder.level)
            now = isFile ? now + work : max(now + work, ((now * 30).rounded(.down) + 1) / 30)
            let note = EconomyLadder.Note(
                delay: isFile ? .zero : .seconds(work), work: .seconds(work), sourceRate: isFile ? nil : 30)
            _ = ladder.note(note, at: .seconds(now))
        }
    }

    @Test("a frame rate that is asked for is reached and held, live and in files", arguments: [false, true])
    func frameRate(isFile: Bool) {
        var settings = EconomyLadder.Settings()
        (settings.ceiling, settings.frameRate) = (isFile ? nil : .seconds(1), 15)
        var ladder = EconomyLadder(settings)
        // Each level saves a fifth: level 3 is the first below 1/15 s.
        play(&ladder, from: 0, for: 20, isFile: isFile) { 0.12 * pow(0.8, Double($0)) }
        #expect(ladder.level == 3)
        // Held, for a step up would be too slow again.
        play(&ladder, from: 21, for: 60, isFile: isFile) { 0.12 * pow(0.8, Double($0)) }
        #expect(ladder.level == 3)
        // Frames are not left out for it.
        #expect(EconomyLadder(settings).lastLevel < EconomyLadder().lastLevel)
    }

    @Test("no more frames are asked for than come; what can be given back is given back")
    func easyRate() {
        var settings = EconomyLadder.Settings()
        settings.frameRate = 60
        var ladder = EconomyLadder(settings)
        play(&ladder, from: 0, for: 30, isFile: false) { _ in 0.01 }
        #expect(ladder.level == 0)
        settings.ceiling = nil
        var file = EconomyLadder(settings)
        play(&file, from: 0, for: 20, isFile: true) { _ in 0.1 }
        #expect(file.level == file.lastLevel)
        play(&file, from: 21, for: 600, isFile: true) { _ in 0.005 }
        #expect(file.level == 0)
    }
}
