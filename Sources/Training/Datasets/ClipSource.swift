// SPDX-License-Identifier: Apache-2.0
package import Media

/// One frame of a recorded clip, what is heard with it, and the truth.
package struct AnnotatedFrame: Sendable {
    /// The picture at its own size.
    package var image: RGBImage
    /// Class of what sounds at each pixel, row-major, as many as the picture has; 0 is background. Nil where the
    /// dataset has no annotation for the frame.
    package var truth: [UInt8]?
    /// The audio window that goes with the frame: 16 kHz, mono, −1…1, at most 2 s.
    package var sound: [Float]
    /// Classes that the window holds, seen or not; nil where the dataset does not say.
    package var heard: Set<UInt8>?
    /// Class of what is seen at each pixel, sounding or not; nil where the dataset does not say.
    package var visible: [UInt8]?

    package init(
        image: RGBImage, truth: [UInt8]?, sound: [Float], heard: Set<UInt8>? = nil,
        visible: [UInt8]? = nil
    ) {
        self.image = image
        self.truth = truth
        self.sound = sound
        (self.heard, self.visible) = (heard, visible)
    }
}

/// A clip as datasets hand it out: frames in the order of time.
package struct AnnotatedClip: Sendable {
    /// Unique within its dataset.
    package var name: String
    package var frames: [AnnotatedFrame]
    /// Whether the truth says what sounds; see `ClipSource`.
    package var namesClasses = true
    /// Side to which the published loader of this dataset first brings pictures, whatever the model's own; nil where
    /// there is no such loader.
    package var publishedSide: Int?

    package init(name: String, frames: [AnnotatedFrame]) {
        self.name = name
        self.frames = frames
    }
}

/// Clips by index: a folder on disk, or scenes made on the fly.
///
/// Clips are read by several threads at once. The same index gives the same clip.
package protocol ClipSource: Sendable {
    /// Names of the classes in the order of their ids; the first is the background.
    var classes: [String] { get }
    /// Whether the truth says what sounds. Where it only says that something does, its one class has no name to
    /// learn: losses and scores of classes are left out.
    var namesClasses: Bool { get }
    var count: Int { get }
    func clip(_ index: Int) throws -> AnnotatedClip
}

extension ClipSource {
    package var namesClasses: Bool { true }
}
