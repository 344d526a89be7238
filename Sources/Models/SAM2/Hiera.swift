// SPDX-License-Identifier: Apache-2.0
// The trunk of the image encoder. Source: `sam2/modeling/backbones/hieradet.py`.
public import TensorEngine

/// Reports intermediate maps by name, channels last, to tests and research.
public typealias Probe = (_ name: String, _ value: Tensor) -> Void

/// One block: attention within windows or over the whole map, then a perceptron; the first of a stage halves the map.
struct MultiScaleBlock: Sendable {
    let config: HieraConfig.Block
    let norm1, norm2: LayerNorm
    let qkv, proj: Linear
    /// Only where the width changes.
    let shortcut: Linear?
    let mlp: MLP

    init(_ weights: Weights, _ config: HieraConfig.Block, mlpRatio: Int) throws {
        let (d, D) = (config.inputs, config.outputs)
        self.config = config
        norm1 = try LayerNorm(weights["norm1"], d, eps: 1e-6)
        qkv = try Linear(weights["attn"]["qkv"], d, 3 * D)
        proj = try Linear(weights["attn"]["proj"], D, D)
        norm2 = try LayerNorm(weights["norm2"], D, eps: 1e-6)
        mlp = try MLP(weights["mlp"], [D, mlpRatio * D, D], activation: .gelu)
        shortcut = d == D ? nil : try Linear(weights["proj"], d, D)
    }

    /// `[B, H, W, d]` → `[B, H, W, D]`, halved where the block pools
    func callAsFunction(_ x: Tensor) -> Tensor {
        let n = norm1(x)
        // A changed width takes the shortcut from the normalised map.
        let residual = shortcut.map { config.pools ? maxPool2x2($0(n)) : $0(n) } ?? x
        let y = proj(attended(n), residual: residual)
        return mlp(norm2(y), residual: y)
    }

    /// Attention of the normalised map, before the output projection. `[B, H, W, d]` → `[B, H, W, D]`
    private func attended(_ n: Tensor) -> Tensor {
        let (h, w) = (n.shape[1], n.shape[2])
        guard config.window > 0 else {
            return heads(qkv(n))
        }
        // Padding is zero before the projection, so its keys and values are the bias; it is not masked.
        let (windows, height, width) = windowPartition(n, size: config.window)
        let scale = config.pools ? 2 : 1
        return windowUnpartition(
            heads(qkv(windows)), size: config.window / scale, height: height / scale, width: width / scale,
            cropHeight: h / scale, cropWidth: w / scale)
    }

    /// `qkv [N, h, w, 3·D]` → `[N, h, w, D]`, halved where the block pools: then queries are 2×2 maxima.
    private func heads(_ qkv: Tensor) -> Tensor {
        let (n, h, w) = (qkv.shape[0], qkv.shape[1], qkv.shape[2]), D = config.outputs
        let packed = qkv.reshaped(n, h * w, 3 * D)
        let k = HeadColumns(packed, start: D, count: D), v = HeadColumns(packed, start: 2 * D, count: D)
        guard config.pools else {
            return attention(
                HeadColumns(packed, start: 0, count: D), k, v, heads: config.heads
            ).reshaped(n, h, w, D)
        }
        let q = maxPool2x2(qkv.sliced(axis: -1, 0..<D)).reshaped(n, h * w / 4, D)
        return attention(HeadColumns(q), k, v, heads: config.heads).reshaped(n, h / 2, w / 2, D)
    }
}

/// Hierarchical vision transformer: four maps at strides 4, 8, 16 and 32.
struct Hiera: Sendable {
    let patchEmbed: Conv2d
    let background, window: Tensor
    let blocks: [MultiScaleBlock]
    private let positions = SizeCache<Tensor>()

    init(_ weights: Weights, _ config: HieraConfig) throws {
        let E = config.embedDim, window = config.windows[0]
        patchEmbed = try Conv2d(weights["patch_embed"]["proj"], 3, E, kernel: 7, stride: 4, padding: 3)
        background = try weights("pos_embed", [1, E, config.backgroundSize, config.backgroundSize])
        self.window = try weights("pos_embed_window", [1, E, window, window])
        blocks = try config.blocks.enumerated().map {
            try MultiScaleBlock(weights["blocks"][$0], $1, mlpRatio: config.mlpRatio)
        }
    }

    /// - Parameters:
    ///   - image: `[B, S, S, 3]`, normalised.
    ///   - adapters: one vector `[B or 1, inputs of block i]` per block, added to the map before it (TAViS).
    /// - Returns: one map per stage, finest first.
    func callAsFunction(_ image: Tensor, adapters: [Tensor]?, probe: Probe?) -> [Tensor] {
        precondition(adapters == nil || adapters!.count >= blocks.count, "Hiera: too few adapters")
        var stages: [Tensor] = []
        var x = patchEmbed(image)
        probe?("trunk.patch_embed", x)
        x = x + positionEmbedding(size: x.shape[1])
        probe?("trunk.block0_in", x)
        for (i, block) in blocks.enumerated() {
            if let vector = adapters?[i] {
                x = x + (vector.shape[0] == 1 ? vector : vector.reshaped(-1, 1, 1, vector.shape[1]))
            }
            x = checkpointed([x]) { block($0[0]) }
            if i == 0 { probe?("trunk.block0", x) }
            if let stage = block.config.endsStage {
                probe?("trunk.stage\(stage)", x)
                stages.append(x)
            }
        }
        return stages
    }

    /// Bicubic background plus the window's embedding repeated over the map. → `[1, size, size, E]`
    func positionEmbedding(size: Int) -> Tensor {
        positions(size, of: background.isTracked ? background : window) {
            let wide = resize(
                background.permuted(0, 2, 3, 1), rows: .bicubic(from: background.shape[2], to: size),
                columns: .bicubic(from: background.shape[3], to: size))
            let tile = window.permuted(0, 2, 3, 1), side = tile.shape[1], E = tile.shape[3]
            let row = concat(Array(repeating: tile, count: size / side), axis: 2)
            return wide
                + concat(Array(repeating: row, count: size / side), axis: 1).reshaped(1, size, size, E)
        }
    }
}
