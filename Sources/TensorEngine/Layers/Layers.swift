// SPDX-License-Identifier: Apache-2.0

/// x · Wᵀ + b. `[.., in] → [.., out]`; keys `weight [out, in]`, `bias [out]`.
public struct Linear: Sendable {
    public let weight: Matrix
    public let bias: Tensor?

    public init(_ weights: Weights, _ inputs: Int, _ outputs: Int, bias: Bool = true) throws {
        weight = try weights.matrix("weight", [outputs, inputs])
        self.bias = bias ? try weights("bias", [outputs]) : nil
    }

    public func callAsFunction(_ x: Tensor, activation: Activation = .none, residual: Tensor? = nil) -> Tensor
    {
        linear(x, weight, bias, activation: activation, residual: residual)
    }
}

/// Normalisation over the last axis, which on channels-last maps is the reference's `LayerNorm2d` too.
public struct LayerNorm: Sendable {
    public let weight, bias: Tensor
    public let eps: Float

    public init(_ weights: Weights, _ dim: Int, eps: Float) throws {
        weight = try weights("weight", [dim])
        bias = try weights("bias", [dim])
        self.eps = eps
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { layerNorm(x, weight, bias, eps: eps) }
}

/// Convolution of channels-last maps; keys `weight [out, in, k, k]`, `bias [out]`.
public struct Conv2d: Sendable {
    public let weight: Tensor
    public let bias: Tensor?
    public let stride, padding: Int

    public init(
        _ weights: Weights, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
        bias: Bool = true
    ) throws {
        weight = try weights("weight", [outputs, inputs, kernel, kernel])
        self.bias = bias ? try weights("bias", [outputs]) : nil
        self.stride = stride
        self.padding = padding
    }

    public func callAsFunction(_ x: Tensor, activation: Activation = .none) -> Tensor {
        conv2d(x, weight, bias, stride: stride, padding: padding, activation: activation)
    }
}

/// Transposed convolution with kernel = stride; keys `weight [in, out, k, k]`, `bias [out]`.
public struct ConvTranspose2d: Sendable {
    public let weight, bias: Tensor

    public init(_ weights: Weights, _ inputs: Int, _ outputs: Int, kernel: Int) throws {
        weight = try weights("weight", [inputs, outputs, kernel, kernel])
        bias = try weights("bias", [outputs])
    }

    public func callAsFunction(_ x: Tensor) -> Tensor { convTranspose2d(x, weight, bias) }
}

/// Linear layers in a row with an activation between them; keys `layers.0`, `layers.1`, …
/// Source: `sam2/modeling/sam2_utils.py`, `MLP`.
public struct MLP: Sendable {
    public let layers: [Linear]
    let activation: Activation

    /// - Parameter dims: widths from input to output, e.g. `[256, 256, 256, 32]` for three layers.
    public init(_ weights: Weights, _ dims: [Int], activation: Activation = .relu) throws {
        layers = try (0..<dims.count - 1).map { try Linear(weights["layers"][$0], dims[$0], dims[$0 + 1]) }
        self.activation = activation
    }

    public func callAsFunction(_ x: Tensor, residual: Tensor? = nil) -> Tensor {
        layers.indices.reduce(x) { x, i in
            i + 1 < layers.count ? layers[i](x, activation: activation) : layers[i](x, residual: residual)
        }
    }
}
