// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine

/// Weights that a run leaves as they are. Their file is written once: each later checkpoint has a hard link to it, so it
/// stays whole when the others are removed or moved away.
struct FrozenWeights {
    private let tensors: [String: Tensor]

    init(_ tensors: [String: Tensor]) { self.tensors = tensors }

    /// Puts the file into a folder, unless there is nothing to write.
    ///
    /// - Parameter shared: the file of another checkpoint; used again where it holds these very weights.
    /// - Returns: names of the files that the folder now has.
    func write(to folder: URL, sharing shared: URL?) throws -> [String] {
        guard !tensors.isEmpty else { return [] }
        let file = folder.appending(path: Checkpoint.bundleFrozenName)
        if let shared, isHeld(by: shared.path), link(shared.path, file.path) == 0 {
            try AtomicFile.syncFolder(of: file.path)
        } else {
            // Also where the file system knows no links.
            try SafetensorsWriter.write(tensors, to: file)
        }
        return [Checkpoint.bundleFrozenName]
    }

    /// Whether the file holds all these tensors, bit by bit, and no other.
    private func isHeld(by path: String) -> Bool {
        guard let found = try? SafetensorsFile(path: path).tensors, found.count == tensors.count else {
            return false
        }
        return found.allSatisfy { tensor in
            guard let own = tensors[tensor.key], own.shape == tensor.shape else { return false }
            return own.withValues { tensor.hasBytes(UnsafeRawBufferPointer($0)) }
        }
    }
}

extension CheckpointTensor {
    /// Whether the file has these bytes as its float32 elements.
    fileprivate func hasBytes(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let (file, offset) = mappedFloat32 else { return false }
        let found = UnsafeRawBufferPointer(rebasing: file.bytes[offset..<offset + bytes.count])
        guard let a = found.baseAddress, let b = bytes.baseAddress else { return bytes.isEmpty }
        return memcmp(a, b, bytes.count) == 0
    }
}

extension SafetensorsWriter {
    /// Writes float32 tensors in alphabetical order.
    static func write(_ tensors: [String: Tensor], to file: URL) throws {
        let sorted = tensors.sorted { $0.key < $1.key }
        let writer = try SafetensorsWriter(
            path: file.path, entries: sorted.map { .init($0.key, shape: $0.value.shape) })
        for (key, tensor) in sorted { try tensor.withValues { try writer.append($0, to: key) } }
        try writer.finish()
    }
}
