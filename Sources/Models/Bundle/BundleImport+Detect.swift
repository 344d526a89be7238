// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TensorEngine

extension TAViS {
    /// Key and shape of every tensor that a model of these dimensions is built from. Reads and allocates none.
    package static func parameterShapes(_ config: TAViSConfig) throws -> [String: [Int]] {
        let census = Census()
        // Everything is "missing", so the loader hands out placeholders; its report says nothing new.
        do { _ = try Weights.load(census) { try TAViS($0, config) } } catch is WeightReport {}
        return census.shapes.withLock { $0 }
    }

    private final class Census: WeightSource {
        let shapes = Mutex<[String: [Int]]>([:])
        var keys: Set<String>? { nil }

        func shape(of key: String, expected: [Int]) -> [Int]? {
            shapes.withLock { $0[key] = expected }
            return nil
        }

        func tensor(_ key: String, shape: [Int]) throws -> Tensor { Tensor(shape) }
    }
}

extension TAViSConfig {
    /// Tells the dimensions of a TAViS from the shapes of its tensors.
    ///
    /// - Parameter shapes: by the keys of a whole TAViS checkpoint.
    /// - Throws: `BundleError` naming what cannot be told.
    package static func detect(_ shapes: [String: [Int]], imageSize: Int) throws -> TAViSConfig {
        let reader = ShapeReader(shapes: shapes)
        let sam2: SAM2Config
        do { sam2 = try SAM2Config.detect(shapes, imageSize: imageSize) } catch let error as SAM2Error {
            throw BundleError(path: "image_encoder", detail: "\(error); \(ShapeReader.advice)")
        }
        var config = TAViSConfig(sam2: sam2, imageBind: try reader.imageBind())
        config.queries = try reader.size("query_fea_W.weight", 0)
        config.pseudoTextTokens = try reader.size("audio_to_text1.weight", 0)
        config.adapterDim = try reader.size("mlp_audio.weight", 0)
        config.adapterHidden = try reader.size(
            "image_encoder.prompt_generator.lightweight_mlp_0.0.weight", 0)
        return config
    }
}

/// Reads dimensions off the shapes of a checkpoint.
private struct ShapeReader {
    static let advice = "give the dimensions with --architecture"
    /// Head counts leave no trace in shapes; these are the published towers.
    private static let headsByWidth = [1280: 16, 1024: 16, 768: 12]

    let shapes: [String: [Int]]

    func size(_ key: String, _ axis: Int) throws -> Int {
        guard let shape = shapes[key] else { throw BundleError(path: key, detail: "missing") }
        guard axis < shape.count, shape[axis] > 0 else {
            throw BundleError(path: key, detail: "shape \(shape) says nothing of the model's dimensions")
        }
        return shape[axis]
    }

    func imageBind() throws -> ImageBindConfig {
        let vision = "imagebind.modality_preprocessors.vision."
        let audio = "imagebind.modality_preprocessors.audio.rgbt_stem.proj.weight"
        let text = "imagebind.modality_preprocessors.text."
        var config = ImageBindConfig(
            vision: try tower("vision", dim: try size(vision + "cls_token", 2)),
            audio: try tower("audio", dim: try size(audio, 0)),
            text: try tower("text", dim: try size(text + "pos_embed", 2)),
            embeddingDim: try size("imagebind.modality_heads.vision.2.weight", 0))
        config.patchSide = try size(vision + "rgbt_stem.proj.1.weight", 4)
        let patches = try size(vision + "pos_embedding_helper.pos_embed", 1) - 1
        config.imageSide = Int(Double(patches).squareRoot()) * config.patchSide
        config.audioKernel = try size(audio, 2)
        config.vocabulary = try size(text + "token_embedding.weight", 0)
        config.context = try size(text + "pos_embed", 1)
        return config
    }

    private func tower(_ name: String, dim: Int) throws -> TowerConfig {
        let prefix = "imagebind.modality_trunks.\(name).blocks."
        let blocks = shapes.keys.count { $0.hasPrefix(prefix) && $0.hasSuffix(".norm_1.weight") }
        guard let heads = Self.headsByWidth[dim] else {
            throw BundleError(
                path: prefix, detail: "heads of a tower of width \(dim) are not known; \(Self.advice)")
        }
        return TowerConfig(dim: dim, blocks: blocks, heads: heads)
    }
}
