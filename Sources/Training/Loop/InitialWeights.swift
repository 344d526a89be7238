// SPDX-License-Identifier: Apache-2.0
import Foundation
package import TensorEngine

/// Weights to start from when nothing was trained before. The same seed gives the same weights, key by key.
///
/// PyTorch's defaults where the reference leaves them: layers uniform in ±1/√fan-in, embeddings normal, norms 1, biases
/// 0; adapters, positions and learnt tokens of the towers normal with a deviation of 0.02.
package struct InitialWeights: WeightSource {
    private let seed: UInt64
    /// Scale of text embeddings. Cosines times 20 keep the first softmax soft.
    private static let textScale = 20.0
    private static let deviation: Float = 0.02

    package init(seed: UInt64) { self.seed = seed }

    package var keys: Set<String>? { nil }

    package func shape(of key: String, expected: [Int]) -> [Int]? { expected }

    package func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        var random = SplitMix(seed: SeededWeights.fnv1a64(key) ^ seed)
        guard shape.count >= 2 else { return Tensor(shape, filled: Self.constant(key)) }
        let kind = Self.kind(key), bound = 1 / Float(max(1, shape.dropFirst().reduce(1, *))).squareRoot()
        return Tensor(shape: shape) { out in
            for i in out.indices {
                switch kind {
                case .standardNormal: out[i] = random.normal()
                case .narrowNormal: out[i] = Self.deviation * max(-2, min(2, random.normal()))
                case .layer: out[i] = bound * (2 * random.unit() - 1)
                }
            }
        }
    }

    /// Of scalars and vectors.
    private static func constant(_ key: String) -> Float {
        if key.hasSuffix("log_logit_scale") { return key.contains("text") ? Float(log(textScale)) : 0 }
        return key.hasSuffix("weight") || key.hasSuffix("gamma") ? 1 : 0
    }

    private enum Kind { case standardNormal, narrowNormal, layer }

    private static func kind(_ key: String) -> Kind {
        let embeddings = [
            "query_fea_", "query_embed_", "obj_score_token", "iou_token", "mask_tokens", "point_embeddings",
            "not_a_point_embed", "no_mask_embed", "gaussian_matrix",
        ]
        let narrow = [
            "pos_embed", "cls_token", "bias_k", "bias_v", "token_embedding", "prompt_generator", "no_mem_",
            "maskmem_tpos_enc", "no_obj_",
        ]
        if embeddings.contains(where: key.contains) { return .standardNormal }
        return narrow.contains(where: key.contains) ? .narrowNormal : .layer
    }
}

extension SplitMix {
    /// Standard normal, by Box and Muller.
    mutating func normal() -> Float {
        let radius = (-2 * log(Double(1 - unit()))).squareRoot()
        return Float(radius * cos(2 * .pi * Double(unit())))
    }
}
