// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Text-bridged hybrid prompting: audio and pseudo-text joined to one sparse prompt per slot.
///
/// Source: `sam2_train/sam2_video_predictor.py`, `forward` and `infer`.
struct HybridPrompt: Sendable {
    /// Nil for prompts of sound alone.
    private let pseudoText: PseudoText?
    private let query, scene: Linear
    private let audioMLP, aggregate: MLP
    private let textDim: Int

    /// - Parameters:
    ///   - kind: what makes the text half; only what it needs is built.
    ///   - dim: width of the decoder's prompts.
    init(
        _ weights: Weights, _ kind: TAViSConfig.PseudoText, audioDim: Int, textDim: Int, tokens: Int, dim: Int
    ) throws {
        pseudoText = try PseudoText(
            weights, kind, audioDim: audioDim, textDim: textDim, tokens: tokens, dim: dim)
        query = try Linear(weights["mlp"], audioDim, dim)
        scene = try Linear(weights["token_all"], audioDim, dim)
        audioMLP = try MLP(weights["audio_MLP"], [dim, dim, dim, dim])
        let halves = kind == .none ? 1 : 2
        aggregate = try MLP(weights["aggregate"], [halves * dim, dim, dim, dim])
        self.textDim = textDim
    }

    /// The text that sound is put into; nil for prompts of sound alone.
    ///
    /// - Parameters:
    ///   - objects: `[B, N, A]`, after stage A.
    ///   - token: `[B, A]`, the undivided sound.
    func text(
        objects: Tensor, token: Tensor, position: TAViSConfig.PseudoTextPosition
    ) -> PseudoText.Rows? {
        let (b, n, a) = (objects.shape[0], objects.shape[1], objects.shape[2])
        // All objects first, then the scenes.
        return pseudoText?.rows(
            n > 0 ? concat([objects.reshaped(b * n, a), token]) : token, position: position)
    }

    /// - Parameters:
    ///   - queries: `[B, N, A]`, after stage W; N of 0 gives the scene's prompt alone.
    ///   - objects: `[B, N, A]`, after stage A.
    ///   - token: `[B, A]`, the undivided sound.
    ///   - rows: what the pseudo-text of the objects and the scene became, `[B · (N + 1), T]`; nil where there is none.
    /// - Returns: sparse prompts `[B, N + 1, dim]`, pseudo-text rows of the objects `[B, N, T]`: 0 where there are none.
    func callAsFunction(
        queries: Tensor, objects: Tensor, token: Tensor, rows: Tensor?
    ) -> (sparse: Tensor, pseudoText: Tensor) {
        let (b, n) = (objects.shape[0], objects.shape[1])
        var audioPrompt = scene(token).reshaped(b, 1, -1)
        if n > 0 { audioPrompt = concat([audioMLP(query(queries)), audioPrompt], axis: 1) }
        guard let pseudoText, let rows else { return (aggregate(audioPrompt), Tensor([b, n, textDim])) }
        let objectRows = rows[rows: 0..<b * n].reshaped(b, n, textDim)
        let sceneRows = rows[rows: b * n..<b * (n + 1)].reshaped(b, 1, textDim)
        let textPrompt = pseudoText.prompt(n > 0 ? concat([objectRows, sceneRows], axis: 1) : sceneRows)
        return (aggregate(concat([audioPrompt, textPrompt], axis: 2)), objectRows)
    }
}

/// Text rows made from sound, and prompts made from them.
struct PseudoText: Sendable {
    /// Rows, one per source.
    enum Rows {
        /// What the text tower gives at one position of each: embeddings `[R, tokens, T]`.
        case tower(embeddings: Tensor, positions: [Int])
        /// `[R, T]`
        case made(Tensor)
    }

    /// Text rows to prompts, `[.., T] → [.., dim]`.
    let prompt: Linear
    private let maker: Maker
    private let textDim: Int

    private enum Maker {
        /// Embeddings for the text tower, and where its result is read out.
        case tower(selection: Linear, embeddings: Linear)
        case perceptron(MLP)
    }

    /// Nil where prompts have no text half.
    init?(
        _ weights: Weights, _ kind: TAViSConfig.PseudoText, audioDim: Int, textDim: Int, tokens: Int, dim: Int
    ) throws {
        switch kind {
        case .none: return nil
        case .tower:
            maker = .tower(
                selection: try Linear(weights["audio_to_text1"], audioDim, tokens),
                embeddings: try Linear(weights["audio_to_texte"], audioDim, tokens * textDim))
        case .perceptron:
            // Of as many layers as the perceptrons that it stands beside; the paper does not say.
            maker = .perceptron(
                try MLP(weights["pseudo_text_mlp"], [audioDim, textDim, textDim, textDim]))
        }
        prompt = try Linear(weights["text_a"], textDim, dim)
        self.textDim = textDim
    }

    /// Of `sources [R, A]`.
    func rows(_ sources: Tensor, position: TAViSConfig.PseudoTextPosition) -> Rows {
        switch maker {
        case .perceptron(let perceptron): return .made(perceptron(sources))
        case .tower(let selection, let embeddings):
            let generated = embeddings(sources).reshaped(sources.shape[0], -1, textDim)
            let positions =
                switch position {
                case .argmax: selection(sources).argmax()
                case .last: Array(repeating: generated.shape[1] - 1, count: sources.shape[0])
                }
            return .tower(embeddings: generated, positions: positions)
        }
    }
}
