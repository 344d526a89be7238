// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Training

/// `tavisd train`.
struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Trains a model as a configuration file says.",
        discussion: """
            The run's folder gets a log (log.jsonl), TensorBoard events, checkpoints that are model bundles, and in \
            the end a report (report.html). Ctrl-C saves a checkpoint and stops; after that, or after any crash, \
            --resume goes on bit by bit as if nothing had happened.

            With --check nothing is trained: all data is read, and what is missing, damaged or unusable is named. \
            The code is 65 where something keeps a run from training.

            Built with --traits MPI, mpirun -n N tavisd train … trains in N processes, as one would that accumulates \
            N times as many batches.
            """)

    @Option(
        help: ArgumentHelp(
            "The run's configuration, YAML; see config/train-reference.yaml.", valueName: "file"))
    var config: String

    @Flag(help: "Go on with the run whose folder the configuration names.")
    var resume = false

    @Flag(help: "Only look over all data of the configuration.")
    var check = false

    @Option(
        help: ArgumentHelp(
            "With --check: paths to name at most, of each kind of defect.", valueName: "count"))
    var paths = 5

    func validate() throws {
        if check, resume { throw ValidationError("--check trains nothing: leave --resume out") }
        if paths < 0 { throw ValidationError("--paths is at least 0") }
    }

    func run() throws {
        let config = try TrainingConfig(file: config)
        if check { try lookOver(config) } else { try train(config) }
    }

    private func lookOver(_ config: TrainingConfig) throws {
        var shown: (title: String, count: CountDisplay)?
        let found = DataCheck(config, examples: paths) { title, done, total in
            if shown?.title != title {
                shown?.count.end()
                shown = (title, CountDisplay(total: total, "clips of \(title)"))
            }
            shown?.count.show(done)
        }
        shown?.count.end()
        print(found.text)
        if !found.isUsable { throw ExitCode(ProgramExit.Code.badInput.rawValue) }
    }

    private func train(_ config: TrainingConfig) throws {
        let stop = StopSignals()
        let communicator = try Processes.join()
        let run = try TrainingRun(config, resume: resume, communicator: communicator)
        for problem in run.damaged { warn("passed over \(problem)") }
        let display = TrainingDisplay(steps: run.steps, done: run.step)
        var hooks = TrainingRun.Hooks()
        hooks.step = display.show
        hooks.evaluated = display.show
        hooks.saved = { display.note("saved \($0.folder.path)") }
        hooks.shouldStop = { stop.exitCode != nil }
        let outcome = try run.run(hooks)
        try communicator.finish()
        display.end()
        if communicator.rank == 0 { print(Self.text(outcome, run)) }
        if outcome == .stopped { throw ExitCode(stop.exitCode ?? 1) }
    }

    private static func text(_ outcome: TrainingRun.Outcome, _ run: TrainingRun) -> String {
        switch outcome {
        case .finished: "trained \(run.step) steps: \(run.folder.path)"
        case .stopped: "stopped after step \(run.step): \(run.folder.path); --resume goes on"
        }
    }
}

/// Tells how far a run is, on the error output.
private final class TrainingDisplay {
    private static let columns = 120
    private let start = ContinuousClock().now
    private var line: ProgressLine

    init(steps: Int, done: Int) {
        let isTerminal = isatty(STDERR_FILENO) == 1
        line = ProgressLine(steps: steps, done: done, columns: isTerminal ? Self.columns : nil)
    }

    func show(_ report: StepReport) {
        if let text = line.show(.init(report), at: ContinuousClock().now - start) { Self.write(text) }
    }

    func show(step: Int, data: String, scores: ClipScores) {
        func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
        let metrics = scores.metrics.sorted { $0.key < $1.key }
            .map { "\($0.key) \(rounded($0.value))" }.joined(separator: ", ")
        note("step \(step), \(data): \(metrics)")
    }

    func note(_ text: String) { Self.write("\(line.end)\(text)\n") }

    func end() { Self.write(line.end) }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
