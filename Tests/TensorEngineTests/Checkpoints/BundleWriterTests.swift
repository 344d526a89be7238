// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

@Suite("Bundle writer")
struct BundleWriterTests {
    private struct Stopped: Error {}

    private let writer = BundleWriter(modelJSON: Array(#"{"a": 1}"#.utf8), metadata: ["format": "pt"])

    private func open(_ name: String) throws -> Checkpoint {
        try Checkpoint.open(CheckpointFixtures.file(name))
    }

    @Test("tensors of every type, layout and container arrive as float32 under their new keys")
    func conversion() throws {
        let folder = try TemporaryFolder()
        let output = folder.path + "/bundle"
        let sources = try ["dtypes.pt", "views_legacy.pt", "mixed.safetensors", "big_endian.pt"].map { name in
            BundleSource(try open(name)) { key in key == "n" ? nil : name + "/" + key }
        }
        let summary = try writer.write(sources, to: output + "/")
        #expect(folder.names == ["bundle"])
        let bundle = try Checkpoint.open(output)
        #expect(bundle.format == .bundle)
        #expect(bundle.metadata == ["format": "pt"])
        #expect(summary.skipped == ["n"])
        #expect(summary.tensorCount == bundle.tensors.count)
        #expect(summary.byteCount == bundle.tensors.reduce(0) { $0 + $1.elementCount * 4 })
        for source in sources {
            for tensor in source.checkpoint.tensors {
                guard let key = source.rename(tensor.key) else { continue }
                let copy = try bundle.tensor(key)
                #expect(copy.dtype == .float32 && copy.shape == tensor.shape)
                #expect(copy.mappedFloat32 != nil)
                #expect(
                    try copy.readFloats().map(\.bitPattern) == tensor.readFloats().map(\.bitPattern), "\(key)"
                )
            }
        }
        #expect(try CheckpointFixtures.bytes(output + "/model.json") == writer.modelJSON)
    }

    @Test("a tensor larger than one piece is converted whole")
    func pieces() throws {
        let folder = try TemporaryFolder()
        let shape = [9, 1 << 20]
        let values = SeededWeights.values(key: "w", shape: shape)
        try SafetensorsWriter.write(path: folder.path + "/a.safetensors", tensors: [("w", shape, values)])
        var steps = 0
        try writer.write([BundleSource(try .open(folder.path + "/a.safetensors"))], to: folder.path + "/b") {
            key, done, total in
            #expect(key == "w" && done <= total && total == values.count * 4)
            steps += 1
        }
        #expect(steps == 3)
        #expect(try Checkpoint.open(folder.path + "/b").tensor("w").readFloats() == values)
    }

    @Test("an existing bundle is replaced only when asked, anything else never")
    func existing() throws {
        let folder = try TemporaryFolder()
        let output = folder.path + "/bundle"
        let source = BundleSource(try open("plain.safetensors"))
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: false)
        try writer.write([source], to: output)
        #expect(checkpointError { try writer.write([source], to: output) }?.code == .outputExists)
        var forced = writer
        forced.force = true
        forced.modelJSON = []
        try forced.write([source], to: output)
        #expect(try CheckpointFixtures.bytes(output + "/model.json") == [])
        #expect(folder.names == ["bundle"])

        let other = folder.path + "/other"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
        try Data().write(to: URL(filePath: other + "/notes.txt"))
        #expect(checkpointError { try forced.write([source], to: other) }?.code == .outputExists)
        #expect(
            checkpointError { try forced.write([source], to: other + "/notes.txt") }?.code == .outputExists)
        #expect(checkpointError { try forced.write([source], to: "/nonexistent/b") }?.code == .cannotWrite)
        #expect(folder.names == ["bundle", "other"])
    }

    @Test("an import that stops half-way leaves nothing, and the old bundle in place")
    func stopped() throws {
        let folder = try TemporaryFolder()
        let output = folder.path + "/bundle"
        let source = BundleSource(try open("plain.safetensors"))
        #expect(throws: Stopped.self) {
            try writer.write([source], to: output) { _, _, _ in throw Stopped() }
        }
        #expect(folder.names == [])

        try writer.write([source], to: output)
        var forced = writer
        forced.force = true
        var damaged = ZipBuilder(
            pickle: Pickle.file([("w", Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: 1)))]),
            storages: [("0", [1, 2, 3, 4])])
        damaged.entries[2].crc = 0
        let bad = BundleSource(try .open(try folder.write(damaged.build(), "bad.pt")))
        #expect(checkpointError { try forced.write([source, bad], to: output) }?.code == .corruptFile)
        #expect(folder.names == ["bad.pt", "bundle"])
        #expect(try Checkpoint.open(output).listing.isEmpty == false)
    }

    @Test("a key that comes twice is refused, or the later file wins when it adds to a base")
    func duplicates() throws {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write(path: folder.path + "/a", tensors: [("k", [1], [1]), ("l", [1], [5])])
        try SafetensorsWriter.write(path: folder.path + "/b", tensors: [("k", [2], [2, 3])])
        let sources = try ["a", "b"].map { BundleSource(try .open(folder.path + "/" + $0)) }
        let error = checkpointError { try writer.write(sources, to: folder.path + "/out") }
        #expect(error?.code == .duplicateTensor)
        #expect(error?.key == "k")
        var adding = writer
        adding.duplicates = .laterWins
        #expect(try adding.write(sources, to: folder.path + "/out").replaced == ["k"])
        #expect(try Checkpoint.open(folder.path + "/out").tensor("k").readFloats() == [2, 3])
    }

    @Test("the mean of several has their keys, and is refused where one lacks a key or has another shape")
    func mean() throws {
        let folder = try TemporaryFolder()
        func source(_ name: String, _ tensors: [(String, [Int], [Float])]) throws -> BundleSource {
            try SafetensorsWriter.write(path: folder.path + "/" + name, tensors: tensors)
            return BundleSource(try .open(folder.path + "/" + name))
        }
        let a = try source("a", [("k", [2], [1, -4]), ("l", [1], [5])])
        let b = try source("b", [("l", [1], [6]), ("k", [2], [2, 4])])
        let c = try source("c", [("k", [2], [6, 6]), ("l", [1], [-2])])
        var writer = writer
        writer.duplicates = .mean
        let summary = try writer.write([a, b, c], to: folder.path + "/out")
        #expect(summary.tensorCount == 2 && summary.replaced.isEmpty)
        let out = try Checkpoint.open(folder.path + "/out")
        #expect(try out.tensor("k").readFloats() == [3, 2] && out.tensor("l").readFloats() == [3])

        let short = try source("short", [("k", [2], [1, 1])])
        for sources in [[a, short], [short, a]] {
            let error = checkpointError { try writer.write(sources, to: folder.path + "/no") }
            #expect(error?.code == .missingTensor && error?.key == "l")
            #expect(error?.path == folder.path + "/short")
        }
        let wide = try source("wide", [("k", [3], [1, 1, 1]), ("l", [1], [1])])
        let error = checkpointError { try writer.write([a, wide], to: folder.path + "/no") }
        #expect(error?.code == .shapeMismatch && error?.key == "k" && error?.path == folder.path + "/wide")
    }

    @Test("further files are copied beside the weights")
    func extraFiles() throws {
        let folder = try TemporaryFolder()
        var writer = writer
        writer.extraFiles = [("merges.txt", try folder.write(Array("a b\n".utf8), "source.txt"))]
        try writer.write([BundleSource(try open("plain.safetensors"))], to: folder.path + "/out")
        #expect(try CheckpointFixtures.bytes(folder.path + "/out/merges.txt") == Array("a b\n".utf8))
    }
}
