// SPDX-License-Identifier: Apache-2.0
package import Media
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

    /// - Returns: mask logits `[slots, h, w]`: the object slots in the order of `HeardSound.parts`, then the whole
    ///   scene. They cover the whole frame; h and w need not have its proportions.
    func segment(_ frame: VideoFrame) throws -> Tensor

    /// Judges some parts of the newest sound once more, by what the newest frame shows at their slots.
    ///
    /// - Parameter slots: object slots; each is asked for at most once per window.
    /// - Returns: class probabilities of each; nil where classes are told from the sound alone.
    func look(at slots: [Int]) throws -> [[Float]]?

    /// Bytes that earlier frames take.
    var memoryBytes: Int { get }
    /// Forgets earlier frames.
    func forget()
    /// Looks at smaller pictures from now on, or at full ones again.
    ///
    /// - Parameter share: of the full side, 0…1.
    func shrink(to share: Double)
}

extension FrameSegmenter {
    package func look(at slots: [Int]) throws -> [[Float]]? { nil }
    package var memoryBytes: Int { 0 }
    package func forget() {}
    package func shrink(to share: Double) {}
}
