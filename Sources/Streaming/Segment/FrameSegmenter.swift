// SPDX-License-Identifier: Apache-2.0
package import Media
package import Models
package import TensorEngine

/// What a window of sound says by itself.
package struct HeardSound: Sendable {
    /// One of the sounds that the window was taken apart into.
    package struct Part: Sendable {
        /// Of each class; class 0 is the background.
        package var probabilities: [Float]
        package var token: [Float]

        package init(probabilities: [Float], token: [Float]) {
            (self.probabilities, self.token) = (probabilities, token)
        }
    }

    /// One for each object slot.
    package var parts: [Part]
    /// Class probabilities of the undivided sound.
    package var scene: [Float]

    package init(parts: [Part], scene: [Float]) { (self.parts, self.scene) = (parts, scene) }
}

/// The model as the stream sees it. Used from one thread.
package protocol FrameSegmenter: AnyObject {
    /// By class index; 0 is the background.
    var classNames: [String] { get }

    /// Takes in the sound of the frames to come. All that depends on the sound is computed here and used together,
    /// until the next call.
    ///
    /// - Parameter samples: mono, 16 kHz, −1…1; at least one 25 ms frame, at most 2 s.
    func hear(_ samples: [Float]) throws -> HeardSound

    /// `hear` in steps: what is computed is used once the last of them is done.
    func hearing(_ samples: [Float]) throws -> Stepwise<HeardSound>

    /// - Parameter slots: which to give, the object slots counted as `HeardSound.parts` are; nil gives these and then the
    ///   whole scene, unless that is the only part.
    /// - Returns: mask logits `[slots, h, w]`. They cover the whole frame; h and w need not have its proportions.
    func segment(_ frame: VideoFrame, slots: [Int]?) throws -> Tensor

    /// Judges some parts of the newest sound once more, by what the newest frame shows at their slots.
    ///
    /// - Parameter slots: object slots that the newest frame gave; each is asked for at most once per window.
    /// - Returns: class probabilities of each; nil where classes are told from the sound alone.
    func look(at slots: [Int]) throws -> [[Float]]?

    /// Whether frames see earlier ones.
    var remembers: Bool { get }
    /// Bytes that earlier frames take.
    var memoryBytes: Int { get }
    /// Forgets earlier frames.
    func forget()
    /// Works so from now on, as far as it is the model that decides on it.
    func use(_ economy: Economy)
}

extension FrameSegmenter {
    package func hearing(_ samples: [Float]) throws -> Stepwise<HeardSound> { .done(try hear(samples)) }
    package func look(at slots: [Int]) throws -> [[Float]]? { nil }
    package var remembers: Bool { false }
    package var memoryBytes: Int { 0 }
    package func forget() {}
    package func use(_ economy: Economy) {}
}
