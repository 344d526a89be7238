// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

/// Damaged copies of good files: each must be read or refused, never trap, hang or read outside the file.
@Suite("Damaged checkpoints")
struct CheckpointFuzzTests {
    /// The small fixtures.
    static let files: [String] = CheckpointFixtures.listed("files", "checkpoints", suffix: ".json")
        .filter { $0.hasPrefix(CheckpointFixtures.folder) && !$0.contains("many_tensors") }
        .map { String($0.dropLast(".json".count)) }

    /// Bytes tried per file.
    private static let positions = 400

    /// Opens the bytes and reads every tensor; the error, if any, must be ours.
    private func outcome(_ bytes: [UInt8], _ name: String) throws
        -> CheckpointError?
    {
        do {
            for tensor in try Checkpoint.open(MappedFile(guarding: bytes, name: name)).tensors
            where tensor.elementCount < 1 << 20 {
                _ = try tensor.readFloats()
            }
            return nil
        } catch let error as CheckpointError {
            #expect(!error.description.contains("\n"))
            return error
        }
    }

    @Test("a file cut short anywhere is refused", arguments: files)
    func truncated(path: String) throws {
        let bytes = try CheckpointFixtures.bytes(path)
        let name = URL(filePath: path).lastPathComponent
        let step = max(1, bytes.count / Self.positions)
        for count in Array(stride(from: 0, to: bytes.count, by: step)) + [bytes.count - 1] {
            #expect(try outcome(Array(bytes.prefix(count)), name) != nil, "\(count) bytes")
        }
    }

    @Test("a file with a changed byte is read or refused", arguments: files)
    func flipped(path: String) throws {
        let bytes = try CheckpointFixtures.bytes(path)
        let name = URL(filePath: path).lastPathComponent
        let step = max(1, bytes.count / Self.positions)
        for position in stride(from: 0, to: bytes.count, by: step) {
            for mask in [UInt8(1) << (position % 8), 0xFF] {
                var changed = bytes
                changed[position] ^= mask
                _ = try outcome(changed, name)
            }
        }
    }

    @Test(
        "a changed pickle with a right checksum is read or refused",
        arguments: files.filter { $0.hasSuffix(".pt") })
    func flippedPickle(path: String) throws {
        let file = try MappedFile(path: path)
        guard file.bytes.starts(with: "PK".utf8) else { return }
        let archive = try ZipArchive(file)
        var zip = ZipBuilder(pickle: [])
        zip.entries = archive.entries.map { .init(name: $0.name, data: Array(file.bytes[$0.data])) }
        let pickle = try #require(zip.entries.firstIndex { $0.name.hasSuffix("/data.pkl") })
        let bytes = zip.entries[pickle].data
        #expect(try outcome(zip.build(), "x.pt") == nil)
        for position in 0..<bytes.count {
            for mask in [UInt8(1) << (position % 8), 0xFF] {
                zip.entries[pickle].data = bytes
                zip.entries[pickle].data[position] ^= mask
                _ = try outcome(zip.build(), "x.pt")
            }
            zip.entries[pickle].data = Array(bytes.prefix(position))
            #expect(try outcome(zip.build(), "x.pt") != nil)
        }
    }
}
