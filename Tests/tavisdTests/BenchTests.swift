// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("tavisbench")
struct BenchTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    private func bench(_ arguments: String..., core: String? = nil) throws -> (
        code: Int32, out: String, error: String
    ) {
        let process = Process()
        let program = URL(fileURLWithPath: Workplace.program).deletingLastPathComponent()
            .appending(path: "tavisbench")
        process.executableURL = core == nil ? program : URL(fileURLWithPath: "/usr/bin/taskset")
        process.arguments = (core.map { ["-c", $0, program.path] } ?? []) + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: place.root)
        let output = place.path("out.txt"), errors = place.path("errors.txt")
        for file in [output, errors] { #expect(FileManager.default.createFile(atPath: file, contents: nil)) }
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = FileHandle(forWritingAtPath: errors)
        try process.run()
        process.waitUntilExit()
        return (
            process.terminationStatus, try String(contentsOfFile: output, encoding: .utf8),
            try String(contentsOfFile: errors, encoding: .utf8)
        )
    }

    @Test("stages are called as in the comparison with PyTorch")
    func names() throws {
        let outcome = try bench("--list")
        let names = Set(outcome.out.split(separator: "\n").map(String.init))
        let peer = [
            "imagebind-image-224", "imagebind-image-112", "imagebind-audio", "imagebind-text-1",
            "imagebind-text-6", "tavis-l-frame-224", "tavis-t-frame-224", "tavis-l-encoder-224",
            "tavis-audio",
            "tavis-ibqd-prompts", "tavis-image-token", "tavis-decoder-6-slots",
        ]
        let encoders = ["t", "l"].flatMap { v in [224, 512, 1024].map { "sam2-\(v)-encoder-\($0)" } }
        #expect(outcome.code == 0 && names.isSuperset(of: peer + encoders))
    }

    /// The fields that others read.
    private struct Report: Decodable {
        struct Stage: Decodable {
            let name: String
            let seconds, bestSeconds, gmac, doneGmac, gflopPerSecond, shareOfPeak, bytes, allocations: Double
            let faults, peakBytes: Double
            let runs: Int
            let p50Seconds, p99Seconds, peerSeconds, timesAsFast: Double?
        }
        struct Machine: Decodable {
            let cpu: String
            let threads: Int
            let peakFloat32: Double
        }
        let program, date, precision: String
        let machine: Machine
        let comparedWith: String?
        let stages: [Stage]
    }

    private func report(_ name: String) throws -> Report {
        try JSONDecoder().decode(Report.self, from: Data(contentsOf: URL(fileURLWithPath: place.path(name))))
    }

    @Test("a stage is timed and written as JSON, with the work that was done and what it took")
    func stage() throws {
        let outcome = try bench(
            "--only", "linear-6x4096x1024,sam2-memory-encoder-224", "--runs", "3", "--json", "b.json")
        #expect(outcome.code == 0 && outcome.out.contains("linear-6x4096x1024"))
        let report = try report("b.json")
        #expect(report.program == "tavisbench" && report.precision == "float32" && !report.date.isEmpty)
        #expect(!report.machine.cpu.isEmpty && report.machine.threads > 0 && report.machine.peakFloat32 > 0)
        #expect(report.stages.map(\.name) == ["linear-6x4096x1024", "sam2-memory-encoder-224"])
        for stage in report.stages {
            #expect(stage.seconds >= stage.bestSeconds && stage.bestSeconds > 0 && stage.runs == 3)
            #expect(stage.gmac > 0 && stage.gflopPerSecond > 0 && stage.faults >= 0 && stage.peakBytes > 1e6)
            // Beside other tests the peak may be measured while they take half of the machine: no bound holds.
            let share = stage.gflopPerSecond / report.machine.peakFloat32
            #expect(stage.shareOfPeak > 0 && abs(stage.shareOfPeak / share - 1) < 0.01, "\(stage.name)")
            // Buffers of the warm-up are used again.
            #expect(stage.allocations == 0, "\(stage.name)")
            #expect(stage.peerSeconds == nil && stage.p99Seconds == nil)
        }
        // The product's operands and result; the columns' halves read x again.
        let product = report.stages[0], x = 6 * 1024.0, rest = 4096 * 1024 + 6 * 4096.0
        #expect(abs(product.doneGmac - 6 * 4096 * 1024 / 1e9) < 1e-12)
        #expect(product.bytes >= 4 * (x + rest))
        #expect(product.bytes <= 4 * (Double(report.machine.threads) * x + rest))
    }

    @Test("a process that may use one core works on one thread")
    func affinity() throws {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
        let list = try #require(line?.split(separator: "\t").last)
        let first = try #require(list.split(whereSeparator: { "-,".contains($0) }).first)
        let outcome = try bench(
            "--only", "linear-784x256x256", "--runs", "1", "--json", "one.json", core: String(first))
        #expect(try outcome.code == 0 && report("one.json").machine.threads == 1)
    }

    @Test("whole frames and streams say how even they are")
    func frames() throws {
        let names = ["tavis-mini-frame-224", "tavis-mini-realtime-224"]
        let outcome = try bench("--only", names.joined(separator: ","), "--runs", "1", "--json", "f.json")
        #expect(outcome.code == 0)
        let stages = try report("f.json").stages
        #expect(stages.map(\.name) == names)
        for stage in stages {
            let (median, slowest) = (try #require(stage.p50Seconds), try #require(stage.p99Seconds))
            #expect(median > 0 && slowest >= median && stage.runs >= 4)
        }
        // Between two looks at the sound, a frame is less work than one with its own.
        #expect(stages[1].doneGmac < stages[0].doneGmac)
    }

    @Test("another report's times become ratios, and other threads are objected to")
    func comparison() throws {
        let peer = #"""
            {"program": "a peer", "threads": 999, "stages": [
              {"name": "linear-6x4096x1024", "seconds": 50}, {"name": "tavis-mini-frame-224", "seconds": 40}]}
            """#
        try Data(peer.utf8).write(to: URL(fileURLWithPath: place.path("peer.json")))
        let outcome = try bench(
            "--only", "linear-6x4096x1024,linear-784x256x256,tavis-mini-stream-224", "--runs", "1",
            "--compare",
            "peer.json", "--json", "c.json")
        #expect(outcome.code == 0 && outcome.out.contains("beware: a peer was timed with 999 threads"))
        let report = try report("c.json")
        #expect(report.comparedWith == "a peer")
        let ratios = report.stages.map { stage in stage.timesAsFast.map { $0 * stage.seconds } }
        // A stream is compared with the peer's whole frames.
        #expect(ratios.count == 3 && ratios[1] == nil)
        #expect(abs((ratios[0] ?? 0) - 50) < 1e-6 && abs((ratios[2] ?? 0) - 40) < 1e-6)
        // Our own report is read as well.
        let again = try bench("--only", "linear-6x4096x1024", "--runs", "1", "--compare", "c.json")
        #expect(again.code == 0 && !again.out.contains("beware") && again.out.contains("× peer"))
    }

    @Test(
        "a report that is none is an error before anything is timed",
        arguments: [
            ("{", "no report of times"), (#"{"stages": []}"#, "program"),
            (#"{"program": "p", "stages": [{"name": "linear-6x4096x1024"}]}"#, "stages.Index 0.seconds"),
            (#"{"program": "p", "stages": [{"name": "x", "seconds": "long"}]}"#, "another type"),
            (#"{"program": "p", "stages": [{"name": "x", "seconds": 0}]}"#, "x takes 0"),
        ])
    func badReports(text: String, word: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: place.path("bad.json")))
        let outcome = try bench("--only", "linear-6x4096x1024", "--compare", "bad.json")
        #expect(outcome.code != 0 && !outcome.out.contains("GFLOP/s"))
        #expect(outcome.error.contains("bad.json") && outcome.error.contains(word), "\(outcome.error)")
    }

    @Test("a stage or variant that does not exist is an error")
    func strangers() throws {
        #expect(try bench("--only", "warp-drive").code != 0)
        #expect(try bench("--variants", "x").code != 0)
        #expect(try bench("--precision", "float7").code != 0)
        #expect(try bench("--runs", "0").code != 0)
    }
}
