// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// TAViS: ImageBind and SAM 2 coupled through text, for audio-visual segmentation (ICCV 2025).
///
/// A frame is segmented in two parts: `audioPrompts` does all work that depends on the sound alone and may serve many
/// frames; `segment` does the rest. Slots 0 … N−1 are object queries, slot N is everything that sounds; they do not
/// interact, so any subset can be asked for.
/// Source: `sam2_train/sam2_video_predictor.py`, `infer`.
public struct TAViS: Sendable {
    public internal(set) var config: TAViSConfig
    public let imageBind: ImageBind
    public let sam2: SAM2
    private let decomposition: QueryDecomposition
    private let prompt: HybridPrompt
    private let adapters: AudioPromptGenerator
    /// Nil without dense prompts.
    private let down: Linear?
    private let adapterInput: Linear

    /// - Parameter weights: root of a TAViS checkpoint: SAM 2 keys, `imagebind.`, and the added ones.
    public init(_ weights: Weights, _ config: TAViSConfig) throws {
        let audioDim = config.imageBind.audio.dim, textDim = config.imageBind.text.dim
        self.config = config
        imageBind = try ImageBind(weights["imagebind"], config.imageBind)
        sam2 = try SAM2(weights, config.sam2)
        decomposition = try QueryDecomposition(
            weights, dim: audioDim, queries: config.queries, isUndivided: !config.decomposesQueries)
        prompt = try HybridPrompt(
            weights, config.pseudoText, audioDim: audioDim, textDim: textDim,
            tokens: config.pseudoTextTokens, dim: config.sam2.hiddenDim)
        adapters = try AudioPromptGenerator(
            weights["image_encoder"]["prompt_generator"], audioDim: config.adapterDim,
            hidden: config.adapterHidden,
            widths: config.sam2.trunk.blocks.map(\.inputs))
        down =
            config.usesDensePrompt
            ? try Linear(weights["down"], config.imageBind.vision.dim, config.sam2.hiddenDim) : nil
        adapterInput = try Linear(weights["mlp_audio"], audioDim, config.adapterDim)
    }

    /// Weights that only training uses, in the checkpoints of its runs.
    package static let teacherPrefix = "teacher."

    /// Keys of a published checkpoint that have no effect, so that nothing is built from them.
    public static func isUnused(_ key: String) -> Bool {
        let dead = [
            "no_mask_embed.", "text_prompt_all.", "query_fea_H.", "query_embed_H.", "transformer_CA.",
            "CEloss.",
            "transformer_cross_attention_layers_H.", "sam_mask_decoder.decoder_norm.",
            "sam_mask_decoder.audio_score.",
            "transformer_cross_attention_layers_W.0.", "transformer_cross_attention_layers_W.1.",
            "transformer_cross_attention_layers_W.2.",
        ]
        if dead.contains(where: key.hasPrefix) || key.hasPrefix(teacherPrefix) { return true }
        if key.hasPrefix("imagebind.") { return ImageBind.isOtherModality(String(key.dropFirst(10))) }
        // One more adapter branch exists than the trunk has blocks.
        return key.hasPrefix("image_encoder.prompt_generator.")
    }

    /// Weights that the published training leaves as they are: ImageBind, and the image encoder but for its adapters.
    public static func isFrozenAsPublished(_ key: String) -> Bool {
        key.hasPrefix("imagebind.")
            || key.contains("image_encoder") && !key.contains("prompt_generator")
    }

    /// What a window of sound contributes to the frames it is used for.
    public struct AudioPrompts: Sendable {
        /// One prompt per slot, `[B, slots, 256]`; the scene's alone, `[B, 1, 256]`, where no more was asked for.
        public let sparse: Tensor
        /// One vector per trunk block, `[B, width]`.
        public let adapters: [Tensor]
        /// Slots that can be decoded.
        public var slots: Int { sparse.shape[1] }
        /// Learnt queries after stage W, `[B, N, 768]`; the same as `objects` without decomposition. Of no rows, as all
        /// that is told of objects, where only the scene was asked for.
        public let queries: Tensor
        /// Object tokens after stage A, `[B, N, 768]`: what the classes of slots 0 … N−1 are read from.
        public let objects: Tensor
        /// Class token of the whole sound, `[B, 768]`.
        public let scene: Tensor
        /// Raw text rows of the objects' pseudo-text, `[B, N, 1024]`; 0 without pseudo-text.
        public let pseudoText: Tensor

        /// The prompts of some of the samples.
        public subscript(rows range: Range<Int>) -> AudioPrompts {
            AudioPrompts(
                sparse: sparse[rows: range], adapters: adapters.map { $0[rows: range] },
                queries: queries[rows: range], objects: objects[rows: range], scene: scene[rows: range],
                pseudoText: pseudoText[rows: range])
        }
    }

    /// - Parameters:
    ///   - mel: normalised log-mel of 2 s windows, `[B, 128, 204]`.
    ///   - sceneOnly: see `audioPrompts(tokens:sceneOnly:)`.
    public func audioPrompts(mel: Tensor, sceneOnly: Bool = false) -> AudioPrompts {
        audioPromptSteps(mel: mel, sceneOnly: sceneOnly).finished()
    }

    /// `audioPrompts(mel:sceneOnly:)` in steps.
    public func audioPromptSteps(mel: Tensor, sceneOnly: Bool = false) -> Stepwise<AudioPrompts> {
        var text: Float = 0
        if config.pseudoText == .tower {
            let sources = mel.shape[0] * (sceneOnly ? 1 : config.slots)
            text = imageBind.text.blocks.work(rows: sources * config.pseudoTextTokens)
        }
        return imageBind.audio.steps(mel, left: text) { audioPromptSteps(tokens: $0, sceneOnly: sceneOnly) }
    }

