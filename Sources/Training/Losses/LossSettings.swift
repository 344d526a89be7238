// SPDX-License-Identifier: Apache-2.0

/// Weights and variants of the training losses. The defaults are the released code's.
package struct LossSettings: Codable, Sendable, Equatable {
    /// L_a2t: classes from audio–text similarity.
    package var audioText: Float = 0.5
    /// L_i2t: classes from image–text similarity of what each mask shows. 0 leaves the pass out.
    package var imageText: Float = 0.5
    /// L_a2i, an ablation of the paper: an object's sound against what its mask shows.
    package var audioImage: Float = 0
    /// L_a2pt: pseudo-text against the text of the matched class.
    package var pseudoText: Float = 0.3
    /// L_sep: matched object masks, cross-entropy and IoU.
    package var objectEntropy: Float = 1
    package var objectOverlap: Float = 1
    /// L_binary: the mask of everything that sounds.
    package var sceneEntropy: Float = 1
    package var sceneOverlap: Float = 1
    /// Classes that the undivided sound holds, as a set: no loss of the reference; for training from scratch.
    package var sceneClasses: Float = 0
    /// Classes seen at each place of the picture, sounding or not: as above (`VisibleClassesHead`).
    package var visibleClasses: Float = 0
    /// Class weight of the background in L_a2t and L_i2t.
    package var backgroundWeight: Float = 0.1
    /// Points at which masks are compared for matching.
    package var matchPoints = MatchPoints.officialCount
    /// Classes of at most this many pixels in a clip do not count.
    package var smallestArea = 20

    package init() {}

    /// All weights 1, as the paper states.
    package static let paper: LossSettings = {
        var settings = LossSettings()
        settings.audioText = 1
        settings.imageText = 1
        settings.pseudoText = 1
        return settings
    }()
}
