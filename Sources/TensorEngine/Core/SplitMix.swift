// SPDX-License-Identifier: Apache-2.0

/// SplitMix64: random numbers that depend on a seed alone, so that a resumed run draws the same ones.
/// Source: Steele, Lea and Flood 2014.
package struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    /// A stream of its own for each part of what a seed decides.
    package init(seed: UInt64, _ parts: UInt64...) {
        var mixed = SplitMix(seed: seed)
        for part in parts { mixed = SplitMix(seed: mixed.next() ^ (part &* 0xD6E8_FEB8_6659_FD93)) }
        self = mixed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var x = state
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }

    /// Uniform in 0 ..< 1.
    package mutating func unit() -> Float { Float(next() >> 40) * 0x1p-24 }
}
