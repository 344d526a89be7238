// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Everything that can be on a gradient tape. Each operation's backward stands next to its forward, in `Ops`.
indirect enum Op {
    case reshape(Tensor)
    case rows(Tensor, Range<Int>)
    case unary(tavis_unary_op, x: Tensor, y: Tensor)
    case binary(tavis_binary_op, Tensor, Tensor)
    case binaryScalar(tavis_binary_op, Tensor, Float)
    case linear(x: Tensor, weight: Tensor, bias: Tensor?, residual: Tensor?)
    case matmul(Tensor, Tensor, transposeA: Bool, transposeB: Bool)
    case attention(
        q: HeadColumns, k: HeadColumns, v: HeadColumns, heads: Int, scale: Float, causal: Bool, y: Tensor)
    case rotate(Tensor, cosines: Tensor, sines: Tensor)
    case layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps: Float)
    case softmax(x: Tensor, y: Tensor)
    case sum(Tensor, axis: Int)
    case total(Tensor)
    case permute(Tensor, [Int])
    case slice(Tensor, axis: Int, Range<Int>)
    case `repeat`(Tensor, Int)
    case gather(Tensor, [Int])
    case pad(Tensor)
    case concat([Tensor], axis: Int)
    case windowPartition(Tensor, size: Int)
    case windowUnpartition(Tensor, size: Int, height: Int, width: Int)
    case conv2d(x: Tensor, weight: Tensor, bias: Tensor?, stride: Int, padding: Int)
    case depthwiseConv2d(x: Tensor, weight: Tensor, bias: Tensor?)
    case maxPool2x2(Tensor)
    case resize(Tensor, rows: ResizeFilter, columns: ResizeFilter)
    case upsampleNearest2x(Tensor)
    case maskSums(Tensor, rows: [Int], truth: Tensor)
    case roundToBFloat16(Tensor)
    case checkpoint(GradientCheckpoint)

    /// Tensors that gradients may flow to, in the order of `gradients`.
    var inputs: [Tensor] {
        switch self {
        case .reshape(let x), .rows(let x, _), .unary(_, let x, _), .binaryScalar(_, let x, _),
            .rotate(let x, _, _),
            .softmax(let x, _), .sum(let x, _), .total(let x), .permute(let x, _), .slice(let x, _, _),
            .repeat(let x, _), .gather(let x, _), .pad(let x), .windowPartition(let x, _),
            .windowUnpartition(let x, _, _, _), .maxPool2x2(let x), .resize(let x, _, _),
            .upsampleNearest2x(let x), .maskSums(let x, _, _),
            .roundToBFloat16(let x):
            [x]
        case .binary(_, let a, let b), .matmul(let a, let b, _, _): [a, b]
        case .linear(let x, let weight, let bias, let residual):
            [x, weight] + [bias, residual].compactMap(\.self)
        case .attention(let q, let k, let v, _, _, _, _): [q.tensor, k.tensor, v.tensor]
        case .layerNorm(let x, let weight, let bias, _): [x, weight, bias]
        case .concat(let parts, _): parts
        case .conv2d(let x, let weight, let bias, _, _), .depthwiseConv2d(let x, let weight, let bias):
            [x, weight] + [bias].compactMap(\.self)
        case .checkpoint(let segment): segment.inputs
        }
    }

    /// Gradients of the inputs given that of the result; nil where an input is not tracked.
    func gradients(_ dy: Tensor) -> [Tensor?] {
        switch self {
        case .reshape(let x): [dy.reshaped(x.shape)]
        case .rows(let x, let range): [sliceGradient(dy, of: x.shape, axis: 0, range)]
        case .unary(let op, let x, let y): [unaryGradient(op, dy, x: x, y: y)]
        case .binary(let op, let a, let b): binaryGradients(op, dy, a, b)
        case .binaryScalar(let op, let a, let b): [scalarGradient(op, dy, a, b)]
        case .linear(let x, let weight, let bias, let residual):
            linearGradients(dy, x: x, weight: weight, bias: bias, residual: residual)
        case .matmul(let a, let b, let transposeA, let transposeB):
            matmulGradients(dy, a, b, transposeA: transposeA, transposeB: transposeB)
        case .attention(let q, let k, let v, let heads, let scale, let causal, let y):
            attentionGradients(dy, q, k, v, heads: heads, scale: scale, causal: causal, y: y)
        case .rotate(_, let cosines, let sines): [rotated(dy, cosines: cosines, sines: sines * -1)]
        case .layerNorm(let x, let weight, let bias, let eps):
            layerNormGradients(dy, x: x, weight: weight, bias: bias, eps: eps)
        case .softmax(_, let y): [softmaxGradient(dy, y: y)]
        case .sum(let x, let axis): [sumGradient(dy, of: x.shape, axis: axis)]
        case .total(let x): [Tensor(x.shape, filled: dy.scalar)]
        case .permute(_, let order): [dy.permuted(inverse(of: order))]
        case .slice(let x, let axis, let range): [sliceGradient(dy, of: x.shape, axis: axis, range)]
        case .repeat(let x, let times):
            [dy.reshaped([x.shape[0], times] + x.shape.dropFirst()).sum(axis: 1)]
        case .gather(let x, let indices): [gatherGradient(dy, of: x.shape, indices)]
        case .pad(let x): [dy.cropped(height: x.shape[1], width: x.shape[2])]
        case .concat(let parts, let axis): concatGradients(dy, parts, axis: axis)
        case .windowPartition(let x, let size): [windowPartitionGradient(dy, of: x.shape, size: size)]
        case .windowUnpartition(_, let size, let height, let width):
            [windowUnpartitionGradient(dy, size: size, height: height, width: width)]
        case .conv2d(let x, let weight, let bias, let stride, let padding):
            conv2dGradients(dy, x: x, weight: weight, bias: bias, stride: stride, padding: padding)
        case .depthwiseConv2d(let x, let weight, let bias):
            depthwiseConv2dGradients(dy, x: x, weight: weight, bias: bias)
        case .maxPool2x2(let x): [maxPool2x2Gradient(dy, x: x)]
        case .resize(let x, let rows, let columns):
            [resizeGradient(dy, of: x.shape, rows: rows, columns: columns)]
        case .upsampleNearest2x: [upsampleNearest2xGradient(dy)]
        case .maskSums(let x, let rows, let truth): [maskSumsGradient(dy, x, rows: rows, truth: truth)]
        // A rounding passes its gradient on, itself rounded: what the reference's two casts do.
        case .roundToBFloat16: [dy.roundedToBFloat16()]
        case .checkpoint(let segment): segment.gradients(dy)
        }
    }
}
