// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A checkpoint on its way into a bundle.
package struct BundleSource: Sendable {
    package var checkpoint: Checkpoint
    /// The key in the bundle, or nil to leave the tensor out.
    package var rename: @Sendable (String) -> String?

    package init(_ checkpoint: Checkpoint, rename: @escaping @Sendable (String) -> String? = { $0 }) {
        self.checkpoint = checkpoint
        self.rename = rename
    }
}

/// Makes a model bundle: a folder with `model.safetensors` (float32, halves, or bytes), `model.json` and perhaps further files.
///
/// Tensors are converted in pieces, so memory stays bounded whatever the size of the model. The folder is built
/// under another name and renamed when complete: under its own name it is whole or not there.
package struct BundleWriter {
    package enum Duplicates: Sendable {
        /// Two sources with the same key are an error.
        case refuse
        /// A later source replaces the tensors of earlier ones: additions over a base.
        case laterWins
        /// All sources have the same keys and shapes, and the bundle their mean: what trainings from one start have in
        /// common is often better than each ("model soups", Wortsman et al., ICML 2022).
        case mean
    }

    package struct Summary: Sendable, Equatable {
        package var tensorCount = 0
        package var byteCount = 0
        /// Keys that `rename` left out.
        package var skipped: [String] = []
        /// Keys that a later source replaced.
        package var replaced: [String] = []
    }

    /// Called after every piece: key, bytes written so far, bytes in all. May throw to stop.
    package typealias Progress = (_ key: String, _ done: Int, _ total: Int) throws -> Void

    package var modelJSON: [UInt8]
    package var metadata: [String: String]
    /// Name in the bundle, path to copy from.
    package var extraFiles: [(name: String, source: String)]
    package var duplicates: Duplicates
    /// Replace an existing bundle.
    package var force: Bool
    /// What a tensor's elements are stored as, by its key in the bundle: float32, float16, or int8 for a matrix, which
    /// then has scales and sums of its rows beside it (see `ByteMatrix`).
    package var type: @Sendable (String) -> ElementType

    package init(
        modelJSON: [UInt8], metadata: [String: String] = [:],
        extraFiles: [(name: String, source: String)] = [],
        duplicates: Duplicates = .refuse, force: Bool = false,
        type: @escaping @Sendable (String) -> ElementType = { _ in .float32 }
    ) {
        self.modelJSON = modelJSON
        self.metadata = metadata
        self.extraFiles = extraFiles
        self.duplicates = duplicates
        self.force = force
        self.type = type
    }

    @discardableResult
    package func write(
        _ sources: [BundleSource], to output: String, progress: Progress = { _, _, _ in }
    ) throws -> Summary {
        let folder = try BundleFolder(replacing: output, force: force)
        var (plan, summary) = try plan(sources, output: output)
        let writer = try SafetensorsWriter(
            path: folder.file(Checkpoint.bundleWeightsName),
            entries: plan.flatMap(entries), metadata: metadata)
        summary.tensorCount = plan.count
        let total = plan.reduce(0) { $0 + $1.elementCount * type($1.key).byteCount }
        for row in plan {
            let copy = type(row.key) == .int8 ? copyRounded : copy
            try copy(row, writer) { bytes in
                summary.byteCount += bytes
                try progress(row.key, summary.byteCount, total)
            }
        }
        try writer.finish()
        try folder.add("model.json", modelJSON)
        for extra in extraFiles {
            precondition(!extra.name.contains("/"), "\(extra.name): a name, not a path")
            try folder.add(extra.name, copyOf: extra.source)
        }
        try folder.commit()
        return summary
    }

    /// A tensor of the bundle, and what it is the mean of.
    private struct Row {
        var key: String
        var tensors: [CheckpointTensor]

        var shape: [Int] { tensors[0].shape }
        var elementCount: Int { tensors[0].elementCount }

        func floats(_ range: Range<Int>, into out: UnsafeMutableBufferPointer<Float>) throws {
            try tensors[0].floats(range, into: out)
            guard tensors.count > 1 else { return }
            var others = [Float](repeating: 0, count: out.count)
            for tensor in tensors.dropFirst() {
                try others.withUnsafeMutableBufferPointer { try tensor.floats(range, into: $0) }
                for index in out.indices { out[index] += others[index] }
            }
            let share = 1 / Float(tensors.count)
            for index in out.indices { out[index] *= share }
        }

        func releasePages(_ range: Range<Int>) {
            for tensor in tensors { tensor.releasePages(range) }
        }
    }

    private func plan(_ sources: [BundleSource], output: String) throws -> (rows: [Row], summary: Summary) {
        var rows: [Row] = []
        var positions: [String: Int] = [:]
        var summary = Summary()
        for source in sources {
            for tensor in source.checkpoint.tensors {
                guard let key = source.rename(tensor.key) else {
                    summary.skipped.append(tensor.key)
                    continue
                }
                if let position = positions[key] {
                    try add(tensor, to: &rows[position])
                    if duplicates == .laterWins { summary.replaced.append(key) }
                } else {
                    positions[key] = rows.count
                    rows.append(Row(key: key, tensors: [tensor]))
                }
            }
        }
        if duplicates == .mean { try requireAll(sources, rows) }
        return (rows, summary)
    }

    private func add(_ tensor: CheckpointTensor, to row: inout Row) throws {
        switch duplicates {
        case .refuse:
            throw CheckpointError(
                .duplicateTensor, path: tensor.path, key: row.key,
                "already comes from \(row.tensors[0].path)")
        case .laterWins: row.tensors = [tensor]
        case .mean:
            guard tensor.shape == row.shape else {
                throw CheckpointError(
                    .shapeMismatch, path: tensor.path, key: row.key,
                    "expected \(row.shape) as in \(row.tensors[0].path), found \(tensor.shape)")
            }
            row.tensors.append(tensor)
        }
    }

    /// A mean is of tensors that all sources have.
    private func requireAll(_ sources: [BundleSource], _ rows: [Row]) throws {
        guard let row = rows.first(where: { $0.tensors.count < sources.count }) else { return }
        let lacking = sources.first { source in
            !source.checkpoint.tensors.contains { source.rename($0.key) == row.key }
        }
        throw CheckpointError(
            .missingTensor, path: lacking?.checkpoint.path ?? "", key: row.key,
            "is not there, but in \(row.tensors[0].path)")
    }

    private func entries(_ row: Row) -> [SafetensorsWriter.Entry] {
        let type = type(row.key), shape = row.shape
        precondition(
            type == .float32 || type == .float16 || type == .int8 && shape.count == 2,
            "BundleWriter: \(row.key) \(shape) is not written as \(type)")
        let main = SafetensorsWriter.Entry(row.key, type, shape: shape)
        guard type == .int8 else { return [main] }
        return [main] + ByteMatrix.companions(of: row.key).map { .init($0, shape: [shape[0]]) }
    }

    /// Elements converted at a time: 16 MiB.
    private static let pieceElements = 4 << 20

    private func copy(_ row: Row, to writer: SafetensorsWriter, written: (Int) throws -> Void) throws {
        let type = type(row.key)
        let count = row.elementCount
        var buffer = [Float](repeating: 0, count: min(count, Self.pieceElements))
        for start in stride(from: 0, to: count, by: Self.pieceElements) {
            let range = start..<min(start + Self.pieceElements, count)
            try buffer.withUnsafeMutableBufferPointer { buffer in
                let piece = UnsafeMutableBufferPointer(rebasing: buffer[..<range.count])
                try row.floats(range, into: piece)
                try append(UnsafeBufferPointer(piece), as: type, to: row.key, of: writer)
            }
            row.releasePages(range)
            try written(range.count * type.byteCount)
        }
    }

    /// As bytes, some whole rows at a time.
    private func copyRounded(
        _ row: Row, to writer: SafetensorsWriter, written: (Int) throws -> Void
    ) throws {
        let (rows, inputs) = (row.shape[0], row.shape[1])
        var scales: [Float] = [], sums: [Float] = []
        let step = max(1, Self.pieceElements / max(1, inputs))
        for start in stride(from: 0, to: rows, by: step) {
            let some = start..<min(start + step, rows)
            let range = some.lowerBound * inputs..<some.upperBound * inputs
            let floats = try Tensor(shape: [some.count, inputs]) { try row.floats(range, into: $0) }
            let matrix = ByteMatrix(rounding: floats)
            try matrix.withBytes { try writer.append(bytes: $0, to: row.key) }
            scales += matrix.rowScales
            sums += matrix.rowSums.map(Float.init)
            row.releasePages(range)
            try written(range.count)
        }
        for (name, values) in zip(ByteMatrix.companions(of: row.key), [scales, sums]) {
            try writer.append(values, to: name)
        }
    }

    private func append(
        _ piece: UnsafeBufferPointer<Float>, as type: ElementType, to key: String,
        of writer: SafetensorsWriter
    ) throws {
        guard type == .float16 else { return try writer.append(piece, to: key) }
        try piece.map { Float16($0).bitPattern.littleEndian }
            .withUnsafeBytes { try writer.append(bytes: $0, to: key) }
    }
}

