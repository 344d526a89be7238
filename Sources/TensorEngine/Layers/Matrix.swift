// SPDX-License-Identifier: Apache-2.0

/// The weight of a linear layer, `[outputs, inputs]`: floats, which can be trained, or bytes, which take a quarter of
/// the memory and of the time.
public struct Matrix: Sendable {
    enum Values: Sendable {
        case floats(Tensor)
        case bytes(ByteMatrix)
    }

    let values: Values
    /// Where it stands in its checkpoint.
    let key: String

    init(_ floats: Tensor, key: String) { (values, self.key) = (.floats(floats), key) }
    init(_ bytes: ByteMatrix, key: String) { (values, self.key) = (.bytes(bytes), key) }

    /// Some of the outputs, without a copy.
    public subscript(rows range: Range<Int>) -> Matrix {
        switch values {
        case .floats(let tensor): Matrix(tensor[rows: range], key: key)
        case .bytes(let bytes): Matrix(bytes[rows: range], key: key)
        }
    }
}

/// y = act(x · Wᵀ + b) (+ residual), as with a tensor for `weight`; bytes take no part in training.
public func linear(
    _ x: Tensor, _ weight: Matrix, _ bias: Tensor? = nil, activation: Activation = .none,
    residual: Tensor? = nil
) -> Tensor {
    switch weight.values {
    case .floats(let floats):
        ProductLoss.note(x, floats, key: weight.key)
        return linear(x, floats, bias, activation: activation, residual: residual)
    case .bytes(let bytes):
        return linear(x, bytes, bias, activation: activation, residual: residual)
    }
}
