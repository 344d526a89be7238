// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/modeling/memory_encoder.py`.
public import TensorEngine

/// Shrinks a mask of the input's size to the embedding's, in four strided convolutions.
struct MaskDownSampler: Sendable {
    let convs: [Conv2d]
    let norms: [LayerNorm]
    let out: Conv2d

    /// - Parameter widest: channels after the last strided convolution.
    init(_ weights: Weights, dim: Int, widest: Int) throws {
        // Channels grow by the area that a stride takes away.
        let channels = [1] + (0..<4).map { max(1, widest >> (6 - 2 * $0)) }, encoder = weights["encoder"]
        convs = try (0..<4).map {
            try Conv2d(encoder[3 * $0], channels[$0], channels[$0 + 1], kernel: 3, stride: 2, padding: 1)
        }
        norms = try (0..<4).map { try LayerNorm(encoder[3 * $0 + 1], channels[$0 + 1], eps: 1e-6) }
        out = try Conv2d(encoder[12], channels[4], dim, kernel: 1)
    }

    /// `[B, S, S, 1] → [B, S/16, S/16, C]`
    func callAsFunction(_ mask: Tensor) -> Tensor {
        out(zip(convs, norms).reduce(mask) { x, layer in layer.1(layer.0(x)).gelu() })
    }
}

/// ConvNeXt block: a wide depthwise convolution, then a perceptron per pixel, scaled and added.
struct CXBlock: Sendable {
    let depthwise, depthwiseBias, gamma: Tensor
    let norm: LayerNorm
    let pwconv1, pwconv2: Linear

    init(_ weights: Weights, dim: Int) throws {
        depthwise = try weights["dwconv"]("weight", [dim, 1, 7, 7])
        depthwiseBias = try weights["dwconv"]("bias", [dim])
        norm = try LayerNorm(weights["norm"], dim, eps: 1e-6)
        pwconv1 = try Linear(weights["pwconv1"], dim, 4 * dim)
        pwconv2 = try Linear(weights["pwconv2"], 4 * dim, dim)
        gamma = try weights("gamma", [dim])
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let y = norm(depthwiseConv2d(x, depthwise, depthwiseBias))
        return x + pwconv2(pwconv1(y, activation: .gelu)) * gamma
    }
}

/// Makes a memory of an image and a mask on it.
public struct MemoryEncoder: Sendable {
    let maskDownSampler: MaskDownSampler
    let pixelProjection: Conv2d
    let fuser: [CXBlock]
    let outProjection: Conv2d

    public init(_ weights: Weights, _ config: SAM2Config) throws {
        let C = config.hiddenDim
        maskDownSampler = try MaskDownSampler(
            weights["mask_downsampler"], dim: C, widest: config.maskEncoderChannels)
        pixelProjection = try Conv2d(weights["pix_feat_proj"], C, C, kernel: 1)
        fuser = try (0..<2).map { try CXBlock(weights["fuser"]["layers"][$0], dim: C) }
        outProjection = try Conv2d(weights["out_proj"], C, config.memoryDim, kernel: 1)
    }

    /// - Parameters:
    ///   - image: embedding without memory `[I, h, w, C]`; I divides B.
    ///   - mask: `[B, 1, S, S]`, ready: probabilities or scaled ones.
    /// - Returns: `[B, h, w, Cm]`
    public func callAsFunction(_ image: Tensor, mask: Tensor) -> Tensor {
        let size = (mask.shape[2], mask.shape[3])
        let down = maskDownSampler(mask.reshaped(-1, size.0, size.1, 1))
        let fused = fuser.reduce(down.adding(shared: pixelProjection(image))) { $1($0) }
        return outProjection(fused)
    }
}
