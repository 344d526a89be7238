// SPDX-License-Identifier: Apache-2.0
package import Media
package import TensorEngine

/// A spectrogram as a picture: time to the right, pitch upwards, brighter where louder.
package enum Spectrogram {
    /// Log-mel values from black to white, in units of the normalised spectrogram: a quiet room to a shout.
    private static let range: ClosedRange<Float> = -0.9...1.1

    /// - Parameter mel: normalised, `[bins, frames]`.
    package static func image(_ mel: Tensor) -> RGBImage {
        let (bins, frames) = (mel.shape[0], mel.shape[1])
        let pixels = mel.withValues { values in
            (0..<bins * frames).flatMap { i -> [UInt8] in
                let (row, column) = (i / frames, i % frames)
                return color(values[(bins - 1 - row) * frames + column])
            }
        }
        return RGBImage(width: frames, height: bins, pixels: pixels)
    }

    /// From black by violet and orange to pale yellow.
    private static func color(_ value: Float) -> [UInt8] {
        let share = (value - range.lowerBound) / (range.upperBound - range.lowerBound)
        let t = min(1, max(0, share))
        return [t.squareRoot(), t * t * t * 0.6 + t * 0.35, max(0, (1 - t) * t * 2.2 + t * t * t * 0.6)]
            .map { UInt8(255 * min(1, $0)) }
    }
}
