// SPDX-License-Identifier: Apache-2.0

/// The content of a file by `torch.save`: zip archive (since PyTorch 1.6) or legacy stream.
///
/// Both are a pickle that describes tensors as views of numbered storages, and the storages. The whole description
/// is checked against the sizes of the storages before a byte of a storage is looked at.
struct TorchFile {
    let tensors: [CheckpointTensor]
    let tree: PickleValue

    /// - Parameter lookup: the bytes of a whole storage; checks its size.
    private init(
        _ pickle: Unpickler, root: PickleNode.Position, path: String,
        lookup: (PickleStorage) throws -> CheckpointStorage
    ) throws {
        var walk = PickleWalk(pickle.nodes, path: path)
        tree = try walk.tree(root)
        var storages = StorageTable(path: path)
        tensors = try walk.tensors.map { key, index in
            let tensor = pickle.tensors[index]
            let description = pickle.storages[tensor.storage]
            return try CheckpointTensor(
                checkedKey: key, dtype: description.type, shape: tensor.shape, strides: tensor.strides,
                storageOffset: tensor.offset, storage: try storages.find(description, lookup))
        }
    }

    // MARK: - Zip

    static func zip(_ file: MappedFile) throws -> TorchFile {
        let archive = try ZipArchive(file)
        let name = try pickleName(archive)
        let root = String(name.dropLast("data.pkl".count))
        let isBigEndian = try self.isBigEndian(archive, root)
        guard let entry = archive[name], entry.data.count <= CheckpointLimits.pickleBytes else {
            throw CheckpointError(
                .limitExceeded, path: file.path, key: name, "larger than any real checkpoint's")
        }
        let bytes = try archive.contents(entry)
        var pickle = Unpickler(bytes, path: file.path)
        let result = try pickle.run()
        guard pickle.consumed == bytes.count else {
            throw CheckpointError(
                .corruptFile, path: file.path, key: name,
                "\(bytes.count - pickle.consumed) bytes after the pickle")
        }
        return try TorchFile(pickle, root: result, path: file.path) { storage in
            guard let entry = archive["\(root)data/\(storage.key)"] else {
                throw CheckpointError(
                    .corruptFile, path: file.path, "storage \(storage.key) is missing from the archive")
            }
            guard entry.data.count == storage.count * storage.type.byteCount else {
                throw CheckpointError(
                    .corruptFile, path: file.path,
                    "storage \(storage.key): \(storage.count) elements of \(storage.type.rawValue) need \(storage.count * storage.type.byteCount) bytes, the archive has \(entry.data.count)"
                )
            }
            return CheckpointStorage(
                file: file, byteOffset: entry.data.lowerBound, byteCount: entry.data.count,
                isBigEndian: isBigEndian,
                checksum: entry.crc)
        }
    }

    /// `ROOT/data.pkl`; the root's name is free.
    private static func pickleName(_ archive: ZipArchive) throws -> String {
        let names = archive.entries.map(\.name).filter { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }
        guard names.count == 1 else {
            throw CheckpointError(
                .unsupportedFormat, path: archive.file.path,
                "zip archive with \(names.count) entries data.pkl, expected 1: not by torch.save")
        }
        return names[0]
    }

    private static func isBigEndian(_ archive: ZipArchive, _ root: String) throws -> Bool {
        guard let entry = archive[root + "byteorder"] else { return false }
        let text = try archive.contents(entry)
        if text.elementsEqual("little".utf8) { return false }
        if text.elementsEqual("big".utf8) { return true }
        throw CheckpointError(
            .corruptFile, path: archive.file.path, key: entry.name, "expected little or big")
    }

    // MARK: - Legacy

    /// Magic number, protocol version, system facts, the object, the keys of its storages: a pickle each. Then each
    /// storage: a count (i64) and its elements, always little-endian.
    static func legacy(_ file: MappedFile) throws -> TorchFile {
        var stream = PickleStream(file)
        try stream.checkPreamble()
        let (pickle, root) = try stream.next()
        let ranges = try stream.storages(of: pickle)
        return try TorchFile(pickle, root: root, path: file.path) { storage in
            guard let range = ranges[storage.key] else {
                throw CheckpointError(
                    .corruptFile, path: file.path, "storage \(storage.key) is missing from the file")
            }
            return CheckpointStorage(file: file, byteOffset: range.lowerBound, byteCount: range.count)
        }
    }
}

