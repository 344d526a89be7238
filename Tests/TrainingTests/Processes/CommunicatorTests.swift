// SPDX-License-Identifier: Apache-2.0
import Models
import TensorEngine
import Testing

@testable import Training

@Suite("processes that train together", .serialized)
struct CommunicatorTests {
    private struct Failure: Error, CustomStringConvertible { let description = "the disk is full" }

    @Test("shares follow each other and leave nothing out", arguments: [1, 2, 3, 5], [0, 1, 4, 12, 13])
    func shares(size: Int, count: Int) {
        let team = Team(size: size)
        let shares = (0..<size).map { Team.Member(team: team, rank: $0).share(of: count) }
        #expect(shares.flatMap { Array($0) } == Array(0..<count))
        #expect(shares.allSatisfy { abs($0.count - count / size) <= 1 })
    }

    @Test("the clips of a step are the same however many processes share them")
    func clips() throws {
        let mixes = [
            ClipMix([.init(SquareClips())], batch: 4, seed: 3),
            ClipMix([.init(SquareClips()), .init(SquareClips())], batch: 4, seed: 3),
        ]
        for mix in mixes {
            let all = try mix.clips(step: 5).map(\.name)
            #expect(try mix.clips(step: 5, items: 0..<2).map(\.name) == Array(all[..<2]))
            #expect(try mix.clips(step: 5, items: 2..<4).map(\.name) == Array(all[2...]))
        }
    }

    @Test("a process by itself hears itself, and its own errors")
    func single() throws {
        let one = SingleProcess()
        #expect(try one.together { 7 } == [7] && one.gather([1, 2]) == [[1, 2]])
        #expect(throws: Failure.self) { try one.first { throw Failure() } }
    }

    @Test("results come in the order of ranks; only the first process does what is its own")
    func together() throws {
        let found = Team(size: 3).run { member in
            var writes = false
            try member.first { writes = true }
            return (try member.together { "process \(member.rank)" }, writes)
        }
        for (rank, result) in found.enumerated() {
            let (texts, writes) = try result.get()
            #expect(texts == ["process 0", "process 1", "process 2"] && writes == (rank == 0))
        }
    }

    @Test("what fails in one process fails in all, and the others say which one")
    func failure() throws {
        let found = Team(size: 3).run { member in
            try member.together { if member.rank == 1 { throw Failure() } }
        }
        #expect(throws: Failure.self) { try found[1].get() }
        for rank in [0, 2] {
            let error = #expect(throws: CommunicatorError.self) { try found[rank].get() }
            #expect(error?.description == "process 1: the disk is full")
        }
    }

    @Test("a launcher's several processes are refused where they cannot talk; one by itself needs nobody")
    func joining() throws {
        #expect(try Processes.join(environment: [:]) is SingleProcess)
        #expect(try Processes.join(environment: ["OMPI_COMM_WORLD_SIZE": "1"]) is SingleProcess)
        #if !MPI
            let error = #expect(throws: CommunicatorError.self) {
                try Processes.join(environment: ["SLURM_STEP_NUM_TASKS": "4"])
            }
            #expect(error?.detail.contains("--traits MPI") == true)
        #endif
    }

    // MARK: Training

    private struct Trained: Sendable {
        var reports: [StepReport]
        var bits: [String: [UInt32]]
    }

    /// Three steps on the same four batches, of which each process takes its share.
    private static func train(_ communicator: any Communicator) throws -> Trained {
        var settings = SmallRun.settings
        settings.losses.visibleClasses = 1
        var run = try SmallRun(settings, communicator: communicator)
        var batches = try (0..<4).map {
            try ClipBatch([SquareClips().clip($0)], side: 64, smallestArea: 20, logMel: LogMel())
        }
        // Some parameters have no gradient in the second half.
        for index in 2..<4 { batches[index].visible = nil }
        let own = Array(batches[communicator.share(of: 4)])
        let reports = try (0..<3).map { _ in try run.trainer.train(own) }
        return Trained(reports: reports, bits: run.bits)
    }

    @Test("two processes take the steps of one with twice the accumulation, and end with the same weights")
    func training() throws {
        let alone = try Self.train(SingleProcess())
        let pair = try Team(size: 2).run { try Self.train($0) }.map { try $0.get() }
        #expect(pair[0].bits == pair[1].bits)
        for (a, b) in zip(alone.reports, pair[0].reports) {
            #expect(abs(a.loss - b.loss) < 1e-3 * abs(a.loss), "step \(a.step): \(a.loss), \(b.loss)")
            #expect(abs(a.gradientNorm - b.gradientNorm) < 1e-2 * a.gradientNorm)
            #expect(a.terms.map(\.name) == b.terms.map(\.name) && a.rate == b.rate && a.frames == b.frames)
        }
        let (a, b) = (alone.reports[0], pair[0].reports[0])
        #expect(abs(a.loss - b.loss) < 1e-5 * abs(a.loss), "\(a.loss), \(b.loss)")
        #expect(abs(a.gradientNorm - b.gradientNorm) < 1e-4 * a.gradientNorm)
    }
}
