// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The tensors of a file or model bundle, whatever its format, under dotted keys. Opening reads no elements.
package struct Checkpoint: Sendable {
    package enum Format: String, Sendable, Codable {
        case safetensors, bundle
        case torchZip = "torch zip"
        case torchLegacy = "torch legacy"
    }

    /// The weights' file name in a model bundle.
    package static let bundleWeightsName = "model.safetensors"
    /// Further weights of a bundle, where it has them in a file of their own.
    package static let bundleFrozenName = "frozen.safetensors"

    package let path: String
    package let format: Format
    /// In the file's order; keys are unique.
    package let tensors: [CheckpointTensor]
    /// `__metadata__` of a safetensors file.
    package let metadata: [String: String]
    /// Everything a PyTorch file holds, with `.tensor(i)` for `tensors[i]`; nil for safetensors.
    package let tree: PickleValue?
    private let positions: [String: Int]

    private init(
        path: String, format: Format, tensors: [CheckpointTensor], metadata: [String: String] = [:],
        tree: PickleValue? = nil
    ) throws {
        var positions: [String: Int] = [:]
        for (position, tensor) in tensors.enumerated() {
            guard positions.updateValue(position, forKey: tensor.key) == nil else {
                throw CheckpointError(
                    .duplicateTensor, path: path, key: tensor.key, "two tensors have this key")
            }
        }
        self.path = path
        self.format = format
        self.tensors = tensors
        self.metadata = metadata
        self.tree = tree
        self.positions = positions
    }

    /// Opens a safetensors file, a PyTorch file (zip or legacy) or a bundle folder; the content decides which.
    package static func open(_ path: String) throws -> Checkpoint {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return try openBundle(path) }
        return try open(try MappedFile(path: path))
    }

    static func open(_ file: MappedFile) throws -> Checkpoint {
        let path = file.path
        defer { withExtendedLifetime(file) {} }
        switch try sniff(file) {
        case .torchZip:
            let torch = try TorchFile.zip(file)
            return try Checkpoint(path: path, format: .torchZip, tensors: torch.tensors, tree: torch.tree)
        case .torchLegacy:
            let torch = try TorchFile.legacy(file)
            return try Checkpoint(path: path, format: .torchLegacy, tensors: torch.tensors, tree: torch.tree)
        case .safetensors, .bundle:
            let content = try SafetensorsFile(file: file)
            return try Checkpoint(
                path: path, format: .safetensors, tensors: content.tensors, metadata: content.metadata)
        }
    }

    private static func openBundle(_ path: String) throws -> Checkpoint {
        let weights = path + "/" + bundleWeightsName
        guard access(weights, F_OK) == 0 else {
            throw CheckpointError(.cannotOpen, path: path, "a folder without \(bundleWeightsName)")
        }
        let main = try SafetensorsFile(path: weights)
        let frozen = path + "/" + bundleFrozenName
        let further = access(frozen, F_OK) == 0 ? try SafetensorsFile(path: frozen).tensors : []
        return try Checkpoint(
            path: path, format: .bundle, tensors: main.tensors + further, metadata: main.metadata)
    }

    private static func sniff(_ file: MappedFile) throws -> Format {
        let bytes = file.bytes
        guard !bytes.isEmpty else {
            throw CheckpointError(.unknownFormat, path: file.path, "the file is empty")
        }
        if bytes.starts(with: "PK".utf8) { return .torchZip }
        if bytes[0] == 0x80 { return .torchLegacy }
        let looksLikeHeader = bytes.count > 8 && bytes[8] == UInt8(ascii: "{")
        if looksLikeHeader || file.path.hasSuffix(".safetensors") { return .safetensors }
        if bytes.count > 512, bytes[257..<262].elementsEqual("ustar".utf8) {
            throw CheckpointError(
                .unsupportedFormat, path: file.path, "tar archives (PyTorch 0.1) are not read")
        }
        throw CheckpointError(.unknownFormat, path: file.path, "neither safetensors nor a PyTorch file")
    }

    package subscript(key: String) -> CheckpointTensor? { positions[key].map { tensors[$0] } }

    /// The tensor `key`, or an error that names it.
    package func tensor(_ key: String) throws -> CheckpointTensor {
        guard let tensor = self[key] else {
            throw CheckpointError(.missingTensor, path: path, key: key, "not in the file")
        }
        return tensor
    }

    /// The state dict inside `{"model": {…}}`, as SAM 2 publishes it; any other checkpoint as it is.
    package func unwrapped(_ name: String = "model") throws -> Checkpoint {
        guard let inner = tree?[name], case .dict(let members) = inner else { return self }
        let isStateDict = members.contains { if case .tensor = $0.value { true } else { false } }
        guard isStateDict else { return self }
        let inside = inner.tensorPositions
        let kept = inside.map { tensors[$0] }
        let renumbered = Dictionary(uniqueKeysWithValues: inside.enumerated().map { ($0.element, $0.offset) })
        return try Checkpoint(
            path: path, format: format,
            tensors: kept.map { tensor in
                var tensor = tensor
                tensor.key.removeFirst(name.count + 1)
                return tensor
            },
            metadata: metadata, tree: inner.renumbered(renumbered))
    }
}

extension PickleValue {
    fileprivate var tensorPositions: [Int] {
        switch self {
        case .tensor(let position): [position]
        case .tuple(let items), .list(let items): items.flatMap(\.tensorPositions)
        case .dict(let members): members.flatMap(\.value.tensorPositions)
        case .none, .bool, .int, .long, .float, .string, .bytes: []
        }
    }

    /// The same tree with other tensor positions.
    fileprivate func renumbered(_ positions: [Int: Int]) -> PickleValue {
        switch self {
        case .tensor(let position): .tensor(positions[position] ?? position)
        case .tuple(let items): .tuple(items.map { $0.renumbered(positions) })
        case .list(let items): .list(items.map { $0.renumbered(positions) })
        case .dict(let members):
            .dict(members.map { Member(key: $0.key, value: $0.value.renumbered(positions)) })
        case .none, .bool, .int, .long, .float, .string, .bytes: self
        }
    }
}

extension Checkpoint {
    /// One line of a listing of a checkpoint's tensors.
    package struct ListingRow: Sendable, Equatable, Codable {
        package var name: String
        /// PyTorch's name of the element type.
        package var dtype: String
        package var shape: [Int]
    }

    package var listing: [ListingRow] {
        tensors.map { ListingRow(name: $0.key, dtype: $0.dtype.rawValue, shape: $0.shape) }
    }
}
