// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation

/// Times every stage of the models at published dimensions, with name-seeded weights.
///
/// Weights of one model at a time are in memory.
@main
struct Tavisbench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tavisbench", abstract: "Times every stage of the models on this machine.",
        discussion: """
            Times do not depend on the weights, which are made up from their names. GFLOP/s are of the matrix products \
            that were done; "of peak" is the time that these would take in registers alone. MB are the products' \
            operands; alloc and faults are buffers and pages that the system had to supply in one run.
            """)

    @Option(help: "Image encoders: t, s, b, l, with commas between them.")
    var variants = "t,l"

    @Option(
        help: """
            Timed runs of each stage, of which the median counts; one more goes before. Of whole frames \
            \(Bench.framesPerRun) times as many; of streams as many spans of \(Int(Bench.spanSeconds)) seconds.
            """)
    var runs = 5

    @Option(help: "What weights of linear layers are kept as: \(Precision.names).")
    var precision = Precision.float32

    @Option(help: ArgumentHelp("Stages to time, by name, with commas between them.", valueName: "name,…"))
    var only: String?

    @Option(
        help: ArgumentHelp(
            "Compare with these times: JSON of Benchmarks/peer_bench.py or of this program.",
            valueName: "file"))
    var compare: String?

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
        let groups = StageGroups(precision: precision).all(variants: letters)
        let names = groups.flatMap(\.names)
        if list { return print(names.joined(separator: "\n")) }
        let wanted = only.map { Set($0.split(separator: ",").map(String.init)) }
        if let stranger = wanted?.subtracting(names).min() {
            throw ValidationError("no stage \(stranger); --list names them all")
        }
        let peer = try compare.map(PeerReport.read)
        var bench = Bench(runs: runs, wanted: wanted, peer: peer)
        print(bench.machine.text)
        if let objection = peer?.objection(to: bench.machine) { print("beware: \(objection)") }
        print(BenchTable.heading)
        for group in groups { try group.run(&bench) }
        if let peer {
            print("\ncompared with \(peer.program)\n" + BenchTable.comparison(bench.results, peer: peer))
        }
        if let json {
            try bench.json(precision: precision).write(to: URL(fileURLWithPath: json), options: .atomic)
        }
    }
}
