// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Text-bridged hybrid prompting: audio and pseudo-text joined to one sparse prompt per slot.
///
/// Source: `sam2_train/sam2_video_predictor.py`, `forward` and `infer`.
struct HybridPrompt: Sendable {
    private let selection, embeddings, text, query, scene: Linear
    private let audioMLP, aggregate: MLP
    private let tokens, textDim: Int

    /// - Parameter dim: width of the decoder's prompts.
    init(_ weights: Weights, audioDim: Int, textDim: Int, tokens: Int, dim: Int) throws {
        selection = try Linear(weights["audio_to_text1"], audioDim, tokens)
        embeddings = try Linear(weights["audio_to_texte"], audioDim, tokens * textDim)
        text = try Linear(weights["text_a"], textDim, dim)
        query = try Linear(weights["mlp"], audioDim, dim)
        scene = try Linear(weights["token_all"], audioDim, dim)
        audioMLP = try MLP(weights["audio_MLP"], [dim, dim, dim, dim])
        aggregate = try MLP(weights["aggregate"], [2 * dim, dim, dim, dim])
        (self.tokens, self.textDim) = (tokens, textDim)
    }

    /// - Parameters:
    ///   - queries: `[B, N, A]`, after stage W.
    ///   - objects: `[B, N, A]`, after stage A.
    ///   - token: `[B, A]`, the undivided sound.
    ///   - isTrained: whether gradients flow back through the tower.
    ///   - tower: text trunk read at one position per row: (embeddings `[R, tokens, T]`, positions) → `[R, T]`.
    /// - Returns: sparse prompts `[B, N + 1, dim]`, pseudo-text rows of the objects `[B, N, T]`.
    func callAsFunction(
        queries: Tensor, objects: Tensor, token: Tensor, position: TAViSConfig.PseudoTextPosition,
        isTrained: Bool, tower: (Tensor, [Int]) -> Tensor
    ) -> (sparse: Tensor, pseudoText: Tensor) {
        let (b, n, a) = (objects.shape[0], objects.shape[1], objects.shape[2])
        // All objects first, then the scenes.
        let sources = concat([objects.reshaped(b * n, a), token])
        let positions =
            switch position {
            case .argmax: selection(sources).argmax()
            case .last: Array(repeating: tokens - 1, count: b * (n + 1))
            }
        let found = tower(embeddings(sources).reshaped(b * (n + 1), tokens, textDim), positions)
        let rows = isTrained ? found : found.detached()
        let objectRows = rows[rows: 0..<b * n].reshaped(b, n, textDim)
        let textPrompt = text(
            concat([objectRows, rows[rows: b * n..<b * (n + 1)].reshaped(b, 1, textDim)], axis: 1))
        let audioPrompt = concat([audioMLP(query(queries)), scene(token).reshaped(b, 1, -1)], axis: 1)
        return (aggregate(concat([audioPrompt, textPrompt], axis: 2)), objectRows)
    }
}
