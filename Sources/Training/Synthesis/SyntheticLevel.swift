// SPDX-License-Identifier: Apache-2.0

/// How hard scenes are to see and to hear.
package enum SyntheticLevel: String, CaseIterable, Sendable { case easy, medium, hard }

/// The ranges that scenes of a level are drawn from. Lengths are shares of the shorter side of the picture.
struct Difficulty: Sendable {
    // What is seen.
    var radius: ClosedRange<Float>
    /// How likely 1, 2, 3, 4 and 5 objects are.
    var objectCounts: [Float]
    var backClutter: ClosedRange<Int>
    var frontClutter: ClosedRange<Int>
    /// Distance of two objects that placing tries to keep, in sums of their radii.
    var separation: Float
    /// Chance that an object comes in or goes out during the clip.
    var passing: Float
    var travel: ClosedRange<Float>
    /// Strength of the camera's pan, zoom and roll.
    var camera: Float
    /// Strength of shade, tint and flicker.
    var light: Float
    var grain: ClosedRange<Float>
    /// Chance that an object is of the class of another.
    var twin: Float
    /// Chance that an object has the colours, texture and size of another of a different class.
    var lookAlike: Float

    // What is heard.
    /// Loudness of a voice, in decibels of full scale.
    var voiceLevel: ClosedRange<Float>
    var roomLevel: ClosedRange<Float>
    var reverb: ClosedRange<Float>
    /// Chance that a sound starts or stops within the clip.
    var partial: Float
    /// Chance of another sound whose source is never seen.
    var offScreen: Float
    /// How likely 1, 2 and 3 sounding visible classes are.
    var soundingCounts: [Float]
}

extension SyntheticLevel {
    var difficulty: Difficulty {
        switch self {
        case .easy:
            Difficulty(
                radius: 0.15...0.26, objectCounts: [0.15, 0.45, 0.4, 0, 0], backClutter: 0...4,
                frontClutter: 0...0, separation: 1, passing: 0.1, travel: 0...0.25, camera: 0.25, light: 0.3,
                grain: 0...0.01, twin: 0.04, lookAlike: 0.15, voiceLevel: -24 ... -17, roomLevel: -70 ... -52,
                reverb: 0...0.1, partial: 0.35, offScreen: 0.08, soundingCounts: [0.75, 0.25, 0])
        case .medium:
            Difficulty(
                radius: 0.12...0.22, objectCounts: [0.08, 0.27, 0.35, 0.3, 0], backClutter: 2...8,
                frontClutter: 0...1, separation: 0.8, passing: 0.25, travel: 0...0.5, camera: 0.6, light: 0.6,
                grain: 0...0.02, twin: 0.08, lookAlike: 0.25, voiceLevel: -27 ... -16, roomLevel: -64 ... -46,
                reverb: 0...0.2, partial: 0.5, offScreen: 0.14, soundingCounts: [0.55, 0.35, 0.1])
        case .hard:
            Difficulty(
                radius: 0.09...0.18, objectCounts: [0.04, 0.16, 0.25, 0.3, 0.25], backClutter: 5...14,
                frontClutter: 0...3, separation: 0.55, passing: 0.35, travel: 0.1...0.7, camera: 1, light: 1,
                grain: 0.005...0.035, twin: 0.12, lookAlike: 0.35, voiceLevel: -30 ... -16,
                roomLevel: -58 ... -38, reverb: 0.05...0.3, partial: 0.6, offScreen: 0.2,
                soundingCounts: [0.45, 0.35, 0.2])
        }
    }
}
