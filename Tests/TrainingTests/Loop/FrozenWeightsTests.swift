// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

@testable import Training

@Suite("frozen weights in checkpoints")
struct FrozenWeightsTests {
    private let folder = FileManager.default.temporaryDirectory.appending(
        path: "frozen-\(UUID().uuidString)")
    private let info = BundleInfo(
        name: "small", architecture: SmallRun.config, classes: SquareClips().classes, licences: [],
        provenance: [])

    private func write(_ run: SmallRun, keep: Int = 5) throws -> RunCheckpoint {
        try RunCheckpoint.write(run.trainer, info: info, in: folder, keep: keep)
    }

    private func file(_ checkpoint: RunCheckpoint) -> URL {
        checkpoint.folder.appending(path: "frozen.safetensors")
    }

    private func inode(_ checkpoint: RunCheckpoint) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: file(checkpoint).path)
        return try #require(attributes[.systemFileNumber] as? Int)
    }

    @Test("are written once, and every checkpoint is whole by itself")
    func shared() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var run = try SmallRun(isFrozen: TAViS.isFrozenAsPublished)
        let first = try write(run), inode = try inode(first)
        for _ in 0..<2 { try run.step() }
        let last = try write(run, keep: 1)
        #expect(try self.inode(last) == inode)
        #expect(RunCheckpoint.list(folder).map(\.step) == [2])
        let bundle = try Checkpoint.open(last.folder.path).tensors
        #expect(bundle.count == run.bits.count)
        for tensor in bundle {
            #expect(try tensor.readFloats().map(\.bitPattern) == run.bits[tensor.key], "\(tensor.key)")
        }
        _ = try ModelBundle.load(directory: last.folder)
    }

    @Test("a run goes on from them bit by bit, and shares their file again")
    func resumed() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var run = try SmallRun(isFrozen: TAViS.isFrozenAsPublished)
        try run.step()
        let first = try write(run)
        try run.step()
        var again = try SmallRun(
            from: first.weights(), isFrozen: TAViS.isFrozenAsPublished, step: 1, moments: first.moments())
        try again.step()
        #expect(again.bits == run.bits)
        #expect(try inode(write(again)) == inode(first))
    }

    @Test("a file that the disk has changed is not shared, and the checkpoint that has it is found damaged")
    func damaged() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var run = try SmallRun(isFrozen: TAViS.isFrozenAsPublished)
        let first = try write(run)
        var bytes = try Data(contentsOf: file(first))
        bytes[bytes.count - 5] ^= 1
        try bytes.write(to: file(first))
        try run.step()
        let second = try write(run)
        #expect(try inode(second) != inode(first))
        #expect(RunCheckpoint.newest(in: folder).checkpoint?.step == 1)
        try FileManager.default.removeItem(at: second.folder)
        let (newest, problems) = RunCheckpoint.newest(in: folder)
        #expect(newest == nil)
        #expect(problems.count == 1 && problems[0].contains("frozen.safetensors: checksum"))
    }

    @Test("other weights, or none, are frozen: nothing is shared")
    func otherFreezing() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let first = try write(SmallRun(isFrozen: TAViS.isFrozenAsPublished))
        var fewer = try SmallRun(isFrozen: { $0.hasPrefix("imagebind.") })
        try fewer.step()
        let second = try write(fewer)
        #expect(try inode(second) != inode(first))
        var none = try SmallRun()
        for _ in 0..<2 { try none.step() }
        let third = try write(none)
        #expect(!FileManager.default.fileExists(atPath: file(third).path))
        _ = try ModelBundle.load(directory: third.folder)
    }

    @Test("a bundle that has a weight in both files is refused")
    func twice() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let checkpoint = try write(SmallRun())
        try FileManager.default.copyItem(
            at: checkpoint.folder.appending(path: "model.safetensors"), to: file(checkpoint))
        let error = #expect(throws: CheckpointError.self) {
            try ModelBundle.load(directory: checkpoint.folder)
        }
        #expect(error?.code == .duplicateTensor)
    }
}
