// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import Models
package import TensorEngine

/// Where a run stood after a step: a model bundle that can be used at once, and beside it what the optimizer knows.
///
/// A checkpoint is a folder `step-N` of `model.json`, `model.safetensors`, `optimizer.safetensors` and `state.json`, and
/// `frozen.safetensors` where some weights stay as they are: that file is shared with the checkpoint before. It is built
/// under another name and renamed when every file is on disk, so under its own name it is whole; checksums find what
/// the disk has changed since.
package struct RunCheckpoint {
    package let folder: URL
    package let step: Int

    private static let optimizerName = "optimizer.safetensors"
    private static let stateName = "state.json"
    private static let prefix = "step-"

    private struct State: Codable {
        var format = 1
        var step: Int
        /// Steps that each parameter has had.
        var parameterSteps: [String: Int]
        /// CRC-32 of each file beside this one.
        var checksums: [String: UInt32]
    }

    // MARK: Writing

    /// Writes the state after `trainer.step` steps; the newest `keep` checkpoints stay.
    ///
    /// - Parameter extra: further tensors of the bundle, e.g. label embeddings.
    package static func write(
        _ trainer: Trainer, info: BundleInfo, extra: [String: Tensor] = [:], in runFolder: URL, keep: Int
    ) throws -> RunCheckpoint {
        let final = runFolder.appending(path: prefix + String(trainer.step))
        let partial = runFolder.appending(path: ".partial-\(prefix)\(trainer.step)")
        let files = FileManager.default
        try? files.removeItem(at: partial)
        try files.createDirectory(at: partial, withIntermediateDirectories: true)
        let shared = list(runFolder).last.map { $0.folder.appending(path: Checkpoint.bundleFrozenName) }
        let frozen = try FrozenWeights(trainer.store.frozen).write(to: partial, sharing: shared)
        try write(trainer, info: info, extra: extra, to: partial, beside: frozen)
        try? files.removeItem(at: final)
        try files.moveItem(at: partial, to: final)
        try AtomicFile.syncFolder(of: final.path)
        for old in list(runFolder).dropLast(max(1, keep)) { try? files.removeItem(at: old.folder) }
        return RunCheckpoint(folder: final, step: trainer.step)
    }

    private static func write(
        _ trainer: Trainer, info: BundleInfo, extra: [String: Tensor], to folder: URL, beside frozen: [String]
    ) throws {
        let parameters = trainer.store.parameters.map { ($0.key, $0.tensor) }
        let trained = Dictionary(uniqueKeysWithValues: parameters)
        try SafetensorsWriter.write(
            trained.merging(extra) { $1 }, to: folder.appending(path: ModelBundle.weightsName))
        try AtomicFile.write(info.encoded(), path: folder.appending(path: ModelBundle.infoName).path)
        var moments: [String: Tensor] = [:]
        for (key, state) in trainer.optimizer.moments {
            moments["mean." + key] = state.mean
            moments["square." + key] = state.square
        }
        try SafetensorsWriter.write(moments, to: folder.appending(path: optimizerName))
        let names = [ModelBundle.weightsName, ModelBundle.infoName, optimizerName] + frozen
        let state = State(
            step: trainer.step, parameterSteps: trainer.optimizer.moments.mapValues(\.steps),
            checksums: try Dictionary(uniqueKeysWithValues: names.map { ($0, try checksum(folder, $0)) }))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try AtomicFile.write(encoder.encode(state), path: folder.appending(path: stateName).path)
    }

    /// Keeps this checkpoint under another name, too, without a second copy where the file system knows links.
    ///
    /// What had the name before goes away; a crash in between leaves the name missing, never a part under it.
    package func link(as name: String) throws {
        let files = FileManager.default
        let (final, partial) = (
            folder.deletingLastPathComponent().appending(path: name),
            folder.deletingLastPathComponent().appending(path: ".partial-\(name)")
        )
        try? files.removeItem(at: partial)
        try files.createDirectory(at: partial, withIntermediateDirectories: true)
        for file in try files.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let copy = partial.appending(path: file.lastPathComponent)
            if Glibc.link(file.path, copy.path) != 0 { try files.copyItem(at: file, to: copy) }
        }
        try? files.removeItem(at: final)
        try files.moveItem(at: partial, to: final)
        try AtomicFile.syncFolder(of: final.path)
    }

    // MARK: Reading

    /// Checkpoints of a run, oldest first.
    package static func list(_ runFolder: URL) -> [RunCheckpoint] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: runFolder.path)) ?? []
        return names.compactMap { name in
            guard name.hasPrefix(prefix), let step = Int(name.dropFirst(prefix.count)) else { return nil }
            return RunCheckpoint(folder: runFolder.appending(path: name), step: step)
        }.sorted { $0.step < $1.step }
    }

    /// The newest checkpoint that is whole, and the damaged ones passed over, each with what is wrong.
    ///
    /// - Parameter step: later ones do not count.
    package static func newest(
        in runFolder: URL, before step: Int = .max
    ) -> (checkpoint: RunCheckpoint?, damaged: [String]) {
        var damaged: [String] = []
        for checkpoint in list(runFolder).reversed() where checkpoint.step <= step {
            do {
                _ = try checkpoint.state()
                return (checkpoint, damaged)
            } catch {
                damaged.append("\(checkpoint.folder.path): \(error)")
            }
        }
        return (nil, damaged)
    }

    /// - Throws: `BundleError` naming the file whose content changed.
    private func state() throws -> State {
        let path = folder.appending(path: Self.stateName)
        guard let data = FileManager.default.contents(atPath: path.path) else {
            throw BundleError(path: path.path, detail: "missing")
        }
        guard let state = try? JSONDecoder().decode(State.self, from: data) else {
            throw BundleError(path: path.path, detail: "not readable")
        }
        for (name, expected) in state.checksums.sorted(by: { $0.key < $1.key }) {
            let found = try Self.checksum(folder, name)
            guard found == expected else {
                throw BundleError(
                    path: folder.appending(path: name).path,
                    detail: "checksum \(String(found, radix: 16)), expected \(String(expected, radix: 16))")
            }
        }
        return state
    }

    /// The weights, mapped.
    package func weights() throws -> any WeightSource { try ModelBundle.weights(directory: folder) }

    /// What the optimizer knew.
    package func moments() throws -> [String: AdamW.Moments] {
        let steps = try state().parameterSteps
        let file = try SafetensorsFile(path: folder.appending(path: Self.optimizerName).path)
        let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.key, $0) })
        func tensor(_ key: String) throws -> Tensor {
            guard let found = tensors[key] else {
                throw BundleError(
                    path: folder.appending(path: Self.optimizerName).path, detail: "\(key): missing")
            }
            return Tensor(try found.readFloats(), shape: found.shape)
        }
        return try Dictionary(
            uniqueKeysWithValues: steps.map { key, steps in
                let moments = AdamW.Moments(
                    mean: try tensor("mean." + key), square: try tensor("square." + key), steps: steps)
                return (key, moments)
            })
    }

    // MARK: Files

    private static func checksum(_ folder: URL, _ name: String) throws -> UInt32 {
        try MappedFile(path: folder.appending(path: name).path).checksum
    }
}
