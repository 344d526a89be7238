// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CKernels
import Foundation
import TensorEngine

/// Times every stage of the models at published dimensions, with name-seeded weights.
///
/// Weights of one model at a time are in memory. Rates count the multiply-accumulates that the published model
/// needs, so work that is saved shows as speed.
@main
struct Tavisbench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tavisbench", abstract: "Times every stage of the models on this machine.",
        discussion: "Times do not depend on the weights, which are made up from their names.")

    @Option(help: "Image encoders: t, s, b, l, with commas between them.")
    var variants = "t,l"

    @Option(help: "Timed runs of each stage, of which the best counts; one more goes before.")
    var runs = 3

    @Option(help: ArgumentHelp("Stages to time, by name, with commas between them.", valueName: "name,…"))
    var only: String?

    @Option(help: ArgumentHelp("File for the results as JSON.", valueName: "file"))
    var json: String?

    @Flag(help: "Print the names of the stages and stop.")
    var list = false

    func validate() throws {
        guard runs > 0 else { throw ValidationError("--runs is at least 1") }
        for letter in letters where EncoderWork.variants[letter] == nil {
            throw ValidationError("--variants takes t, s, b and l, not \(letter)")
        }
    }

    private var letters: [String] { variants.split(separator: ",").map(String.init) }

    func run() throws {
        let groups = StageGroups.all(variants: letters)
        let names = groups.flatMap(\.names)
        if list { return print(names.joined(separator: "\n")) }
        let wanted = only.map { Set($0.split(separator: ",").map(String.init)) }
        if let stranger = wanted?.subtracting(names).min() {
            throw ValidationError("no stage \(stranger); --list names them all")
        }
        var bench = Bench(runs: runs, wanted: wanted)
        print(bench.machine.text)
        print(Bench.heading)
        for group in groups { try group.run(&bench) }
        bench.printSummary()
        if let json { try bench.json().write(to: URL(fileURLWithPath: json), options: .atomic) }
    }
}

/// Runs stages and collects their times.
struct Bench {
    struct Result: Encodable {
        let name: String
        let seconds: Double
        /// Of the published model, without savings; 0 where it is not counted.
        let gmac: Double
        let gflopPerSecond: Double
        /// Of the whole frame, for its parts.
        var share: Double?
    }

    struct Machine: Encodable {
        let cpu, matrixProvider: String
        let threads: Int

        var text: String { "\(cpu); \(threads) threads; \(matrixProvider)" }

        static var current: Machine {
            let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
            let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
            let name = line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
            return Machine(
                cpu: name ?? "unnamed CPU", matrixProvider: String(cString: tavis_matmul_description()),
                threads: ThreadPool.shared.threads)
        }
    }

    let machine = Machine.current
    private let runs: Int
    private let wanted: Set<String>?
    private var results: [Result] = []

    init(runs: Int, wanted: Set<String>?) {
        self.runs = runs
        self.wanted = wanted
    }

    func wants(_ name: String) -> Bool { wanted?.contains(name) ?? true }

    /// - Parameter whole: name of the stage, timed before, that this one is a part of.
    mutating func time(_ name: String, gmac: Double, partOf whole: String? = nil, _ body: () -> Void) {
        body()
        let clock = ContinuousClock()
        let seconds =
            (0..<runs).map { _ -> Double in
                let parts = clock.measure(body).components
                return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
            }.min() ?? 0
        var result = Result(name: name, seconds: seconds, gmac: gmac, gflopPerSecond: 2 * gmac / seconds)
        result.share = results.first { $0.name == whole }.map { seconds / $0.seconds }
        results.append(result)
        print(Self.row(result))
    }

    static let heading = pad("stage", 30) + pad("ms", -10) + pad("GFLOP/s", -10) + pad("share", -8)

    private static func row(_ result: Result) -> String {
        pad(result.name, 30) + pad(String(format: "%.2f", result.seconds * 1000), -10)
            + pad(result.gmac > 0 ? String(format: "%.1f", result.gflopPerSecond) : "", -10)
            + pad(result.share.map { String(format: "%.1f %%", $0 * 100) } ?? "", -8)
    }

    /// Left-aligned to a width, or right-aligned to a negative one.
    private static func pad(_ text: String, _ width: Int) -> String {
        let spaces = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? spaces + text : text + spaces
    }

    func printSummary() { print("peak resident memory \(String(format: "%.2f", Self.peakBytes / 1e9)) GB") }

    func json() throws -> Data {
        struct Report: Encodable {
            let machine: Machine
            let runs: Int
            let stages: [Result]
            let peakResidentBytes: Double
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(
            Report(machine: machine, runs: runs, stages: results, peakResidentBytes: Self.peakBytes))
    }

    private static var peakBytes: Double {
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return Double(usage.ru_maxrss) * 1024
    }
}
