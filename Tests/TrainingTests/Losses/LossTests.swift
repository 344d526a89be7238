// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import TestSupport
import Testing

@testable import Training

@Suite("losses equal their formulas")
struct LossTests {
    private let logits = Tensor(
        SeededWeights.input("input.losses.logits", shape: [3, 40], scale: 3), shape: [3, 40])
    private let truth = Tensor((0..<120).map { $0 % 3 == 0 || $0 / 40 == 2 ? 1 : 0 }, shape: [3, 40])

    private func sigmoid(_ x: Float) -> Double { 1 / (1 + exp(-Double(x))) }

    @Test("cross-entropy of masks")
    func entropy() {
        let expected =
            zip(logits.values, truth.values)
            .map { $1 == 1 ? -log(sigmoid($0)) : -log(1 - sigmoid($0)) }.reduce(0, +) / 120
        #expect(abs(Double(binaryCrossEntropy(logits, truth).scalar) - expected) < 1e-6)
        let huge = Tensor([200, -200], shape: [2])
        #expect(binaryCrossEntropy(huge, Tensor([0, 1], shape: [2])).scalar == 200)
    }

    @Test("of some masks alone, in any order, and their gradient")
    func someMasks() throws {
        let leaf = logits.tracked()
        let compared = MaskComparison(leaf, rows: [2, 0], truth: truth.gathered([2, 0]))
        let expected = binaryCrossEntropy(leaf[rows: 0..<1], truth[rows: 0..<1])
        #expect(abs(compared.entropy(1..<2).scalar - expected.scalar) < 1e-6)
        let found = try #require(gradients(of: compared.entropy(1..<2))[leaf]).values
        let plain = try #require(gradients(of: expected)[leaf]).values
        #expect(zip(found, plain).allSatisfy { abs($0 - $1) < 1e-7 })
    }

    @Test("overlap of masks; an empty truth is a constant without a gradient")
    func overlap() throws {
        let rows = (0..<3).map { row -> Double in
            let pairs = (0..<40).map { (sigmoid(logits[row, $0]), Double(truth[row, $0])) }
            let inside = pairs.reduce(0) { $0 + $1.0 * $1.1 }
            return 1 - inside / (pairs.reduce(0) { $0 + $1.0 + $1.1 } - inside + 1e-6)
        }
        func overlap(_ logits: Tensor, _ truth: Tensor) -> Tensor {
            MaskComparison(logits, rows: [0, 1, 2], truth: truth).overlap(0..<3)
        }
        #expect(abs(Double(overlap(logits, truth).scalar) - rows.reduce(0, +) / 3) < 1e-6)
        let leaf = logits.tracked()
        let loss = overlap(leaf, Tensor([3, 40]))
        #expect(loss.scalar == 1)
        #expect(try #require(gradients(of: loss)[leaf]).values.allSatisfy { $0 == 0 })
    }

    @Test("weighted cross-entropy of classes")
    func classes() {
        let labels = [0, 7, 39]
        let weights = [0.1, 1, 1]
        let nll = labels.enumerated().map { row, label -> Double in
            let sum = (0..<40).reduce(0) { $0 + exp(Double(logits[row, $1])) }
            return log(sum) - Double(logits[row, label])
        }
        let expected = zip(weights, nll).reduce(0) { $0 + $1.0 * $1.1 } / weights.reduce(0, +)
        let found = weightedCrossEntropy(logits, labels: labels, backgroundWeight: 0.1)
        #expect(abs(Double(found.scalar) - expected) < 1e-5)
    }

    @Test("classes of few pixels in a whole clip do not count")
    func smallClasses() {
        let frames: [[UInt8]] = [[0, 1, 1, 2], [0, 1, 3, 2]]
        #expect(withoutSmallClasses(frames, area: 2) == [[0, 1, 1, 0], [0, 1, 0, 0]])
        #expect(withoutSmallClasses(frames, area: 0) == frames)
    }
}

@Suite("slots and classes are matched")
struct SlotMatchingTests {
    private static let side = 8
    private let points = MatchPoints(count: 400, seed: 3)

    /// A slot that marks the rows of a range.
    private func mask(_ rows: Range<Int>, _ inside: Float = 5) -> [Float] {
        (0..<Self.side * Self.side).map { rows.contains($0 / Self.side) ? inside : -5 }
    }

