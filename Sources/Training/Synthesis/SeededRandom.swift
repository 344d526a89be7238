// SPDX-License-Identifier: Apache-2.0

/// SplitMix64: the same numbers from the same seed, on every machine and with every compiler.
package struct SeededRandom: Sendable {
    private var state: UInt64

    /// - Parameter stream: sets draws for different purposes from one seed apart.
    package init(_ seed: UInt64, stream: UInt64 = 0) {
        state = seed
        state = next() ^ (stream &* 0xD1B5_4A32_D192_ED03)
        state = next()
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// 0 ..< 1.
    package mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }

    package mutating func float(_ range: ClosedRange<Float>) -> Float {
        range.lowerBound + (range.upperBound - range.lowerBound) * unit()
    }

    package mutating func double(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * (Double(next() >> 11) * 0x1p-53)
    }

    package mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    package mutating func chance(_ probability: Float) -> Bool { unit() < probability }

    package mutating func sign() -> Float { chance(0.5) ? 1 : -1 }

    /// - Precondition: `items` is not empty.
    package mutating func pick<T>(_ items: [T]) -> T { items[int(0...items.count - 1)] }

    /// An index, as likely as its weight. The weights are not all zero.
    package mutating func index(weights: [Float]) -> Int {
        var rest = unit() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() where weight > 0 {
            if rest < weight { return index }
            rest -= weight
        }
        return weights.lastIndex { $0 > 0 } ?? 0
    }

    package mutating func shuffled<T>(_ items: [T]) -> [T] {
        var items = items
        for last in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(last, int(0...last)) }
        return items
    }

    /// Eight numbers in 0 ..< 1.
    mutating func eight() -> SIMD8<Float> {
        var numbers = SIMD8<Float>()
        for index in 0..<8 { numbers[index] = unit() }
        return numbers
    }
}
