// SPDX-License-Identifier: Apache-2.0
// The program itself under `mpirun`; see `make test-mpi`.
#if MPI
    import Foundation
    import Models
    import Testing

    @testable import Training

    @Suite("training over MPI", .serialized)
    final class MPITests {
        private let folder = FileManager.default.temporaryDirectory.appending(
            path: "mpi-\(UUID().uuidString)")
        private static let steps = 20

        init() throws {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try JSONEncoder().encode(SmallRun.config).write(to: folder.appending(path: "small.json"))
        }

        deinit { try? FileManager.default.removeItem(at: folder) }

        @Test("two processes log the losses of one with twice the accumulation")
        func losses() throws {
            try writeConfig("one", accumulate: 4)
            try writeConfig("two", accumulate: 2)
            #expect(try run(1, "one").code == 0)
            let two = try run(2, "two")
            #expect(two.code == 0, "\(two.errors)")
            #expect(two.out.split(separator: "\n").count == 1, "one process speaks: \(two.out)")
            let (one, both) = (try logged("one"), try logged("two"))
            #expect(both.map(\.step) == Array(1...Self.steps) && one.map(\.step) == both.map(\.step))
            for (a, b) in zip(one, both) {
                // Sums in another order, which the steps of Adam make more of.
                let bound: Float = a.step == 1 ? 1e-5 : 1e-2
                #expect(abs(a.loss - b.loss) < bound * abs(a.loss), "step \(a.step): \(a.loss), \(b.loss)")
                #expect(a.rate == b.rate)
            }
            #expect(try scores("two").count == 1)
        }

        @Test("a process killed ends the run; resumed, it ends with the weights of one left alone")
        func killed() throws {
            try writeConfig("alone", accumulate: 1)
            try writeConfig("killed", accumulate: 1)
            #expect(try run(2, "alone").code == 0)
            let job = try Job(2, "killed", in: folder)
            while job.isRunning, RunCheckpoint.list(output("killed")).isEmpty { usleep(1_000) }
            kill(try #require(job.process(ofRank: 1)), SIGKILL)
            let ended = try job.wait()
            #expect(ended.code != 0)
            let found = RunCheckpoint.newest(in: output("killed"))
            let checkpoint = try #require(found.checkpoint)
            #expect(found.damaged.isEmpty && checkpoint.step < Self.steps)
            _ = try ModelBundle.load(directory: checkpoint.folder)
            let resumed = try run(2, "killed", "--resume")
            #expect(resumed.code == 0, "\(resumed.errors)")
            #expect(try logged("killed").map(\.step) == Array(1...Self.steps))
            for name in ["model.safetensors", "optimizer.safetensors"] {
                let files = ["alone", "killed"].map {
                    output($0).appending(path: "step-\(Self.steps)/\(name)")
                }
                #expect(try Data(contentsOf: files[0]) == Data(contentsOf: files[1]), "\(name)")
            }
        }

        @Test("an error of the first process ends all of them, and is told")
        func refused() throws {
            try writeConfig("full", accumulate: 1)
            try FileManager.default.createDirectory(
                at: output("full").appending(path: "something"), withIntermediateDirectories: true)
            let outcome = try run(2, "full")
            #expect(outcome.code != 0)
            #expect(outcome.errors.contains("is not empty; --resume goes on with the run in it"))
        }

        // MARK: Support

        private func output(_ name: String) -> URL { folder.appending(path: name) }

        private func run(_ processes: Int, _ name: String, _ further: String...) throws -> Job.Outcome {
            try Job(processes, name, in: folder, further).wait()
        }

        private func entries(_ name: String) throws -> [LogEntry] {
            try TrainingLog.read(path: output(name).appending(path: "log.jsonl").path)
        }

        private func logged(_ name: String) throws -> [LogEntry.Step] {
            try entries(name).compactMap { if case .step(let step) = $0 { step } else { nil } }
        }

        private func scores(_ name: String) throws -> [LogEntry.Evaluation] {
            try entries(name).compactMap { if case .evaluation(let found) = $0 { found } else { nil } }
        }

        private func writeConfig(_ name: String, accumulate: Int) throws {
            let text = """
                name: small
                output: \(name)
                seed: 3
                start: {kind: scratch, architecture: {file: small.json}}
                data:
                  - {kind: synthetic, seed: 5, level: easy, scenes: 100}
                evaluation:
                  every: 15
                  clips: 2
                  data:
                    - {kind: synthetic, seed: 6, level: hard, scenes: 2}
                side: 64
                frames: 2
                memory: true
                batch: 1
                accumulate: \(accumulate)
                steps: \(Self.steps)
                losses: {match_points: 128, visible_classes: 1}
                checkpoint: {every: 3, keep: 2}
                """
            try text.write(to: folder.appending(path: name + ".yaml"), atomically: true, encoding: .utf8)
        }
    }

    /// The program in several processes, started with a configuration of the folder.
    private final class Job {
        struct Outcome {
            var code: Int32
            var out, errors: String
        }

        private let process = Process()
        private let out, errors: URL

        init(_ processes: Int, _ config: String, in folder: URL, _ further: [String] = []) throws {
            (out, errors) = (folder.appending(path: config + ".out"), folder.appending(path: config + ".err"))
            // More processes than cores, for root in a container as well.
            let mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments =
                mpirun + ["-n", "\(processes)", Self.program, "train", "--config", config + ".yaml"] + further
            process.currentDirectoryURL = folder
            process.standardInput = FileHandle.nullDevice
            for file in [out, errors] { try Data().write(to: file) }
            process.standardOutput = try FileHandle(forWritingTo: out)
            process.standardError = try FileHandle(forWritingTo: errors)
            try process.run()
        }

        /// Built along with these tests.
        private static var program: String {
            let tests = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            return tests.deletingLastPathComponent().appending(path: "tavisd").path
        }

        var isRunning: Bool { process.isRunning }

        func wait() throws -> Outcome {
            process.waitUntilExit()
            return Outcome(
                code: process.terminationStatus, out: try String(contentsOf: out, encoding: .utf8),
                errors: try String(contentsOf: errors, encoding: .utf8))
        }

        /// The process that `mpirun` started as this one.
        func process(ofRank rank: Int) -> pid_t? {
            let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap {
                pid_t($0)
            }
            return all?.first { pid in
                Self.text("/proc/\(pid)/status").contains("\nPPid:\t\(process.processIdentifier)\n")
                    && Self.text("/proc/\(pid)/environ").split(separator: "\0")
                        .contains("OMPI_COMM_WORLD_RANK=\(rank)")
            }
        }

        private static func text(_ path: String) -> String {
            (try? Data(contentsOf: URL(fileURLWithPath: path))).map { String(decoding: $0, as: UTF8.self) }
                ?? ""
        }
    }
#endif
