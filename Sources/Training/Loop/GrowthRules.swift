// SPDX-License-Identifier: Apache-2.0
import Models

/// Which weights of a small model become which of a larger one: trunks may be wider and have more blocks in a stage, and
/// the decoder and memory may be wider.
struct GrowthRules {
    /// Old number of each trunk block; nil for a new one, which comes last in its stage.
    private let oldBlocks: [Int?]
    private let trunk: HieraConfig
    private let decoderHeads: Int
    /// What prompts are made of: sound, and text unless that is left out.
    private let promptHalves: Int
    /// Width of the trunk's first stage and of the decoder, new over old.
    private let widening: (trunk: Float, decoder: Float)

    init(from old: TAViSConfig, to new: TAViSConfig) throws {
        var fitted = old
        fitted.sam2.trunk.embedDim = new.sam2.trunk.embedDim
        fitted.sam2.trunk.stages = new.sam2.trunk.stages
        fitted.sam2.trunk.globalAttentionBlocks = new.sam2.trunk.globalAttentionBlocks
        fitted.sam2.imageSize = new.sam2.imageSize
        fitted.sam2.hiddenDim = new.sam2.hiddenDim
        fitted.sam2.decoderHidden = new.sam2.decoderHidden
        fitted.sam2.memoryAttentionHidden = new.sam2.memoryAttentionHidden
        let (a, b) = (old.sam2, new.sam2)
        let pairs = [
            (a.trunk.embedDim, b.trunk.embedDim), (a.hiddenDim, b.hiddenDim),
            (a.decoderHidden, b.decoderHidden), (a.memoryAttentionHidden, b.memoryAttentionHidden),
        ]
        guard fitted == new, a.trunk.stages.count == b.trunk.stages.count,
            (pairs + zip(a.trunk.stages, b.trunk.stages)).allSatisfy({ $0 <= $1 }),
            b.hiddenDim % a.hiddenDim == 0
        else {
            throw BundleError(
                path: "architecture",
                detail:
                    "a model grows in embedDim, stages, decoderHidden, memoryAttentionHidden and, to a multiple, "
                    + "hiddenDim; all else must be as in the bundle that it starts from")
        }
        var first = 0
        oldBlocks = zip(a.trunk.stages, b.trunk.stages).flatMap { old, new -> [Int?] in
            defer { first += old }
            return (0..<new).map { $0 < old ? first + $0 : nil }
        }
        trunk = b.trunk
        decoderHeads = b.decoderHeads
        promptHalves = new.pseudoText == .none ? 1 : 2
        widening = (
            Float(b.trunk.embedDim) / Float(a.trunk.embedDim), Float(b.hiddenDim) / Float(a.hiddenDim)
        )
    }

    /// The small model's key; nil for a part of a new block.
    func oldKey(_ key: String) -> String? {
        guard let number = blockNumber(key) else { return key }
        return oldBlocks[number].map { key.replacing("\(number)", with: "\($0)", maxReplacements: 1) }
    }

    /// Of the trunk block that a weight belongs to, or its adapter.
    private func blockNumber(_ key: String) -> Int? {
        let places = [
            "image_encoder.trunk.blocks.", "image_encoder.prompt_generator.lightweight_mlp_",
            "image_encoder.prompt_generator.shared_mlp.",
        ]
        guard let place = places.first(where: key.hasPrefix) else { return nil }
        return Int(key.dropFirst(place.count).prefix { $0.isNumber })
    }

    // MARK: Axes

    /// Channels between layers.
    private struct Space {
        var parts = 1
        /// New ones are 0 until something learns to write to them; those of other spaces are there but not read.
        var isStream = false
        var interleavesPairs = false

        /// Axis of the weights that write to it.
        var written: GrowingAxis {
            GrowingAxis(parts: parts, startsQuiet: isStream, interleavesPairs: interleavesPairs)
        }
        /// Axis of the weights that read it.
        var read: GrowingAxis {
            GrowingAxis(parts: parts, startsQuiet: !isStream, interleavesPairs: interleavesPairs)
        }

        static let units = Space()
        static let stream = Space(isStream: true)
        /// Of the decoder's width: sines, then cosines.
        static let wide = wide(times: 1)
        /// Several of these behind each other.
        static func wide(times: Int) -> Space { Space(parts: 2 * times, isStream: true) }
        static func heads(_ count: Int) -> Space { Space(parts: count) }
        /// Turned by columns, then by rows.
        static let rotary = Space(parts: 2, interleavesPairs: true)
    }

