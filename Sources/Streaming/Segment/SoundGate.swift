// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Why nothing, or something, may be marked on a frame.
package enum SoundGate: String, Sendable {
    /// Something is heard.
    case open
    /// The window is too quiet to hold anything.
    case silent
    /// The sound as a whole is nobody's: the background class wins.
    case background
    /// The input has no sound at all, or none has arrived yet.
    case absent

    /// Level below which a window counts as silent, in dB relative to full scale. A quiet room recorded at a usual
    /// gain lies at −50 to −60; 16-bit dither at −96.
    package static let silenceDecibels: Float = -60

    /// - Parameters:
    ///   - level: of the window, dB relative to full scale; nil without samples.
    ///   - scene: class probabilities of the undivided sound; class 0 is the background.
    package init(level: Float?, scene: [Float]?) {
        guard let level else {
            self = .absent
            return
        }
        if level < Self.silenceDecibels {
            self = .silent
        } else if let scene, scene.indexOfLargest == 0 {
            self = .background
        } else {
            self = .open
        }
    }
}

/// Effective level of samples in −1…1, in dB relative to full scale; nil without samples. At least −120.
package func decibels(_ samples: [Float]) -> Float? {
    guard !samples.isEmpty else { return nil }
    let power = samples.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(samples.count)
    return Float(10 * log10(max(power, 1e-12)))
}