    /// - Parameters:
    ///   - tokens: audio trunk output, class token first, `[B, 229, 768]`.
    ///   - sceneOnly: gives the prompt of everything that sounds alone, as its only slot: the sound is not taken apart,
    ///     and one pseudo-text is made instead of six.
    public func audioPrompts(tokens: Tensor, sceneOnly: Bool = false) -> AudioPrompts {
        audioPromptSteps(tokens: tokens, sceneOnly: sceneOnly).finished()
    }

    private func audioPromptSteps(tokens: Tensor, sceneOnly: Bool) -> Stepwise<AudioPrompts> {
        let b = tokens.shape[0], d = tokens.shape[2]
        let scene = tokens.sliced(axis: 1, 0..<1).reshaped(b, d)
        let audio = tokens.sliced(axis: 1, 1..<tokens.shape[1])
        let none = Tensor([b, 0, d])
        let (queries, objects) =
            sceneOnly ? (none, none) : decomposition(audio: audio, token: scene, pairing: config.audioPairing)
        func prompts(_ rows: Tensor?) -> Stepwise<AudioPrompts> {
            let (sparse, pseudoText) = prompt(queries: queries, objects: objects, token: scene, rows: rows)
            // The mean of a linear map is the map of the mean.
            let vectors = adapters(adapterInput(audio.mean(axis: 1)))
            return .done(
                AudioPrompts(
                    sparse: sparse, adapters: vectors, queries: queries, objects: objects, scene: scene,
                    pseudoText: pseudoText))
        }
        switch prompt.text(objects: objects, token: scene, position: config.pseudoTextPosition) {
        case .tower(let embeddings, let positions):
            return imageBind.text.steps(embeddings, select: positions) {
                prompts(config.trainsPseudoText ? $0 : $0.detached())
            }
        case .made(let rows): return prompts(rows)
        case nil: return prompts(nil)
        }
    }

    /// The dense prompt of a frame, added to every position of its features.
    ///
    /// - Parameter image: 0 … 1, no mean or deviation removed, `[B, 112, 112, 3]`.
    /// - Returns: `[B, 256]`; 0 without dense prompts.
    public func densePrompt(image: Tensor) -> Tensor { densePromptSteps(image: image).finished() }

    /// `densePrompt` in steps.
    public func densePromptSteps(image: Tensor) -> Stepwise<Tensor> {
        guard let down else { return .done(Tensor([image.shape[0], config.sam2.hiddenDim])) }
        return imageBind.vision.steps(image, firstTokenOnly: true) { token in
            .done(down(token.reshaped(token.shape[0], -1)))
        }
    }

    /// The slots' masks on one frame, or on one frame each of B samples: then row b · slots + slot is sample b's.
    public struct FramePrediction: Sendable {
        /// Mask logits at a quarter of the input side, `[slots, S/4, S/4]`: of three candidates the best.
        public let logits: Tensor
        /// All candidates, `[slots, 3, S/4, S/4]`; one where the configuration takes the single mask.
        public let candidates: Tensor
        /// Predicted IoU of the candidates, `[slots, 3]`.
        public let iou: Tensor
        /// Decoder tokens of the candidates, `[slots, 3, 256]`.
        public let tokens: Tensor
        /// Presence logits, `[slots, 1]`.
        public let objectScores: Tensor
        /// Chosen candidate of each slot.
        public let best: [Int]
    }

    /// Frame features under the sound's adapters.
    ///
    /// - Parameter image: normalised with ImageNet's mean and deviation, `[1, S, S, 3]`.
    public func features(image: Tensor, prompts: AudioPrompts) -> ImageFeatures {
        sam2.imageEncoder(image, adapters: prompts.adapters)
    }

    /// One frame by itself, as in the official test: no memory is read.
    ///
    /// - Parameters:
    ///   - image: normalised with ImageNet's mean and deviation, `[B, S, S, 3]`, S a multiple of 32.
    ///   - dense: `[B, 256]` of the same frames.
    ///   - slots: which to decode, of those that there are prompts of; all when nil.
    public func segment(
        image: Tensor, prompts: AudioPrompts, dense: Tensor, slots: [Int]? = nil
    ) -> FramePrediction {
        segment(features(image: image, prompts: prompts), prompts: prompts, dense: dense, slots: slots)
    }

    /// The same on features made before.
    public func segment(
        _ features: ImageFeatures, prompts: AudioPrompts, dense: Tensor, slots: [Int]? = nil
    ) -> FramePrediction {
        decode(
            sam2.withoutMemory(features.embedding), features: features, prompts: prompts, dense: dense,
            slots: slots)
    }

    /// - Parameter conditioned: features with or without memory, `[B or B · slots, s, s, 256]`.
    func decode(
        _ conditioned: Tensor, features: ImageFeatures, prompts: AudioPrompts, dense: Tensor, slots: [Int]?
    ) -> FramePrediction {
        let all = prompts.sparse, c = all.shape[2]
        let chosen = slots.map { concat($0.map { all.sliced(axis: 1, $0..<$0 + 1) }, axis: 1) } ?? all
        let decoded = sam2.decode(
            features, image: conditioned, sparse: chosen.reshaped(-1, 1, c),
            dense: dense.reshaped(-1, 1, 1, c))
        let output = sam2.maskDecoder.select(decoded, multimask: config.maskChoice == .bestOfThree)
        let (candidates, iou) = (output.masks, output.iou)
        let choices = candidates.shape[1], side = candidates.shape[2]
        let best = iou.argmax()
        let logits = candidates.reshaped(-1, side, side).gathered(
            best.enumerated().map { $0 * choices + $1 })
        return FramePrediction(
            logits: logits, candidates: candidates, iou: iou, tokens: output.tokens,
            objectScores: output.objectScores, best: best)
    }
}
