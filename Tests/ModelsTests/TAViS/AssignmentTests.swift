// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine
import Testing

@Suite("Assignment")
struct AssignmentTests {
    @Test("the cheapest of all permutations is found", arguments: 1...5)
    func cheapest(n: Int) {
        var random = SplitMix(seed: UInt64(n))
        for _ in 0..<50 {
            let cost = (0..<n).map { _ in (0..<n).map { _ in Float(random.next() % 100) / 10 - 5 } }
            let found = minimumCostAssignment(cost)
            #expect(found.sorted() == Array(0..<n))
            #expect(abs(total(cost, found) - permutations(n).map { total(cost, $0) }.min()!) < 1e-4)
        }
    }

    @Test("nothing is assigned to nothing")
    func empty() { #expect(minimumCostAssignment([]).isEmpty) }

    private func total(_ cost: [[Float]], _ columns: [Int]) -> Float {
        columns.enumerated().reduce(0) { $0 + cost[$1.offset][$1.element] }
    }

    private func permutations(_ n: Int) -> [[Int]] {
        guard n > 0 else { return [[]] }
        return permutations(n - 1).flatMap { rest in
            (0..<n).map { position in
                var whole = rest
                whole.insert(n - 1, at: position)
                return whole
            }
        }
    }

    @Test("costs that are no numbers are avoided, and end nothing")
    func notFinite() {
        #expect(minimumCostAssignment([[.nan, 1], [1, .infinity]]) == [1, 0])
        #expect(minimumCostAssignment([[.nan, .nan], [.nan, .nan]]).sorted() == [0, 1])
    }
}
