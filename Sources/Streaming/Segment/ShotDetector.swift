// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Tells where a shot ends and another one begins, by how much of their colours two pictures share.
///
/// Colours are what stays when things and camera move. ImageBind's image token would do as well, but how much it
/// changes depends on the weights.
struct ShotDetector: Sendable {
    /// Levels of each of the three colours.
    private static let levels = 8

    private let leastShared: Float
    /// Share of the pixels in each of the `levels`³ colours.
    private var colors: [Float]?

    /// - Parameter leastShared: share of the pixels, 0…1, below which two pictures are of different shots.
    init(leastShared: Float) { self.leastShared = leastShared }

    /// Takes in the next picture.
    ///
    /// - Parameter picture: 0…1, `[1, h, w, 3]`.
    /// - Returns: whether a new shot begins with it; never for the first one.
    mutating func begins(with picture: Tensor) -> Bool {
        let new = Self.histogram(picture)
        defer { colors = new }
        guard let colors else { return false }
        return zip(colors, new).reduce(0) { $0 + min($1.0, $1.1) } < leastShared
    }

    private static func histogram(_ picture: Tensor) -> [Float] {
        let pixels = picture.shape[1] * picture.shape[2]
        var counts = [Float](repeating: 0, count: levels * levels * levels)
        picture.withValues { values in
            for pixel in 0..<pixels {
                let bin = (0..<3).reduce(0) { bin, channel in
                    let level = Int(values[3 * pixel + channel] * Float(levels))
                    return bin * levels + max(0, min(levels - 1, level))
                }
                counts[bin] += 1
            }
        }
        return counts.map { $0 / Float(pixels) }
    }
}
