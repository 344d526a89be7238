// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/modeling/sam/prompt_encoder.py`.
import Foundation
public import TensorEngine

/// What a point prompt says.
public enum PointLabel: Int, Codable, Sendable {
    case padding = -1
    case negative = 0
    case positive = 1
    case boxTopLeft = 2
    case boxBottomRight = 3
}

/// A click, or a corner of a box.
public struct PromptPoint: Codable, Sendable, Equatable {
    public var x, y: Float
    public var label: PointLabel

    public init(x: Float, y: Float, label: PointLabel) {
        self.x = x
        self.y = y
        self.label = label
    }

    /// A box as the two points that SAM 2 takes it for. They come before any clicks.
    public static func box(x0: Float, y0: Float, x1: Float, y1: Float) -> [PromptPoint] {
        [PromptPoint(x: x0, y: y0, label: .boxTopLeft), PromptPoint(x: x1, y: y1, label: .boxBottomRight)]
    }

    static let empty = PromptPoint(x: 0, y: 0, label: .padding)

    /// From pixels of a picture to pixels of the model's square input.
    func scaled(width: Int, height: Int, to size: Int) -> PromptPoint {
        PromptPoint(
            x: x / Float(width) * Float(size), y: y / Float(height) * Float(size), label: label)
    }
}

/// Turns points into tokens and masks into maps of the embedding's size.
public struct PromptEncoder: Sendable {
    let gaussian: Tensor
    let pointEmbeddings: [Tensor]
    let notAPoint, noMask: Tensor
    let downscale0, downscale1, downscale2: Conv2d
    let norm0, norm1: LayerNorm
    let imageSize, dim: Int
    private let densePositions = SizeCache<Tensor>()

    public init(_ weights: Weights, _ config: SAM2Config) throws {
        let C = config.hiddenDim
        dim = C
        imageSize = config.imageSize
        gaussian = try weights["pe_layer"]("positional_encoding_gaussian_matrix", [2, C / 2])
        pointEmbeddings = try (0..<4).map { try weights["point_embeddings"][$0]("weight", [1, C]) }
        notAPoint = try weights["not_a_point_embed"]("weight", [1, C])
        noMask = try weights["no_mask_embed"]("weight", [1, C])
        let masks = weights["mask_downscaling"]
        downscale0 = try Conv2d(masks[0], 1, 4, kernel: 2, stride: 2)
        norm0 = try LayerNorm(masks[1], 4, eps: 1e-6)
        downscale1 = try Conv2d(masks[3], 4, 16, kernel: 2, stride: 2)
        norm1 = try LayerNorm(masks[4], 16, eps: 1e-6)
        downscale2 = try Conv2d(masks[6], 16, C, kernel: 1)
    }

    /// Tokens of points, and of one padding point after them unless `padded` is false.
    ///
    /// - Parameter points: for each of B prompts equally many, in pixels of the model's input.
    /// - Returns: `[B, P (+ 1), C]`
    public func sparse(_ points: [[PromptPoint]], padded: Bool = true) -> Tensor {
        let rows = points.map { padded ? $0 + [.empty] : $0 }, P = rows.first?.count ?? 0
        precondition(rows.allSatisfy { $0.count == P }, "PromptEncoder: prompts differ in length")
        guard P > 0 else { return Tensor([rows.count, 0, dim]) }
        let half: Float = 0.5, size = Float(imageSize)
        let normalised = Tensor(
            rows.flatMap { $0.flatMap { [($0.x + half) / size, ($0.y + half) / size] } },
            shape: [rows.count, P, 2])
        var tokens = fourier(normalised)
        tokens.withMutableValues { out in
            for (i, point) in rows.joined().enumerated() {
                if point.label == .padding { for c in 0..<dim { out[i * dim + c] = 0 } }
                let embedding = point.label == .padding ? notAPoint : pointEmbeddings[point.label.rawValue]
                embedding.withValues { for c in 0..<dim { out[i * dim + c] += $0[c] } }
            }
        }
        return tokens
    }

    /// - Parameter masks: logits `[B, 1, S/4, S/4]`, or nil for none.
    /// - Returns: `[B, S/16, S/16, C]`; without masks `[1, 1, 1, C]`, the same everywhere.
    public func dense(_ masks: Tensor?) -> Tensor {
        guard let masks else { return noMask.reshaped(1, 1, 1, dim) }
        let (b, h, w) = (masks.shape[0], masks.shape[2], masks.shape[3])
        let x = norm0(downscale0(masks.reshaped(b, h, w, 1))).gelu()
        return downscale2(norm1(downscale1(x)).gelu())
    }

    /// Position of every cell of the image embedding. → `[1, S/16, S/16, C]`
    public func densePositionEncoding() -> Tensor { densePositionEncoding(size: imageSize / 16) }

    func densePositionEncoding(size: Int) -> Tensor {
        densePositions(size) {
            let grid = Tensor(shape: [1, size, size, 2]) { out in
                for i in 0..<size * size {
                    out[2 * i] = (Float(i % size) + 0.5) / Float(size)
                    out[2 * i + 1] = (Float(i / size) + 0.5) / Float(size)
                }
            }
            return fourier(grid)
        }
    }

    /// Random Fourier features of positions in 0…1. `[.., 2] → [.., C]`
    private func fourier(_ positions: Tensor) -> Tensor {
        let n = positions.count / 2, half = dim / 2
        return Tensor(shape: positions.shape.dropLast() + [dim]) { out in
            positions.withValues { p in
                gaussian.withValues { g in
                    for i in 0..<n {
                        let x = 2 * p[2 * i] - 1, y = 2 * p[2 * i + 1] - 1
                        for j in 0..<half {
                            let angle = 2 * Float.pi * (x * g[j] + y * g[half + j])
                            out[i * dim + j] = sin(angle)
                            out[i * dim + half + j] = cos(angle)
                        }
                    }
                }
            }
        }
    }
}
