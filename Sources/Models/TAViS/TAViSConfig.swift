// SPDX-License-Identifier: Apache-2.0

/// Dimensions and switches of TAViS. The defaults are the released code's behaviour.
public struct TAViSConfig: Codable, Sendable, Equatable {
    public var sam2: SAM2Config
    public var imageBind: ImageBindConfig
    /// Object queries N; slot N is the whole scene.
    public var queries = 5
    /// Embeddings generated for the pseudo-text.
    public var pseudoTextTokens = 6
    /// Width of the audio vector that feeds the trunk adapters, and of their hidden layer.
    public var adapterDim = 128
    public var adapterHidden = 512
    /// Side of the picture that ImageBind sees.
    public var imageBindSide = 112
    public var audioPairing = AudioPairing.matched
    public var pseudoTextPosition = PseudoTextPosition.argmax
    public var classScore = ClassScore.softmax
    public var maskChoice = MaskChoice.bestOfThree
    /// In training, whether gradients reach the pseudo-text's embeddings through the text tower. The released code cuts
    /// them off there; the paper does not.
    public var trainsPseudoText = false

    /// Which of the decoder's masks a slot shows.
    public enum MaskChoice: String, Codable, Sendable {
        /// Of the three for ambiguous prompts the one whose predicted IoU is highest, as in the reference.
        case bestOfThree
        /// The single mask: for models trained from scratch, whose IoU head no loss has trained.
        case single
    }

    /// Whose audio a query attends to in stage A when a call holds several samples.
    public enum AudioPairing: String, Codable, Sendable {
        /// Its own sample's.
        case matched
        /// Sample `row mod B`, as the released training code pairs them by mistake; the same for one sample.
        case tiled
    }

    /// Which position of the pseudo-text is read out.
    public enum PseudoTextPosition: String, Codable, Sendable {
        /// Where the six selection logits are largest.
        case argmax
        /// The last one, which sees all embeddings.
        case last
    }

    /// How audio–text and image–text similarity are added where both are used.
    public enum ClassScore: String, Codable, Sendable {
        /// The two softmax rows, as in the matching cost.
        case softmax
        /// The scaled logits.
        case logits
        /// The plain cosines.
        case cosine
    }

    public init(sam2: SAM2Config, imageBind: ImageBindConfig) {
        self.sam2 = sam2
        // Every frame counts as prompted, and the released builder makes prompted masks binary.
        self.sam2.binarizesMaskFromPointsForMemory = true
        self.imageBind = imageBind
    }

    /// SAM 2.0-L and ImageBind-Huge, as published.
    public static let large = TAViSConfig(sam2: .large(version: .v2_0, imageSize: 224), imageBind: .huge)

    /// Mask slots: the objects, then the whole scene.
    public var slots: Int { queries + 1 }
    /// Index of the slot that is prompted by the undivided sound.
    public var sceneSlot: Int { queries }
}
