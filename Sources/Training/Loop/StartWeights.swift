// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine

/// What a run begins with: dimensions, weights, and where both come from.
struct StartWeights {
    var info: BundleInfo
    var weights: any WeightSource
    var tokenizer: BPETokenizer

    /// - Parameter classes: of the data; a bundle's own must be the same where it has any.
    init(_ config: TrainingConfig, classes: [String]) throws {
        switch config.start {
        case .scratch(let architecture):
            info = Self.info(config, try Self.dimensions(architecture), classes)
            weights = InitialWeights(seed: config.seed)
            tokenizer = try Self.tokenizer(info, directory: nil)
        case .bundle(let folder, let larger):
            let directory = URL(fileURLWithPath: folder)
            info = try ModelBundle.readInfo(directory)
            (info.name, info.classes, info.scores) = (config.name, classes, [])
            info.provenance.append("trained further: \(config.name), seed \(config.seed)")
            weights = TeacherWeights(
                known: try ModelBundle.weights(directory: directory),
                otherwise: InitialWeights(seed: config.seed))
            if let larger {
                let dimensions = try Self.dimensions(larger)
                weights = try GrownWeights(
                    weights, from: info.architecture, to: dimensions, seed: config.seed)
                info.architecture = dimensions
            }
            tokenizer = try Self.tokenizer(info, directory: directory)
        case .checkpoints(let files, let architecture):
            info = Self.info(config, try Self.dimensions(architecture), classes)
            let base = try BaseCheckpoints(files, otherwise: InitialWeights(seed: config.seed))
            info.licences = base.licences
            info.provenance += files
            weights = base
            tokenizer = try Self.tokenizer(
                info, directory: URL(fileURLWithPath: files[0]).deletingLastPathComponent())
        }
        info.imageSize = config.side
        info.architecture.sam2.imageSize = config.side
        if let trains = config.trainsPseudoText { info.architecture.trainsPseudoText = trains }
        ablate(config)
    }

    /// Takes parts out of the architecture. A bundle's weights that fit what is left stay; the rest is drawn from the
    /// seed.
    private mutating func ablate(_ config: TrainingConfig) {
        guard !config.ablations.isEmpty else { return }
        let full = info.architecture
        info.architecture = full.applying(config.ablations)
        info.provenance.append(
            "ablation: " + config.ablations.map(\.rawValue).sorted().joined(separator: ", "))
        guard case .bundle = config.start, info.architecture != full else { return }
        weights = FittingWeights(known: weights, otherwise: InitialWeights(seed: config.seed))
    }

    private static func info(_ config: TrainingConfig, _ dimensions: TAViSConfig, _ classes: [String])
        -> BundleInfo
    {
        BundleInfo(
            name: config.name, architecture: dimensions, classes: classes, licences: [],
            provenance: ["trained by tavisd train: \(config.name), seed \(config.seed)"])
    }

    private static func dimensions(_ architecture: TrainingConfig.Architecture) throws -> TAViSConfig {
        switch architecture {
        case .mini: return .mini
        case .large: return .large
        case .file(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw BundleError(path: path, detail: "not readable")
            }
            do { return try JSONDecoder().decode(TAViSConfig.self, from: data) } catch {
                throw BundleError(path: path, detail: "is not the architecture of a model: \(error)")
            }
        }
    }

    private static func tokenizer(_ info: BundleInfo, directory: URL?) throws -> BPETokenizer {
        if let tokenizer = try ModelBundle.tokenizer(info, directory: directory) { return tokenizer }
        throw BundleError(
            path: directory?.path ?? info.name,
            detail: "class names need the merges file \(ModelBundle.mergesName) beside the weights")
    }
}

/// The weights of a bundle; those of teachers, which it may lack, come from elsewhere.
private struct TeacherWeights: WeightSource {
    let known, otherwise: any WeightSource

    var keys: Set<String>? { known.keys }

    func shape(of key: String, expected: [Int]) -> [Int]? {
        known.shape(of: key, expected: expected) ?? (key.hasPrefix(TAViS.teacherPrefix) ? expected : nil)
    }

    func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        let isKnown = known.shape(of: key, expected: shape) != nil
        return try (isKnown ? known : otherwise).tensor(key, shape: shape)
    }
}

/// The weights of another architecture: what is missing or has another shape comes from elsewhere.
private struct FittingWeights: WeightSource {
    let known, otherwise: any WeightSource

    /// Any key, so that weights of parts taken out stay unused.
    var keys: Set<String>? { nil }
    func shape(of key: String, expected: [Int]) -> [Int]? { expected }

    func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        let fits = known.shape(of: key, expected: shape) == shape
        return try (fits ? known : otherwise).tensor(key, shape: shape)
    }
}

/// Checkpoints of the models that TAViS is built on, under TAViS's keys; what none of them has comes from elsewhere.
private struct BaseCheckpoints: WeightSource {
    private let tensors: [String: CheckpointTensor]
    private let otherwise: any WeightSource
    let licences: [String]

    init(_ files: [String], otherwise: any WeightSource) throws {
        var tensors: [String: CheckpointTensor] = [:]
        var licences: [String] = []
        for path in files {
            let checkpoint = try Checkpoint.open(path).unwrapped().unwrapped("state_dict")
            let keys = Dictionary(uniqueKeysWithValues: checkpoint.tensors.map { ($0.key, $0) }).keys
            guard let kind = BundleImport.Kind(keys: keys) else {
                throw BundleError(
                    path: path, detail: "its tensors are not those of SAM 2, ImageBind or TAViS")
            }
            licences += kind.licences
            for tensor in checkpoint.tensors {
                tensors[kind == .imageBind ? "imagebind." + tensor.key : tensor.key] = tensor
            }
        }
        (self.tensors, self.licences, self.otherwise) = (tensors, licences, otherwise)
    }

    /// Any key, so that parts of the checkpoints that TAViS has no use for stay unused.
    var keys: Set<String>? { nil }

    func shape(of key: String, expected: [Int]) -> [Int]? {
        tensors[key]?.shape ?? otherwise.shape(of: key, expected: expected)
    }

    func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        guard let tensor = tensors[key] else { return try otherwise.tensor(key, shape: shape) }
        return try Tensor(shape: shape) { try tensor.floats(into: $0) }
    }
}
