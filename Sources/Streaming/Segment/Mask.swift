// SPDX-License-Identifier: Apache-2.0

/// A binary picture, row-major.
package struct Mask: Sendable, Equatable {
    package let width, height: Int
    package let pixels: [Bool]

    package init(width: Int, height: Int, pixels: [Bool]) {
        precondition(pixels.count == width * height, "Mask: \(pixels.count) pixels for \(width)×\(height)")
        (self.width, self.height, self.pixels) = (width, height, pixels)
    }

    /// What lies above a logit of zero, i.e. above a probability of one half.
    package init(logits: UnsafeBufferPointer<Float>, width: Int, height: Int) {
        self.init(width: width, height: height, pixels: logits.map { $0 > 0 })
    }

    package var area: Int { pixels.reduce(0) { $1 ? $0 + 1 : $0 } }

    /// The area as if the mask had 224×224 pixels.
    var standardArea: Float { Float(area) * (224 * 224) / Float(width * height) }

    /// Intersection over union; 0 where both are empty, and between masks of different sizes.
    package func overlap(with other: Mask) -> Float {
        guard width == other.width, height == other.height else { return 0 }
        var intersection = 0, union = 0
        for (a, b) in zip(pixels, other.pixels) where a || b {
            union += 1
            if a && b { intersection += 1 }
        }
        return union == 0 ? 0 : Float(intersection) / Float(union)
    }
}
