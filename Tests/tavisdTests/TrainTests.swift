// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import Testing

@Suite("tavisd train", .serialized)
struct TrainTests {
    private let work = try! Workplace()
    /// Enough that the run is in its middle when the first checkpoint is seen, however slow the machine.
    private static let steps = 30

    @Test("a run killed in the middle and resumed ends with the very same weights as one left alone")
    func killed() throws {
        let training = try SmallTraining(work)
        for name in ["alone", "killed"] {
            try training.writeConfig(
                name + ".yaml", output: name, steps: Self.steps,
                further: "freeze: [imagebind.modality_trunks.vision]")
        }
        let alone = try work.run("train", "--config", "alone.yaml")
        #expect(alone.code == 0, "\(alone.errors)")
        let running = try work.start(["train", "--config", "killed.yaml"])
        try waitForCheckpoint(in: "killed", of: running)
        running.send(SIGKILL)
        #expect(try running.wait().code == -SIGKILL)
        #expect(!exists("killed/step-\(Self.steps)"))
        let resumed = try work.run("train", "--config", "killed.yaml", "--resume")
        #expect(resumed.code == 0, "\(resumed.errors)")
        for name in ["model.safetensors", "frozen.safetensors", "optimizer.safetensors"] {
            #expect(try data("killed/step-\(Self.steps)/\(name)") == data("alone/step-\(Self.steps)/\(name)"))
        }
        let frozen = [Self.steps - 5, Self.steps].map { work.path("killed/step-\($0)/frozen.safetensors") }
        #expect(try inode(frozen[0]) == inode(frozen[1]), "the frozen weights were written again")
        let logged = try steps(of: "killed/log.jsonl")
        #expect(logged == Array(1...Self.steps))
        #expect(
            try String(decoding: data("killed/report.html"), as: UTF8.self).contains("alt=\"prediction\""))
        // The one evaluation of the run makes its checkpoint the best, though it is not among the newest.
        for run in ["alone", "killed"] {
            _ = try ModelBundle.load(directory: URL(fileURLWithPath: work.path("\(run)/best")))
            #expect(try JSONDecoder().decode(Step.self, from: data("\(run)/best/state.json")).step == 20)
        }
    }

    private struct Step: Decodable { var step: Int }

    @Test("Ctrl-C saves the state and says how to go on")
    func interrupted() throws {
        try SmallTraining(work).writeConfig("stop.yaml", output: "stop", steps: 100_000)
        let running = try work.start(["train", "--config", "stop.yaml"])
        try waitForCheckpoint(in: "stop", of: running)
        running.send(SIGINT)
        let outcome = try running.wait()
        #expect(outcome.code == 130)
        #expect(outcome.out.contains("--resume goes on"))
        let newest = try #require(
            checkpoints("stop").max { $0.localizedStandardCompare($1) == .orderedAscending })
        _ = try ModelBundle.load(directory: URL(fileURLWithPath: work.path("stop/" + newest)))
        let again = try work.run("train", "--config", "stop.yaml")
        #expect(again.code != 0)
        #expect(again.errors.contains("is not empty; --resume goes on with the run in it"))
    }

    @Test("what is wrong with a configuration is said at once, with lines")
    func badConfig() throws {
        try "name: x\noutput: y\nbatch: nought\nwhat: 1\n".write(
            toFile: work.root + "/bad.yaml", atomically: true, encoding: .utf8)
        let outcome = try work.run("train", "--config", "bad.yaml")
        #expect(outcome.code == 78)
        #expect(outcome.errors.contains("bad.yaml:3: batch") && outcome.errors.contains("bad.yaml:4: what"))
        #expect(try work.run("train", "--config", "absent.yaml").code != 0)
    }

    // MARK: Support

    /// Any checkpoint: the first ones are soon removed again.
    private func waitForCheckpoint(in folder: String, of run: Workplace.Running) throws {
        while run.isRunning, checkpoints(folder).isEmpty { usleep(1_000) }
        try #require(!checkpoints(folder).isEmpty, "the run in \(folder) ended without a checkpoint")
    }

    private func checkpoints(_ folder: String) -> [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: work.path(folder))
        return (names ?? []).filter { $0.hasPrefix("step-") }
    }

    private func inode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.systemFileNumber] as? Int)
    }

    private func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: work.root + "/" + path)
    }

    private func data(_ path: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: work.root + "/" + path))
    }

    private func steps(of log: String) throws -> [Int] {
        struct Line: Decodable {
            var kind: String?
            var step: Int
            var gradientNorm: Float?
        }
        return try String(decoding: data(log), as: UTF8.self).split(separator: "\n")
            .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
            .filter { $0.gradientNorm != nil }.map(\.step)
    }
}
