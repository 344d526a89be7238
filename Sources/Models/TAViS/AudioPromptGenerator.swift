// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// One audio vector for each trunk block, added to every position of the block's input.
///
/// Source: `sam2_train/modeling/backbones/image_encoder.py`, `AudioPromptGenerator`.
struct AudioPromptGenerator: Sendable {
    private let lightweight, shared: [Linear]

    /// - Parameter widths: input width of each trunk block.
    init(_ weights: Weights, audioDim: Int, hidden: Int, widths: [Int]) throws {
        lightweight = try widths.indices.map {
            try Linear(weights["lightweight_mlp_\($0)"][0], audioDim, hidden)
        }
        shared = try widths.enumerated().map { try Linear(weights["shared_mlp"][$0], hidden, $1) }
    }

    /// `audio [B, audioDim]` → one `[B, width]` per block.
    func callAsFunction(_ audio: Tensor) -> [Tensor] {
        zip(lightweight, shared).map { $1($0(audio, activation: .gelu)) }
    }
}
