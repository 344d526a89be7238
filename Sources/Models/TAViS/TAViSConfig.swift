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
    /// Whether object queries are decomposed from the sound. Without, each is the undivided sound plus what was learnt
    /// for its slot: the ablation without IBQD, table 1 of the paper.
    public var decomposesQueries = true
    /// Ablations of tables 1 and 4.
    public var pseudoText = PseudoText.tower
    /// Whether the picture's ImageBind token is added to the frame's features; an ablation of tables 1 and 4. Without,
    /// nothing is added, not even SAM's embedding of "no mask".
    public var usesDensePrompt = true

    /// What the text half of the prompts is made by.
    public enum PseudoText: String, Codable, CaseIterable, Sendable {
        /// The text tower, from embeddings generated from the sound.
        case tower
        /// A perceptron, from the sound. It is always trained: there is no tower that could cut its gradients off.
        case perceptron
        /// Nothing: prompts come from the sound alone, and what joins the halves takes in only that one.
        case none
    }

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

extension TAViSConfig {
    /// A switch that a file lacks has its default, so that files written before it existed still load.
    public init(from decoder: any Decoder) throws {
        let file = try decoder.container(keyedBy: CodingKeys.self)
        let sam2 = try file.decode(SAM2Config.self, forKey: .sam2)
        self.init(sam2: sam2, imageBind: try file.decode(ImageBindConfig.self, forKey: .imageBind))
        // As written: the other initialiser changes it.
        self.sam2 = sam2
        try file.read(.queries, into: &queries)
        try file.read(.pseudoTextTokens, into: &pseudoTextTokens)
        try file.read(.adapterDim, into: &adapterDim)
        try file.read(.adapterHidden, into: &adapterHidden)
        try file.read(.imageBindSide, into: &imageBindSide)
        try file.read(.audioPairing, into: &audioPairing)
        try file.read(.pseudoTextPosition, into: &pseudoTextPosition)
        try file.read(.classScore, into: &classScore)
        try file.read(.maskChoice, into: &maskChoice)
        try file.read(.trainsPseudoText, into: &trainsPseudoText)
        try file.read(.decomposesQueries, into: &decomposesQueries)
        try file.read(.pseudoText, into: &pseudoText)
        try file.read(.usesDensePrompt, into: &usesDensePrompt)
    }
}

extension KeyedDecodingContainer {
    /// Leaves the value alone where the key is missing.
    fileprivate func read<Value: Decodable>(_ key: Key, into value: inout Value) throws {
        if let found = try decodeIfPresent(Value.self, forKey: key) { value = found }
    }
}