    /// How each axis of a weight grows; axes that stay are as any.
    func axes(_ key: String, count: Int) -> [GrowingAxis] {
        let (out, input) = spaces(key)
        if isNorm(key) { return [GrowingAxis(parts: out.parts)] }
        if key.hasSuffix(".bias") || count == 1 { return [out.written] }
        let (name, rest) = (Self.layer(key), Array(repeating: GrowingAxis(), count: max(0, count - 2)))
        if name.hasPrefix("sam_mask_decoder.output_upscaling") { return [input.read, out.written] + rest }
        if name.hasPrefix("image_encoder.trunk.pos_embed") {
            return [GrowingAxis(), out.written] + rest
        }
        if Self.isEmbedding(name) { return [GrowingAxis()] + rest + [out.written] }
        return [out.written, input.read] + rest
    }

    /// What old weights are multiplied by, as a function of their row: queries for the longer heads, norms for the 0s among
    /// what they look at.
    func scale(_ key: String, rows: Int) -> (Int) -> Float {
        let trunk = blockNumber(key) != nil
        if isNorm(key), key.hasSuffix(".weight") {
            let factor = 1 / (trunk ? widening.trunk : widening.decoder).squareRoot()
            return { _ in factor }
        }
        let queries = (trunk ? widening.trunk : widening.decoder).squareRoot()
        if key.contains(".attn.qkv.") { return { $0 < rows / 3 ? queries : 1 } }
        if key.contains(".q_proj.") { return { _ in queries } }
        return { _ in 1 }
    }

    private func isNorm(_ key: String) -> Bool {
        key.contains("norm") || key.contains("output_upscaling.1.") || key.hasSuffix(".gamma")
    }

    private static func layer(_ key: String) -> String {
        for suffix in [".weight", ".bias"] where key.hasSuffix(suffix) {
            return String(key.dropLast(suffix.count))
        }
        return key
    }

    private static func isEmbedding(_ layer: String) -> Bool {
        ["_token", "mask_tokens", "_embed", "point_embeddings", "no_mem_", "no_obj_", "gaussian_matrix"]
            .contains {
                layer.contains($0)
            } && !layer.hasPrefix("imagebind.") && !layer.contains("_attn_")
    }

    /// What a layer writes and what it reads.
    private func spaces(_ key: String) -> (out: Space, input: Space) {
        let name = Self.layer(key)
        func ends(_ suffixes: String...) -> Bool { suffixes.contains(where: name.hasSuffix) }
        if let block = blockNumber(key) {
            let heads = heads(block)
            if ends("attn.qkv") { return (.heads(3 * heads), .stream) }
            if ends("attn.proj") { return (.stream, .heads(heads)) }
            if ends("mlp.layers.0") { return (.units, .stream) }
            if ends("mlp.layers.1") { return (.stream, .units) }
            return name.contains("lightweight_mlp") ? (.units, .units) : (.stream, .stream)
        }
        if name.hasPrefix("image_encoder.trunk") { return (.stream, .units) }
        if name.hasPrefix("image_encoder.neck") { return (.wide, .stream) }
        if name.hasPrefix("sam_mask_decoder.output_upscaling") {
            return ends("3") ? (.units, .stream) : (.stream, .wide)
        }
        if ends("visible_classes.s0") { return (.units, .units) }
        if ends("visible_classes.s1") { return (.units, .stream) }
        if ends("gaussian_matrix") { return (.units, .units) }
        if ends("conv_s0") { return (.units, .wide) }
        if ends("conv_s1") { return (.stream, .wide) }
        if name.hasPrefix("memory_attention"), ends("q_proj", "k_proj") { return (.rotary, .wide) }
        let inner = name.hasPrefix("sam_mask_decoder.transformer") ? Space.heads(decoderHeads) : .units
        if ends("q_proj", "k_proj", "v_proj") { return (inner, .wide) }
        if ends("_attn.out_proj", "image.out_proj", "token.out_proj") { return (.wide, inner) }
        return perceptron(name) ?? (.wide, .wide)
    }

    /// Layers of perceptrons.
    private func perceptron(_ name: String) -> (out: Space, input: Space)? {
        func ends(_ suffixes: String...) -> Bool { suffixes.contains(where: name.hasSuffix) }
        if name == "aggregate.layers.0" { return (.units, .wide(times: promptHalves)) }
        if ends("linear1", "pwconv1", "layers.0") { return (.units, .wide) }
        if ends("linear2", "pwconv2", "mlp.layers.1") { return (.wide, .units) }
        if ends("layers.1") { return (.units, .units) }
        guard ends("layers.2") else { return nil }
        return (name.contains("hypernetworks") ? .stream : .wide, .units)
    }

    private func heads(_ block: Int) -> Int {
        var stage = 0, end = trunk.stages[0]
        while block >= end {
            stage += 1
            end += trunk.stages[stage]
        }
        return trunk.heads << stage
    }
}
