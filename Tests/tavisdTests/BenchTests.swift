// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@Suite("tavisbench")
struct BenchTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    private func bench(_ arguments: String...) throws -> (code: Int32, out: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Workplace.program).deletingLastPathComponent()
            .appending(path: "tavisbench")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: place.root)
        let output = place.path("out.txt")
        #expect(FileManager.default.createFile(atPath: output, contents: nil))
        process.standardOutput = FileHandle(forWritingAtPath: output)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOfFile: output, encoding: .utf8))
    }

    @Test("stages are called as in the comparison with PyTorch")
    func names() throws {
        let outcome = try bench("--list")
        let names = Set(outcome.out.split(separator: "\n").map(String.init))
        let peer = [
            "imagebind-image-224", "imagebind-image-112", "imagebind-audio", "imagebind-text-1",
            "imagebind-text-6",
        ]
        let encoders = ["t", "l"].flatMap { v in [224, 512, 1024].map { "sam2-\(v)-encoder-\($0)" } }
        #expect(outcome.code == 0 && names.isSuperset(of: peer + encoders))
    }

    @Test("a stage is timed and written as JSON")
    func stage() throws {
        struct Report: Decodable {
            struct Stage: Decodable {
                let name: String
                let seconds, gmac, gflopPerSecond: Double
            }
            let stages: [Stage]
            let peakResidentBytes: Double
        }
        let outcome = try bench(
            "--only", "linear-6x4096x1024,sam2-memory-encoder-224", "--runs", "1", "--json", "b.json")
        #expect(outcome.code == 0 && outcome.out.contains("linear-6x4096x1024"))
        let data = try Data(contentsOf: URL(fileURLWithPath: place.path("b.json")))
        let report = try JSONDecoder().decode(Report.self, from: data)
        #expect(report.stages.map(\.name) == ["linear-6x4096x1024", "sam2-memory-encoder-224"])
        #expect(report.stages.allSatisfy { $0.seconds > 0 && $0.gmac > 0 && $0.gflopPerSecond > 0 })
        #expect(report.peakResidentBytes > 1e6)
    }

    @Test("a stage or variant that does not exist is an error")
    func strangers() throws {
        #expect(try bench("--only", "warp-drive").code != 0)
        #expect(try bench("--variants", "x").code != 0)
    }
}