/// Finds each storage once, and the part of it that is meant.
private struct StorageTable {
    let path: String
    private var wholes: [String: (description: PickleStorage, storage: CheckpointStorage)] = [:]

    init(path: String) { self.path = path }

    mutating func find(
        _ description: PickleStorage, _ lookup: (PickleStorage) throws -> CheckpointStorage
    ) throws -> CheckpointStorage {
        let whole = try findWhole(description, lookup)
        if description.view == 0..<description.count { return whole }
        // Only legacy files have views, and those have no checksums.
        let width = description.type.byteCount
        return CheckpointStorage(
            file: whole.file, byteOffset: whole.byteOffset + description.view.lowerBound * width,
            byteCount: description.view.count * width)
    }

    private mutating func findWhole(
        _ description: PickleStorage, _ lookup: (PickleStorage) throws -> CheckpointStorage
    ) throws -> CheckpointStorage {
        if let known = wholes[description.key] {
            guard known.description.type == description.type, known.description.count == description.count
            else {
                throw CheckpointError(
                    .corruptFile, path: path, "storage \(description.key) is described in two ways")
            }
            return known.storage
        }
        let storage = try lookup(description)
        wholes[description.key] = (description, storage)
        return storage
    }
}

/// The pickles of a legacy file, one after another, and the storages behind them.
private struct PickleStream {
    /// Source: `torch/serialization.py`, `MAGIC_NUMBER` and `PROTOCOL_VERSION`.
    static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    static let version = 1001

    let file: MappedFile
    private var position = 0

    init(_ file: MappedFile) { self.file = file }

    mutating func next() throws -> (Unpickler, PickleNode.Position) {
        let end = min(file.byteCount, position + CheckpointLimits.pickleBytes)
        var pickle = Unpickler(
            UnsafeRawBufferPointer(rebasing: file.bytes[position..<end]), path: file.path, origin: position)
        let root = try pickle.run()
        position += pickle.consumed
        return (pickle, root)
    }

    mutating func checkPreamble() throws {
        let (magic, magicRoot) = try next()
        guard case .long(Self.magic) = magic.nodes[Int(magicRoot)] else {
            throw CheckpointError(
                .unsupportedFormat, path: file.path, "a pickle, but not by torch.save: no magic number")
        }
        let (version, versionRoot) = try next()
        guard case .int(Self.version) = version.nodes[Int(versionRoot)] else {
            throw CheckpointError(
                .unsupportedFormat, path: file.path, "legacy protocol version is not \(Self.version)")
        }
        let (facts, factsRoot) = try next()
        guard case .dict = facts.nodes[Int(factsRoot)] else {
            throw CheckpointError(.corruptFile, path: file.path, "expected a dict of system facts")
        }
    }

    /// Where each storage's elements lie. All of them, nothing else, up to the end of the file.
    mutating func storages(of pickle: Unpickler) throws -> [String: Range<Int>] {
        var described: [String: PickleStorage] = [:]
        for storage in pickle.storages { described[storage.key] = storage }
        var ranges: [String: Range<Int>] = [:]
        let keys = try storageKeys()
        var reader = ByteReader(file.bytes, at: position)
        for key in keys {
            guard let storage = described[key], ranges[key] == nil else {
                throw CheckpointError(
                    .corruptFile, path: file.path, "storage \(key) is unknown or appears twice")
            }
            guard let count = try? reader.read(Int64.self), count == storage.count,
                let bytes = try? reader.take(storage.count * storage.type.byteCount)
            else {
                throw CheckpointError(
                    .corruptFile, path: file.path,
                    "storage \(key): \(storage.count) elements of \(storage.type.rawValue) expected at offset \(reader.position), the file ends or says otherwise"
                )
            }
            ranges[key] = reader.position - bytes.count..<reader.position
        }
        guard reader.remaining == 0 else {
            throw CheckpointError(
                .corruptFile, path: file.path, "\(reader.remaining) bytes after the last storage")
        }
        return ranges
    }

    private mutating func storageKeys() throws -> [String] {
        let (pickle, root) = try next()
        guard case .list(let items) = pickle.nodes[Int(root)] else {
            throw CheckpointError(.corruptFile, path: file.path, "expected a list of storage keys")
        }
        return try items.map { item in
            guard case .string(let key) = pickle.nodes[Int(item)] else {
                throw CheckpointError(.corruptFile, path: file.path, "a storage key is not a string")
            }
            return key
        }
    }
}
