// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// ImageBind's text tower: a causal transformer over BPE tokens.
///
/// Source: `imagebind/models/multimodal_preprocessors.py`, `TextPreprocessor`; `helpers.py`,
/// `SelectEOSAndProject`.
public struct TextTower: Sendable {
    /// Texts of one pass; bounds the memory that long class lists take.
    private static let batch = 64

    private let table, positions: Tensor
    let blocks: [TransformerBlock]
    private let headNorm: LayerNorm
    private let headWeight: Tensor
    private let config: TowerConfig
    /// Length of the embeddings: learnt, at most 100.
    public let logitScale: Float

    init(_ weights: Weights, _ all: ImageBindConfig) throws {
        config = all.text
        let dim = config.dim
        let preprocessor = weights["modality_preprocessors.text"], trunk = weights["modality_trunks.text"]
        table = try preprocessor["token_embedding"]("weight", [all.vocabulary, dim])
        positions = try preprocessor("pos_embed", [1, all.context, dim])
        let config = config
        blocks = try (0..<config.blocks).map {
            try TransformerBlock(trunk["blocks"][$0], config, extraKeyValue: false)
        }
        let head = weights["modality_heads.text.proj"]
        headNorm = try LayerNorm(head[0], dim, eps: 1e-6)
        headWeight = try head[1]("weight", [all.embeddingDim, dim])
        logitScale = min(
            try weights["modality_postprocessors.text"][1]("log_logit_scale", []).exp().scalar, 100)
    }

    /// Embeddings of token ids, without positions. `[[id]]` of equal lengths → `[N, L, D]`
    public func embed(_ ids: [[Int]]) -> Tensor {
        table.gathered(ids.flatMap(\.self)).reshaped(ids.count, ids.first?.count ?? 0, config.dim)
    }

    /// The residual stream after the last block at one position of each row, without a norm.
    ///
    /// Attention is causal, so what comes after a row's position is never computed, and of the last block only what
    /// is read.
    /// - Parameters:
    ///   - embeddings: without positions, `[N, L, D]`.
    ///   - select: a position per row.
    /// - Returns: `[N, D]`
    public func trunk(_ embeddings: Tensor, select: [Int]) -> Tensor {
        steps(embeddings, select: select) { .done($0) }.finished()
    }

    /// `trunk` in steps; what follows it is none.
    func steps<Result>(
        _ embeddings: Tensor, select: [Int], then: @escaping (Tensor) -> Stepwise<Result>
    ) -> Stepwise<Result> {
        let rows = TokenRows(lengths: select.map { $0 + 1 })
        let padded = embeddings.shape[1]
        let x = tokens(embeddings).reshaped(-1, config.dim)
            .gathered(rows.tokens.map { $0.row * padded + $0.position })
        let last = blocks.count - 1
        return blocks.steps(
            x.reshaped(1, -1, config.dim), rows: x.shape[0], left: 0,
            attended: {
                $1 < last ? $0.attended($2, rows: rows) : $0.attendedLastTokens($2, rows: rows)
            },
            then: { then($0.reshaped(-1, config.dim).gathered(rows.places)) })
    }

    /// The residual stream after the last block at all positions. `[N, L, D] → [N, L, D]`
    func states(_ embeddings: Tensor) -> Tensor {
        blocks.reduce(tokens(embeddings)) { x, block in
            checkpointed([x]) { block($0[0], causal: true) }
        }
    }

    /// Embeddings with positions.
    func tokens(_ embeddings: Tensor) -> Tensor {
        embeddings + positions.sliced(axis: 1, 0..<embeddings.shape[1])
    }

    /// Trunk rows to scaled embeddings. `[N, D] → [N, E]`
    public func head(_ rows: Tensor) -> Tensor { l2Normalize(projected(rows)) * logitScale }

    /// The head before normalisation.
    func projected(_ rows: Tensor) -> Tensor { linear(headNorm(rows), headWeight) }

    /// Texts as token ids, framed and padded to 77, to embeddings and to raw rows at the end token.
    ///
    /// Texts of one length run together, over as many positions as they have.
    public func encode(_ ids: [[Int]]) -> (embedding: Tensor, rows: Tensor) {
        let ends = ids.map { row in
            row.indices.max { row[$0] < row[$1] || (row[$0] == row[$1] && $0 > $1) } ?? 0
        }
        guard !ids.isEmpty else { return (Tensor([0, headWeight.shape[0]]), Tensor([0, config.dim])) }
        var rows = [Tensor?](repeating: nil, count: ids.count)
        // In order of length: gradients add up the same way each time.
        let groups = Dictionary(grouping: ids.indices, by: { ends[$0] }).sorted { $0.key < $1.key }
        for (end, members) in groups {
            for start in stride(from: 0, to: members.count, by: Self.batch) {
                let group = members[start..<min(members.count, start + Self.batch)]
                let found = trunk(
                    embed(group.map { Array(ids[$0][...end]) }),
                    select: Array(repeating: end, count: group.count))
                for (i, member) in group.enumerated() { rows[member] = found[rows: i..<i + 1] }
            }
        }
        let all = concat(rows.compactMap(\.self))
        return (head(all), all)
    }
}