/// A folder under construction; removed when abandoned.
private final class BundleFolder {
    private let output: String
    private let partial: String
    private let force: Bool
    private var isCommitted = false

    init(replacing output: String, force: Bool) throws {
        self.output = Self.withoutTrailingSlashes(output)
        self.force = force
        partial = "\(self.output).partial-\(Self.suffix())"
        try checkOutput()
        guard mkdir(partial, 0o777) == 0 else { throw failure() }
    }

    deinit { if !isCommitted { try? FileManager.default.removeItem(atPath: partial) } }

    func file(_ name: String) -> String { "\(partial)/\(name)" }

    func add(_ name: String, _ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try add(name, $0) }
    }

    func add(_ name: String, copyOf source: String) throws {
        let file = try MappedFile(path: source)
        defer { withExtendedLifetime(file) {} }
        try add(name, file.bytes)
    }

    private func add(_ name: String, _ bytes: UnsafeRawBufferPointer) throws {
        guard access(file(name), F_OK) != 0 else {
            throw CheckpointError(.outputExists, path: output, "the bundle has a file \(name) already")
        }
        let file = try AtomicFile(path: file(name))
        try file.write(bytes, at: 0)
        try file.commit()
    }

    func commit() throws {
        try checkOutput()
        // An empty folder is replaced by rename; a bundle is moved aside first and back if that fails.
        let old = "\(output).old-\(Self.suffix())"
        let isReplacing = try !entries().isEmpty
        if isReplacing, rename(output, old) != 0 { throw failure() }
        guard rename(partial, output) == 0 else {
            let error = failure()
            if isReplacing { rename(old, output) }
            throw error
        }
        isCommitted = true
        try AtomicFile.syncFolder(of: output)
        if isReplacing { try? FileManager.default.removeItem(atPath: old) }
    }

    /// Nothing but a bundle may be replaced, and that only when asked for.
    private func checkOutput() throws {
        let names = try entries()
        guard !names.isEmpty else { return }
        guard names.contains(Checkpoint.bundleWeightsName) || names.contains("model.json") else {
            throw CheckpointError(.outputExists, path: output, "a folder that is not empty and not a bundle")
        }
        guard force else { throw CheckpointError(.outputExists, path: output, "there is a bundle already") }
    }

    /// What is in the output folder; nothing when there is none.
    private func entries() throws -> [String] {
        var status = stat()
        guard lstat(output, &status) == 0 else { return [] }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw CheckpointError(.outputExists, path: output, "exists and is not a folder")
        }
        do {
            return try FileManager.default.contentsOfDirectory(atPath: output)
        } catch { throw CheckpointError(.cannotWrite, path: output, "cannot list the folder") }
    }

    private func failure() -> CheckpointError {
        CheckpointError(.cannotWrite, path: output, CheckpointError.systemReason(errno))
    }

    private static func suffix() -> String { String(UInt32.random(in: .min ... .max), radix: 36) }

    private static func withoutTrailingSlashes(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        return path
    }
}
