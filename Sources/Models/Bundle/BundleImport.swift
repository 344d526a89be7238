// SPDX-License-Identifier: Apache-2.0
import CZlib
package import Foundation
package import TensorEngine

/// Checkpoints on their way to a model bundle: a whole TAViS file, or its additions over SAM 2 and ImageBind.
///
/// `init` reads names and shapes only and refuses what does not fit; `write` then streams the weights.
package struct BundleImport {
    package struct Options {
        package var name = "tavis"
        package var classes = avsBenchClasses
        package var imageSize = 224
        /// BPE merges, for label embeddings and for class names to come.
        package var merges: URL?
        /// Dimensions, where they are not to be told from the shapes.
        package var architecture: TAViSConfig?
        package var force = false

        package init() {}
    }

    /// What a checkpoint holds, told from its keys. Later kinds replace tensors of earlier ones.
    package enum Kind: Int, Sendable {
        case sam2, imageBind, additions, whole

        package init?(keys: Dictionary<String, CheckpointTensor>.Keys) {
            let hasTrunk = keys.contains("image_encoder.trunk.patch_embed.proj.weight")
            let hasAdditions = ["query_fea_W.weight", "audio_to_texte.weight", "mlp_audio.weight"]
                .contains { keys.contains($0) }
            if hasTrunk, keys.contains(where: { $0.hasPrefix("imagebind.") }) {
                self = .whole
            } else if hasAdditions {
                self = .additions
            } else if keys.contains(where: { $0.hasPrefix("modality_trunks.") }) {
                self = .imageBind
            } else if hasTrunk {
                self = .sam2
            } else {
                return nil
            }
        }

        package var title: String {
            switch self {
            case .sam2: "SAM 2"
            case .imageBind: "ImageBind"
            case .additions: "TAViS, additions"
            case .whole: "TAViS, whole"
            }
        }

        /// Whose terms the weights come under.
        package var licences: [String] {
            let sam2 = "SAM 2: Apache-2.0"
            let imageBind = "ImageBind: CC BY-NC 4.0, non-commercial use only"
            let additions = "TAViS: as its authors state"
            return switch self {
            case .sam2: [sam2]
            case .imageBind: [imageBind]
            case .additions: [additions]
            case .whole: [sam2, imageBind, additions]
            }
        }
    }

    package struct Input: Sendable {
        package let path: String
        package let kind: Kind
        package let tensorCount: Int
        package let byteCount: Int
        fileprivate let checkpoint: Checkpoint
    }

    /// In the order in which they apply.
    package let inputs: [Input]
    package let architecture: TAViSConfig
    /// Keys that belong to towers TAViS has no use for, and keys that nothing reads.
    package let otherModalities, dead: Int
    /// Elements of all tensors that go into the bundle.
    package let parameterCount: Int
    private let tensors: [String: CheckpointTensor]
    private let wanted: Set<String>
    private let options: Options

    /// Opens the files and compares every name and shape with the model's.
    ///
    /// - Throws: `WeightReport` with all that does not fit; `BundleError` and `CheckpointError` for unusable files.
    package init(_ paths: [String], _ options: Options) throws {
        inputs = try Self.ordered(paths.map(Self.open))
        self.options = options
        var tensors: [String: CheckpointTensor] = [:]
        for input in inputs {
            for tensor in input.checkpoint.tensors { tensors[Self.key(tensor.key, input.kind)] = tensor }
        }
        let shapes = tensors.mapValues(\.shape)
        architecture = try options.architecture ?? TAViSConfig.detect(shapes, imageSize: options.imageSize)
        let expected = try TAViS.parameterShapes(architecture)
        let report = Self.compare(shapes, with: expected)
        if !report.isEmpty { throw report }
        let dropped = shapes.keys.filter { expected[$0] == nil }
        otherModalities = dropped.count { ImageBind.isOtherModality($0) }
        dead = dropped.count - otherModalities
        parameterCount = expected.values.reduce(0) { $0 + $1.reduce(1, *) }
        wanted = Set(expected.keys)
        self.tensors = tensors
    }

    // MARK: Reading names and shapes

    private static func open(_ path: String) throws -> Input {
        let checkpoint = try Checkpoint.open(path).unwrapped().unwrapped("state_dict")
        let keys = Dictionary(uniqueKeysWithValues: checkpoint.tensors.map { ($0.key, $0) }).keys
        guard let kind = Kind(keys: keys) else {
            throw BundleError(
                path: path, detail: "its \(keys.count) tensors are not those of SAM 2, ImageBind or TAViS")
        }
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        return Input(
            path: path, kind: kind, tensorCount: keys.count, byteCount: size, checkpoint: checkpoint)
    }

    private static func ordered(_ inputs: [Input]) throws -> [Input] {
        for (kind, same) in Dictionary(grouping: inputs, by: \.kind) where same.count > 1 {
            throw BundleError(
                path: same[1].path, detail: "is another \(kind.title) file beside \(same[0].path)")
        }
        if let whole = inputs.first(where: { $0.kind == .whole }), inputs.count > 1 {
            throw BundleError(path: whole.path, detail: "is a whole TAViS already: import it alone")
        }
        let kinds = Set(inputs.map(\.kind))
        if !kinds.contains(.whole) {
            let absent = [Kind.sam2, .imageBind, .additions].filter { !kinds.contains($0) }
            guard absent.isEmpty else {
                throw BundleError(
                    path: inputs.map(\.path).joined(separator: ", "),
                    detail: "also needed: " + absent.map { "\($0.title) file" }.joined(separator: ", "))
            }
        }
        return inputs.sorted { $0.kind.rawValue < $1.kind.rawValue }
    }

    /// TAViS keeps ImageBind under a name of its own.
    private static func key(_ key: String, _ kind: Kind) -> String {
        kind == .imageBind ? "imagebind." + key : key
    }

    private static func compare(_ found: [String: [Int]], with expected: [String: [Int]]) -> WeightReport {
        var report = WeightReport()
        for (key, shape) in expected.sorted(by: { $0.key < $1.key }) {
            guard let actual = found[key] else {
                report.missing.append(key)
                continue
            }
            if actual != shape {
                report.misshapen.append("\(key): expected \(shape), file has \(actual)")
            }
        }
        report.unused = found.keys.filter { expected[$0] == nil && !TAViS.isUnused($0) }.sorted()
        return report
    }

    // MARK: Writing

    package enum Step: Sendable {
        case checksums, labels
        case weights(done: Int, total: Int)
    }

    /// Makes the bundle; under its name it is whole or not there.
    ///
    /// - Parameter progress: may throw to stop.
    package func write(to output: String, progress: (Step) throws -> Void = { _ in }) throws -> BundleInfo {
        try refuseExisting(output)
        try progress(.checksums)
        var info = BundleInfo(
            name: options.name, architecture: architecture, classes: options.classes,
            licences: inputs.flatMap(\.kind.licences), provenance: try inputs.map(Self.provenance))
        info.imageSize = options.imageSize
        var extraFiles: [(name: String, source: String)] = []
        var sources = inputs.map { input in
            let (kind, wanted) = (input.kind, wanted)
            return BundleSource(input.checkpoint) { key in
                let key = Self.key(key, kind)
                return wanted.contains(key) ? key : nil
            }
        }
        let scratch = FileManager.default.temporaryDirectory.appending(
            path: "tavis-labels-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: scratch) }
        if let merges = options.merges {
            try progress(.labels)
            try writeLabels(merges: merges, to: scratch.path)
            sources.append(BundleSource(try Checkpoint.open(scratch.path)))
            extraFiles.append((ModelBundle.mergesName, merges.path))
        }
        let writer = BundleWriter(
            modelJSON: Array(try info.encoded()), metadata: ["format": "pt"], extraFiles: extraFiles,
            duplicates: .laterWins, force: options.force)
        try writer.write(sources, to: output) { _, done, total in
            try progress(.weights(done: done, total: total))
        }
        return info
    }

    /// Before the work rather than after it; the writer checks again.
    package func refuseExisting(_ output: String) throws {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: output)) ?? []
        guard entries.isEmpty || options.force else {
            throw CheckpointError(.outputExists, path: output, "exists already; --force replaces a bundle")
        }
    }

    /// Embeddings of the class names by the new weights, as a file of one tensor.
    private func writeLabels(merges: URL, to path: String) throws {
        let tokenizer: BPETokenizer
        do { tokenizer = try BPETokenizer(mergesFile: merges) } catch let error as TokenizerError {
            throw BundleError(path: error.path, detail: error.detail)
        }
        guard tokenizer.vocabulary == architecture.imageBind.vocabulary else {
            throw BundleError(
                path: merges.path,
                detail:
                    "makes \(tokenizer.vocabulary) token ids, the model has \(architecture.imageBind.vocabulary)"
            )
        }
        let text = try textTower()
        let ids = options.classes.map { tokenizer.encode("A \($0)") }
        let embeddings = text.encode(ids).embedding
        let writer = try SafetensorsWriter(
            path: path, entries: [.init(ModelBundle.labelBankKey, shape: embeddings.shape)])
        try writer.append(embeddings.values, to: ModelBundle.labelBankKey)
        try writer.finish()
    }

    private func textTower() throws -> TextTower {
        let text = tensors.compactMap { key, tensor -> CheckpointTensor? in
            guard wanted.contains(key), key.hasPrefix("imagebind."), key.contains(".text.") else {
                return nil
            }
            var tensor = tensor
            tensor.key = key
            return tensor
        }
        // Once its checksum is known to be right, a tensor is used where it lies in the file.
        for tensor in text { try tensor.verify() }
        return try Weights.load(CheckpointWeights(text)) {
            try TextTower($0["imagebind"], architecture.imageBind)
        }
    }

    /// File name, size and CRC-32 (as `crc32` and zip tools print it).
    private static func provenance(_ input: Input) throws -> String {
        let file = try MappedFile(path: input.path)
        let piece = 64 << 20
        var crc: UInt = crc32(0, nil, 0)
        for start in stride(from: 0, to: file.byteCount, by: piece) {
            let range = start..<min(start + piece, file.byteCount)
            let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[range])
            crc = crc32(crc, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, UInt32(range.count))
            file.releasePages(range)
        }
        let name = URL(fileURLWithPath: input.path).lastPathComponent
        let digits = String(crc, radix: 16)
        let sum = String(repeating: "0", count: 8 - digits.count) + digits
        return "\(name) (\(input.kind.title)), \(file.byteCount) bytes, CRC-32 \(sum)"
    }
}
