// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// ImageBind-guided query decomposition: splits the sound of one window into object queries (paper eq. 1–2).
///
/// Undivided, an ablation, an object query is the class token plus what was learnt for its slot, and no attention is
/// built.
/// Source: `sam2_train/sam2_video_predictor.py`, `forward` and `infer`.
struct QueryDecomposition: Sendable {
    private let queries: Tensor
    /// Nil where the sound stays undivided.
    private let stages: DecompositionStages?

    init(_ weights: Weights, dim: Int, queries count: Int, isUndivided: Bool) throws {
        queries = try weights("query_fea_W.weight", [count, dim])
        stages = isUndivided ? nil : try DecompositionStages(weights, dim: dim, queries: count)
    }

    /// - Parameters:
    ///   - audio: trunk tokens without the class token, `[B, 228, D]`.
    ///   - token: trunk class token, `[B, D]`.
    ///   - pairing: which sample's audio a query attends to in stage A.
    /// - Returns: the learnt queries after stage W, `[B, N, D]`, and the object tokens after stage A, `[B, N, D]`;
    ///   undivided, the same tokens for both.
    func callAsFunction(
        audio: Tensor, token: Tensor, pairing: TAViSConfig.AudioPairing
    ) -> (queries: Tensor, objects: Tensor) {
        let (b, d) = (token.shape[0], token.shape[1])
        let scene = token.reshaped(b, 1, d), learnt = queries.tiled(b)
        guard let stages else { return (scene + learnt, scene + learnt) }
        return stages(learnt, scene: scene, audio: audio, pairing: pairing)
    }
}

/// The attention of learnt queries (W) and of object tokens (A) over the sound.
private struct DecompositionStages: Sendable {
    private let positions: Tensor
    private let stageW: CrossAttentionLayer
    private let stageA: [CrossAttentionLayer]
    private let separateAudio: Linear

    /// The four W layers each restart from the learnt queries, so that only the last one has an effect.
    private static let effectiveLayerW = 3
    private static let layersA = 4
    private static let headsW = 8
    private static let headsA = 4

    init(_ weights: Weights, dim: Int, queries count: Int) throws {
        positions = try weights("query_embed_W.weight", [count, dim])
        stageW = try CrossAttentionLayer(
            weights["transformer_cross_attention_layers_W"][Self.effectiveLayerW], dim: dim,
            heads: Self.headsW)
        stageA = try (0..<Self.layersA).map {
            try CrossAttentionLayer(
                weights["transformer_cross_attention_audio"][$0], dim: dim, heads: Self.headsA)
        }
        separateAudio = try Linear(weights["seperate_audio"], dim, dim)  // the reference's spelling
    }

    /// `learnt [B, N, D]`, `scene [B, 1, D]`, `audio [B, 228, D]` → both `[B, N, D]`
    func callAsFunction(
        _ learnt: Tensor, scene: Tensor, audio: Tensor, pairing: TAViSConfig.AudioPairing
    ) -> (queries: Tensor, objects: Tensor) {
        let (b, n, d) = (learnt.shape[0], learnt.shape[1], learnt.shape[2])
        let decomposed = stageW(learnt, position: positions, memory: audio)
        let start = scene + separateAudio(decomposed)
        switch pairing {
        case .matched:
            return (decomposed, stageA.reduce(start) { $1($0, memory: audio) })
        case .tiled:
            let memory = audio.gathered((0..<b * n).map { $0 % b })
            let objects = stageA.reduce(start.reshaped(b * n, 1, d)) { $1($0, memory: memory) }
            return (decomposed, objects.reshaped(b, n, d))
        }
    }
}
