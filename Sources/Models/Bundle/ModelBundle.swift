// SPDX-License-Identifier: Apache-2.0
import CEmbeddedModel
public import Foundation
package import TensorEngine

/// A model ready to run, from a folder with `model.json`, `model.safetensors` and, for new class names, the BPE merges.
/// A checkpoint of a training run has the weights that stay as they are in a file beside, `frozen.safetensors`.
public struct ModelBundle: Sendable {
    public let info: BundleInfo
    public let model: TAViS
    /// Embeddings of the bundle's own classes; absent where the bundle has neither them nor the merges file.
    public let labelBank: LabelBank?
    private let tokenizer: BPETokenizer?

    public static let infoName = "model.json"
    public static let weightsName = "model.safetensors"
    public static let mergesName = "bpe_simple_vocab_16e6.txt.gz"
    /// Key of the precomputed label embeddings `[K, D]`.
    public static let labelBankKey = "label_bank.embeddings"

    /// Maps the weights; nothing is copied.
    ///
    /// - Throws: `BundleError` naming the file and what was expected of it.
    public static func load(directory: URL) throws -> ModelBundle {
        try ModelBundle(
            info: readInfo(directory),
            tensors: Checkpoint.open(directory.path).tensors.filter {
                !$0.key.hasPrefix(TAViS.teacherPrefix)
            },
            path: directory.appending(path: weightsName).path, directory: directory)
    }

    /// The small model inside the program.
    public static func embedded() throws -> ModelBundle {
        let json = UnsafeRawBufferPointer(start: tavis_model_json, count: tavis_model_json_size)
        let weights = UnsafeRawBufferPointer(start: tavis_model_weights, count: tavis_model_weights_size)
        let file = try SafetensorsFile(file: MappedFile(name: "built-in weights", constant: weights))
        return try ModelBundle(
            info: parsed(Data(json), path: "built-in model"), tensors: file.tensors, path: file.file.path,
            directory: nil)
    }

    private init(info: BundleInfo, tensors: [CheckpointTensor], path: String, directory: URL?) throws {
        let source = CheckpointWeights(tensors)
        let classes = info.classes.count, dim = info.architecture.imageBind.embeddingDim
        do {
            let (model, embeddings) = try Weights.load(source) { weights in
                let hasBank = source.shape(of: Self.labelBankKey, expected: []) != nil
                return (
                    try TAViS(weights, info.architecture),
                    hasBank ? try weights(Self.labelBankKey, [classes, dim]) : nil
                )
            }
            try self.init(info: info, model: model, embeddings: embeddings, directory: directory)
        } catch let report as WeightReport {
            throw BundleError(path: path, detail: "does not fit \(Self.infoName): \(report)")
        }
    }

    /// A model of any size with name-seeded weights: for demonstrations and benchmarks, its masks mean nothing.
    public static func seeded(_ info: BundleInfo) throws -> ModelBundle {
        // Without the lift every object counts as absent.
        let source = SeededSource(fills: ["sam_mask_decoder.pred_obj_score_head.layers.2.bias": 2])
        let (model, embeddings) = try Weights.load(source) { weights in
            (
                try TAViS(weights, info.architecture),
                try weights(labelBankKey, [info.classes.count, info.architecture.imageBind.embeddingDim])
            )
        }
        var info = info
        info.seeded = true
        return try ModelBundle(info: info, model: model, embeddings: embeddings, directory: nil)
    }

    private init(info: BundleInfo, model: TAViS, embeddings: Tensor?, directory: URL?) throws {
        self.info = info
        self.model = model
        tokenizer = try Self.tokenizer(info, directory: directory)
        if let embeddings {
            labelBank = LabelBank(names: info.classes, embeddings: embeddings)
        } else {
            labelBank = tokenizer.map {
                LabelBank(names: info.classes, imageBind: model.imageBind, tokenizer: $0)
            }
        }
    }

    /// Weights as they are stored, by key, without the label embeddings: to train on.
    package static func weights(directory: URL) throws -> any WeightSource {
        CheckpointWeights(
            try Checkpoint.open(directory.path).tensors.filter { $0.key != labelBankKey })
    }

    /// What turns class names into tokens, where the bundle or its vocabulary has it.
    package static func tokenizer(_ info: BundleInfo, directory: URL?) throws -> BPETokenizer? {
        let merges = directory?.appending(path: mergesName)
        if let merges, FileManager.default.fileExists(atPath: merges.path) {
            return try BPETokenizer(mergesFile: merges)
        }
        return info.architecture.imageBind.vocabulary == BPETokenizer.bytes.vocabulary ? .bytes : nil
    }

    /// Embeddings of other class names.
    ///
    /// - Parameter names: background is put first where it is absent.
    public func labelBank(names: [String]) throws -> LabelBank {
        guard let tokenizer else {
            throw BundleError(
                path: info.name,
                detail: "has no \(Self.mergesName), which new class names need; import it with --merges")
        }
        let all = names.first == "background" ? names : ["background"] + names.filter { $0 != "background" }
        return LabelBank(names: all, imageBind: model.imageBind, tokenizer: tokenizer)
    }

    package static func readInfo(_ directory: URL) throws -> BundleInfo {
        let path = directory.appending(path: infoName)
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: directory.path, isDirectory: &isDirectory),
            isDirectory.boolValue
        else { throw BundleError(path: directory.path, detail: "is not a folder; a model bundle is one") }
        guard let data = FileManager.default.contents(atPath: path.path) else {
            throw BundleError(path: directory.path, detail: "has no readable \(infoName)")
        }
        return try parsed(data, path: path.path)
    }

    private static func parsed(_ data: Data, path: String) throws -> BundleInfo {
        struct Version: Codable { var format: Int }
        do {
            let format = try JSONDecoder().decode(Version.self, from: data).format
            guard format == BundleInfo.currentFormat else {
                throw BundleError(
                    path: path, detail: "format \(format), this program reads \(BundleInfo.currentFormat)")
            }
            return try JSONDecoder().decode(BundleInfo.self, from: data)
        } catch let error as DecodingError {
            throw BundleError(path: path, detail: error.summary)
        }
    }
}

extension LabelBank {
    /// - Parameter names: any words; the first must stand for background, e.g. "background".
    public init(names: [String], imageBind: ImageBind, tokenizer: BPETokenizer) {
        let ids = names.map { tokenizer.encode("A \($0)") }
        self.init(names: names, embeddings: imageBind.text.encode(ids).embedding)
    }
}

/// A bundle that cannot be used.
public struct BundleError: Error, CustomStringConvertible, Sendable {
    public let path: String
    public let detail: String

    public init(path: String, detail: String) {
        self.path = path
        self.detail = detail
    }

    public var description: String { "\(path): \(detail)" }
}

extension DecodingError {
    /// The key and what is wrong with it, on one line.
    fileprivate var summary: String {
        func at(_ context: Context) -> String {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? "" : "\(path): "
        }
        return switch self {
        case .keyNotFound(let key, let context): "\(at(context))missing key \"\(key.stringValue)\""
        case .typeMismatch(let type, let context): "\(at(context))expected \(type)"
        case .valueNotFound(let type, let context): "\(at(context))expected \(type), found null"
        case .dataCorrupted(let context): "\(at(context))\(context.debugDescription)"
        @unknown default: "not readable"
        }
    }
}
