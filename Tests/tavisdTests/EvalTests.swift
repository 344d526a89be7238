// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("tavisd eval", .serialized)
struct EvalTests {
    private struct Result: Decodable {
        struct Data: Decodable { var name: String; var clips, frames: Int; var sha256: String }
        struct Model: Decodable { var name: String; var sha256: String? }
        var data: Data
        var model: Model
        var metrics: [String: Double]
        var audio: String
    }

    private let work: Workplace
    private let model: String

    init() throws {
        work = try Workplace()
        model = try SmallTraining(work).bundle()
    }

    private func result(_ arguments: String...) throws -> Result { try result(arguments) }

    private func result(_ arguments: [String]) throws -> Result {
        let outcome = try work.start(["eval"] + arguments + ["--model", model, "--json", "r.json"]).wait()
        try #require(outcome.code == 0, "\(outcome.errors)")
        let data = try Data(contentsOf: URL(fileURLWithPath: work.path("r.json")))
        return try JSONDecoder().decode(Result.self, from: data)
    }

    @Test("the same clips from a folder and made on the fly, by either protocol")
    func protocols() throws {
        #expect(try work.run("synth", "set", "--seed", "3", "--clips", "20", "--size", "64x64").code == 0)
        let first = try result("set", "--split", "test", "--report", "r.html")
        #expect(first.data.clips == 2 && first.data.frames == 10 && first.model.name == "small")
        #expect(first.model.sha256 == (try sha256(model + "/model.safetensors")))
        #expect(first.metrics["official_M_J"] != nil && first.metrics["semantic_M_J"] != nil)
        let page = try String(contentsOfFile: work.path("r.html"), encoding: .utf8)
        #expect(page.contains("<svg") || page.contains("<img"))
        #expect(try result("set", "--split", "test").data.sha256 == first.data.sha256)
        #expect(try result("set", "--split", "val").data.sha256 != first.data.sha256)
        let stream = try result("set", "--split", "test", "--protocol", "stream", "--memory", "on")
        #expect(stream.data.sha256 == first.data.sha256)
    }

    @Test("sound is changed as asked for, and the table says what came out")
    func listening() throws {
        let muted = try result("--synthetic", "easy", "--clips", "2", "--frames", "2", "--audio", "mute")
        #expect(muted.audio == "mute" && muted.metrics["stray_area"] != nil && muted.metrics["M_J"] == nil)
        let swapped = try result("--synthetic", "easy", "--clips", "4", "--frames", "1", "--audio", "swap")
        #expect(swapped.metrics["unmarked_clips"] != nil)
        let outcome = try work.run(
            "eval", "--synthetic", "easy", "--clips", "2", "--frames", "3", "--protocol", "stream",
            "--sounds",
            "silent", "--model", model)
        #expect(outcome.out.contains("small on synthetic easy") && outcome.out.contains("6 frames"))
        #expect(outcome.out.contains("marked where nothing in sight sounds, % of pixels  0.0"))
    }

    @Test("synthetic clips are drawn at the size asked for, at AVSBench's where none is")
    func pictures() throws {
        func drawn(_ arguments: String...) throws -> Result.Data {
            try result(["--synthetic", "easy", "--clips", "1", "--frames", "1"] + arguments).data
        }
        let usual = try drawn(), same = try drawn("--picture", "224x224")
        let wide = try drawn("--picture", "96x64")
        #expect(usual.sha256 == same.sha256 && usual.sha256 != wide.sha256)
        #expect(usual.name.contains("224x224") && wide.name.contains("96x64"))
    }

    @Test("what is lost against another model is told, and nothing is lost against itself")
    func comparison() throws {
        struct Compared: Decodable {
            struct Masks: Decodable {
                var meanOverlap, worstOverlap: Double; var markedFrames, emptyFrames: Int
            }
            struct Comparison: Decodable {
                var metrics, losses: [String: Double]
                var masks: Masks
            }
            var metrics: [String: Double]
            var comparison: Comparison
        }
        func compare(_ other: String, _ arguments: String...) throws -> (Compared, String) {
            let outcome = try work.start(
                ["eval", "--synthetic", "easy", "--sounds", "sounding", "--clips", "3", "--model", model]
                    + ["--compare", other, "--json", "c.json"] + arguments
            ).wait()
            try #require(outcome.code == 0, "\(outcome.errors)")
            let data = try Data(contentsOf: URL(fileURLWithPath: work.path("c.json")))
            return (try JSONDecoder().decode(Compared.self, from: data), outcome.out)
        }
        let (same, text) = try compare(model)
        #expect(
            same.comparison.metrics == same.metrics && same.comparison.losses.values.allSatisfy { $0 == 0 })
        #expect(same.comparison.masks.meanOverlap == (same.comparison.masks.markedFrames > 0 ? 1 : 0))
        #expect(same.comparison.masks.markedFrames + same.comparison.masks.emptyFrames == 15)
        #expect(text.contains("against small: M_J -0.000") || text.contains("against small: M_J +0.000"))

        let (other, _) = try compare("built-in", "--size", "224")
        let (loss, ours) = (other.comparison.losses["M_J"], other.metrics["M_J"])
        #expect(loss == (other.comparison.metrics["M_J"] ?? 0) - (ours ?? 0) && loss != 0)
        #expect(other.comparison.masks.meanOverlap < 1 && other.comparison.masks.worstOverlap < 1)
        let (stream, _) = try compare(
            "built-in", "--size", "224", "--protocol", "stream", "--profile", "realtime")
        #expect(stream.comparison.metrics["M_J"] != other.comparison.metrics["M_J"])
    }

    @Test("wrong usage and unusable data are one line each")
    func errors() throws {
        for (arguments, code, words) in [
            (["eval"], 64, "name a dataset's folder"), (["eval", "x", "--synthetic", "easy"], 64, "name"),
            (["eval", "--synthetic", "easy", "--clips", "0"], 64, "--clips"),
            (["eval", "--synthetic", "easy", "--vocabulary", "seen"], 64, "--vocabulary"),
            (["eval", "--synthetic", "easy", "--picture", "9x9"], 64, "--picture"),
            (["eval", "x", "--picture", "96x64"], 64, "--picture is for --synthetic"),
            (["eval", "x", "--seed", "0"], 64, "--seed is for --synthetic"),
            (["eval", "x", "--sounds", "mixed"], 64, "--sounds is for --synthetic"),
            (["eval", "--synthetic", "easy", "--layout", "avss"], 64, "--layout is for a dataset's folder"),
            (["eval", "--synthetic", "easy", "--split", "test"], 64, "--split is for a dataset's folder"),
            (["eval", "absent", "--model", model], 65, "absent"),
            (["eval", "--synthetic", "easy", "--profile", "realtime"], 64, "--protocol stream"),
            (["eval", "--synthetic", "easy", "--model", model, "--compare", "none"], 65, "none"),
            (["eval", "--synthetic", "easy", "--model", "none"], 65, "none"),
        ] as [([String], Int32, String)] {
            let outcome = try work.start(arguments).wait()
            #expect(outcome.code == code && outcome.errors.contains(words), "\(arguments): \(outcome.errors)")
        }
        let unwritable = try work.run(
            "eval", "--synthetic", "easy", "--clips", "1", "--frames", "1", "--model", model, "--json",
            "no/such/r.json")
        #expect(unwritable.code == 73 && unwritable.errors.contains("no/such/r.json"))
    }

    private func sha256(_ path: String) throws -> String {
        let process = Process(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
        process.arguments = [path.hasPrefix("/") ? path : work.path(path)]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return String(text.prefix(64))
    }
}
