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
            """)

    @Option(
        help: ArgumentHelp(
            "The run's configuration, YAML; see config/train-reference.yaml.", valueName: "file"))
    var config: String

    @Flag(help: "Go on with the run whose folder the configuration names.")
    var resume = false

    func run() throws {
        let stop = StopSignals()
        let run = try TrainingRun(TrainingConfig(file: config), resume: resume)
        for problem in run.damaged { warn("passed over \(problem)") }
        let display = TrainingDisplay(steps: run.steps, done: run.step)
        var hooks = TrainingRun.Hooks()
        hooks.step = display.show
        hooks.evaluated = display.show
        hooks.saved = { display.note("saved \($0.folder.path)") }
        hooks.shouldStop = { stop.exitCode != nil }
        let outcome = try run.run(hooks)
        display.end()
        switch outcome {
        case .finished: print("trained \(run.step) steps: \(run.folder.path)")
        case .stopped:
            print("stopped after step \(run.step): \(run.folder.path); --resume goes on")
            throw ExitCode(stop.exitCode ?? 1)
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
