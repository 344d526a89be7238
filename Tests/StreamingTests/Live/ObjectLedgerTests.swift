// SPDX-License-Identifier: Apache-2.0
import Media
import Testing

@testable import Streaming

@Suite("Objects of a live stream")
struct ObjectLedgerTests {
    /// One frame with objects of these (track number, class, left edge).
    private func frame(_ seconds: Double, _ objects: [(Int, Int, Int)]) -> FrameAnalysis {
        let found = objects.map { id, classIndex, x in
            SoundingObject(
                id: id, classIndex: classIndex, className: "class \(classIndex)", score: 0.75,
                box: Box(x: x, y: 10, width: 20, height: 20), area: 300, row: 0)
        }
        return FrameAnalysis(
            number: 0, time: .seconds(seconds), width: 100, height: 50, gate: .open, level: -20,
            windowEnd: .seconds(seconds), objects: found, labels: [], logits: nil)
    }

    private func take(
        _ ledger: inout ObjectLedger, _ seconds: Double, _ objects: [(Int, Int, Int)]
    ) -> (ids: [Int], kinds: [LiveEvent.Kind]) {
        var analysis = frame(seconds, objects)
        let changes = ledger.take(&analysis)
        return (analysis.objects.map(\.id), changes.map(\.kind))
    }

    @Test("a start, an update each second, an end after two silent seconds")
    func life() {
        var ledger = ObjectLedger()
        #expect(take(&ledger, 0, [(3, 1, 0)]) == ([1], [.start]))
        #expect(take(&ledger, 0.5, [(3, 1, 1)]) == ([1], []))
        #expect(take(&ledger, 1.0, [(3, 1, 2)]) == ([1], [.update]))
        #expect(take(&ledger, 1.5, []) == ([], []))
        #expect(ledger.objects(at: .seconds(1.5)).map(\.state) == [.silent])
        #expect(take(&ledger, 3.0, []) == ([], [.end]))
        #expect(ledger.objects(at: .seconds(3)).map(\.state) == [.lost])
        #expect(take(&ledger, 3.5, []) == ([], []))
        _ = take(&ledger, 31, [])
        #expect(ledger.objects(at: .seconds(31)).isEmpty)
    }

    @Test("what is heard again in the same place keeps its id, whatever number the tracker gives it")
    func returning() {
        var ledger = ObjectLedger()
        _ = take(&ledger, 0, [(1, 1, 0)])
        _ = take(&ledger, 1, [])
        #expect(take(&ledger, 1.5, [(2, 1, 4)]) == ([1], [.update]))
        _ = take(&ledger, 4, [])
        #expect(take(&ledger, 5, [(7, 1, 4)]) == ([1], [.start]))
    }

    @Test("another class, or another place, is another object")
    func others() {
        var ledger = ObjectLedger()
        _ = take(&ledger, 0, [(1, 1, 0)])
        _ = take(&ledger, 1, [])
        #expect(take(&ledger, 1.1, [(2, 2, 0)]).ids == [2])
        #expect(take(&ledger, 1.2, [(3, 1, 70)]).ids == [3])
        // Two at once of one class are two.
        #expect(take(&ledger, 1.3, [(3, 1, 70), (4, 1, 72)]).ids == [3, 4])
    }

    @Test("no more than the limit are remembered, and what is pushed out has ended")
    func limit() {
        var settings = ObjectLedger.Settings()
        settings.limit = 3
        var ledger = ObjectLedger(settings)
        var ends = 0
        for index in 0..<10 {
            let step = take(&ledger, Double(index) * 0.01, [(index, index + 1, 0)])
            #expect(step.ids == [index + 1])
            ends += step.kinds.count { $0 == .end }
        }
        #expect(ledger.objects(at: .seconds(1)).map(\.id) == [8, 9, 10] && ends == 7)
    }

    @Test("without frames objects end as well, and a stream that ends ends them all")
    func endings() {
        var ledger = ObjectLedger()
        _ = take(&ledger, 0, [(1, 1, 0)])
        #expect(ledger.rest(at: .seconds(1.5)).isEmpty)
        #expect(ledger.objects(at: .seconds(1.5)).map(\.state) == [.silent])
        #expect(ledger.rest(at: .seconds(2.5)).map(\.kind) == [.end])
        _ = take(&ledger, 3, [(2, 2, 60)])
        #expect(ledger.close(at: .seconds(4)).map(\.object.id) == [2])
        #expect(ledger.objects(at: .seconds(4)).isEmpty)
    }
}
