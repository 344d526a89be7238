// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/modeling/memory_attention.py`, `RoPEAttention` of `sam/transformer.py`.
public import TensorEngine

/// Memories as attention reads them: maps of whole frames first, then object pointers.
public struct MemoryTokens: Sendable {
    /// `[B, Nk, Cm]`
    public let values: Tensor
    /// Added to keys, not to values. `[B or 1, Nk, Cm]`
    public let positions: Tensor
    /// How many tokens at the end belong to pointers: they are not rotated.
    public let pointerTokens: Int

    public init(values: Tensor, positions: Tensor, pointerTokens: Int) {
        self.values = values
        self.positions = positions
        self.pointerTokens = pointerTokens
    }
}

/// One pre-norm layer: the image attends to itself, then to memories. One head.
struct MemoryAttentionLayer: Sendable {
    let selfAttention, crossAttention: RotaryAttention
    let norm1, norm2, norm3: LayerNorm
    let linear1, linear2: Linear

    init(_ weights: Weights, _ config: SAM2Config) throws {
        let C = config.hiddenDim, H = config.memoryAttentionHidden
        selfAttention = try RotaryAttention(weights["self_attn"], C, keyDim: C)
        crossAttention = try RotaryAttention(weights["cross_attn_image"], C, keyDim: config.memoryDim)
        linear1 = try Linear(weights["linear1"], C, H)
        linear2 = try Linear(weights["linear2"], H, C)
        norm1 = try LayerNorm(weights["norm1"], C, eps: 1e-5)
        norm2 = try LayerNorm(weights["norm2"], C, eps: 1e-5)
        norm3 = try LayerNorm(weights["norm3"], C, eps: 1e-5)
    }

    /// `x [I, M, C]`; `keys` and `values [B, Nk, Cm]`. I divides B: each image serves B / I objects in a row, and is not
    /// repeated before it must. → `[B, M, C]`
    func callAsFunction(_ x: Tensor, keys: Tensor, values: Tensor, pointerTokens: Int, _ table: RotaryTable)
        -> Tensor
    {
        var n = norm1(x)
        var x = selfAttention(n, n, n, table, residual: x)
        n = norm2(x)
        if x.shape[0] < keys.shape[0] { x = x.repeated(keys.shape[0] / x.shape[0]) }
        x = crossAttention(n, keys, values, table, unrotated: pointerTokens, residual: x)
        n = norm3(x)
        return linear2(linear1(n, activation: .relu), residual: x)
    }
}

/// Single-head attention whose queries and keys are turned by their place on the map.
struct RotaryAttention: Sendable {
    let qProj, kProj, vProj, outProj: Linear

    init(_ weights: Weights, _ dim: Int, keyDim: Int) throws {
        qProj = try Linear(weights["q_proj"], dim, dim)
        kProj = try Linear(weights["k_proj"], keyDim, dim)
        vProj = try Linear(weights["v_proj"], keyDim, dim)
        outProj = try Linear(weights["out_proj"], dim, dim)
    }

    /// - Parameters:
    ///   - q: of fewer entries than `k` where several of those share one.
    ///   - unrotated: keys at the end that have no place on a map.
    func callAsFunction(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ table: RotaryTable, unrotated: Int = 0, residual: Tensor
    ) -> Tensor {
        var queries = rotated(qProj(q), cosines: table.cosines, sines: table.sines)
        if q.shape[0] < k.shape[0] { queries = queries.repeated(k.shape[0] / q.shape[0]) }
        var keys = kProj(k)
        let spatial = keys.shape[1] - unrotated
        if unrotated == 0 {
            keys = rotated(keys, cosines: table.cosines, sines: table.sines)
        } else {
            let maps = keys.sliced(axis: 1, 0..<spatial)
            keys = concat(
                [
                    rotated(maps, cosines: table.cosines, sines: table.sines),
                    keys.sliced(axis: 1, spatial..<keys.shape[1]),
                ], axis: 1)
        }
        return outProj(attention(queries, keys, vProj(v), heads: 1), residual: residual)
    }
}

/// Conditions an image on what is remembered.
public struct MemoryAttention: Sendable {
    let layers: [MemoryAttentionLayer]
    let norm: LayerNorm
    private let tables = SizeCache<RotaryTable>()

    public init(_ weights: Weights, _ config: SAM2Config) throws {
        layers = try (0..<config.memoryAttentionLayers).map {
            try MemoryAttentionLayer(weights["layers"][$0], config)
        }
        norm = try LayerNorm(weights["norm"], config.hiddenDim, eps: 1e-5)
    }

    /// - Parameters:
    ///   - image: embedding `[I, h, h, C]`; I divides B: each serves B / I objects in a row.
    ///   - positions: sine encoding of the map `[1, h, h, C]`; a tenth of it is added.
    ///   - memory: of B objects, at least one whole frame, of h·h tokens, or pointers alone.
    ///   - probe: receives `layer0`, … as `[B, M, C]`.
    /// - Returns: `[B, h, h, C]`
    public func callAsFunction(
        _ image: Tensor, positions: Tensor, memory: MemoryTokens, probe: Probe? = nil
    ) -> Tensor {
        let (images, h, w, C) = (image.shape[0], image.shape[1], image.shape[2], image.shape[3])
        precondition(h == w, "MemoryAttention: map \(image.shape) is not square")
        let table = tables(h) { RotaryTable(size: h, dim: C) }
        let keys = memory.values + memory.positions
        var x = (image + positions * 0.1).reshaped(images, h * w, C)
        for (i, layer) in layers.enumerated() {
            x = checkpointed([x, keys, memory.values]) {
                layer($0[0], keys: $0[1], values: $0[2], pointerTokens: memory.pointerTokens, table)
            }
            probe?("layer\(i)", x)
        }
        return norm(x).reshaped(-1, h, w, C)
    }
}