    private func target(_ label: UInt8, _ rows: Range<Int>) -> TargetMask {
        TargetMask(label: label, values: mask(rows).map { $0 > 0 ? 1 : 0 })
    }

    private func match(_ slots: [[Float]], _ targets: [TargetMask], scores: [Float]? = nil) -> [SlotMatch] {
        let logits = Tensor(slots.flatMap(\.self), shape: [slots.count, Self.side, Self.side])
        let scores = Tensor(
            scores ?? Array(repeating: 0.25, count: 4 * slots.count), shape: [slots.count, 4])
        return matchSlots(logits: logits, scores: [scores], targets: targets, points: points)
    }

    @Test("by their masks, in the order of slots")
    func byMask() {
        let found = match([mask(4..<8), mask(0..<1), mask(0..<4)], [target(1, 0..<4), target(2, 4..<8)])
        #expect(found == [SlotMatch(slot: 0, label: 2), SlotMatch(slot: 2, label: 1)])
    }

    @Test("by their classes where masks are alike")
    func byClass() {
        let scores: [Float] = [0, 0.1, 0.9, 0, 0, 0.9, 0.1, 0]
        let found = match([mask(0..<8), mask(0..<8)], [target(1, 0..<4), target(2, 4..<8)], scores: scores)
        #expect(found == [SlotMatch(slot: 0, label: 2), SlotMatch(slot: 1, label: 1)])
    }

    @Test("with more classes than slots the worst fit is left out; without classes nothing is matched")
    func uneven() {
        let targets = [target(1, 0..<2), target(2, 2..<4), target(3, 4..<8)]
        let found = match([mask(4..<8), mask(0..<2)], targets)
        #expect(found == [SlotMatch(slot: 0, label: 3), SlotMatch(slot: 1, label: 1)])
        #expect(match([mask(0..<2)], []).isEmpty)
    }

    @Test("points sample bilinearly with zeros outside")
    func sampling() {
        let map: [Float] = [1, 2, 3, 4]
        let points = MatchPoints([0.25, 0.25, 0.5, 0.5, 0, 0.25, 0.75, 0.75])
        let found = map.withUnsafeBufferPointer { points.sample($0, side: 2) }
        #expect(found == [1, 2.5, 0.5, 4])
    }
}

@Suite("the learning rate")
struct LearningRateTests {
    @Test("falls along a cosine after a warm-up")
    func cosine() {
        var rate = LearningRate()
        (rate.start, rate.end, rate.warmup) = (1, 0, 10)
        #expect(rate(0, of: 110, stepsPerEpoch: 1) == 0.1)
        #expect(rate(9, of: 110, stepsPerEpoch: 1) == 1)
        #expect(abs(rate(60, of: 110, stepsPerEpoch: 1) - 0.5) < 1e-6)
        #expect(rate(109, of: 110, stepsPerEpoch: 1) < 0.001)
    }

    @Test("changes once per epoch as in the released code")
    func epochs() {
        var rate = LearningRate()
        rate.shape = .cosinePerEpoch
        let found = (0..<40).map { rate($0, of: 40, stepsPerEpoch: 10) }
        #expect(Set(found[0..<10]).count == 1 && Set(found).count == 4)
        #expect(found[0] == 3e-5)
        #expect(abs(found[20] - (1e-7 + (3e-5 - 1e-7) / 2)) < 1e-9)
    }
}

@Suite("weights to start from")
struct InitialWeightsTests {
    @Test("follow from seed and key; norms are 1, biases 0, layers within ±1/√fan-in")
    func values() throws {
        let weights = InitialWeights(seed: 1)
        #expect(try weights.tensor("a.norm.weight", shape: [3]).values == [1, 1, 1])
        #expect(try weights.tensor("a.bias", shape: [2]).values == [0, 0])
        let layer = try weights.tensor("a.weight", shape: [50, 16])
        #expect(layer.values.allSatisfy { abs($0) <= 0.25 } && layer.values.contains { abs($0) > 0.2 })
        #expect(try InitialWeights(seed: 1).tensor("a.weight", shape: [50, 16]).values == layer.values)
        #expect(try InitialWeights(seed: 2).tensor("a.weight", shape: [50, 16]).values != layer.values)
        #expect(try weights.tensor("b.weight", shape: [50, 16]).values != layer.values)
    }
}
