// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Models
import Streaming
import TensorEngine

/// The whole program on a clip of its own making.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Segments a short clip made on the spot and scores the result.",
        discussion: "Needs no arguments and no downloads. The videos go to ./out, or to --output.")

    @Option(help: ArgumentHelp("Folder for the videos.", valueName: "folder"))
    var output = "out"

    @OptionGroup(title: "Model")
    var model: ModelOptions

    func run() throws {
        let signals = StopSignals()
        var settings = StreamSession.Settings()
        settings.outputs.video = output + "/demo.mp4"
        try makeFolder(output)
        let clip = output + "/demo-input.mp4"
        try DemoClip.write(to: clip)
        let session = try StreamSession(clip, settings, stop: signals.flag)
        let segmenter = try model.segmenter()
        let progress = ProgressDisplay()
        var score = DemoScore()
        let summary = try session.run(segmenter) { state, analysis in
            progress.show(state)
            score.add(analysis)
        }
        progress.end()
        print(SegmentCommand.text(summary, framesPerSecond: progress.framesPerSecond))
        print("M_J \(score.overlap), M_F \(score.fMeasure) against the known truth")
        print("wrote \(output)/demo.mp4 from \(clip)")
        if let code = signals.exitCode { throw ExitCode(code) }
    }
}

/// Collects what was marked on each frame of the demonstration, and compares it with the truth.
private struct DemoScore {
    /// Stands for "certainly not": where the gate is closed there are no logits.
    private static let nothing: Float = -10

    private var logits: [Float] = []
    private var truth: [Bool] = []
    private var frames = 0

    mutating func add(_ analysis: FrameAnalysis) {
        frames += 1
        truth += DemoClip.truth(frame: analysis.number)
        let pixels = analysis.width * analysis.height
        guard analysis.gate == .open, let all = analysis.logits else {
            logits += [Float](repeating: Self.nothing, count: pixels)
            return
        }
        let scene = all[rows: all.shape[0] - 1..<all.shape[0]].reshaped(1, all.shape[1], all.shape[2], 1)
        logits += resizeBilinear(scene, height: analysis.height, width: analysis.width).values
    }

    var overlap: String {
        "\(ProgressDisplay.decimal(Double(100 * Metrics.overlap(tensor, truth: truth)))) %"
    }

    var fMeasure: String {
        let thousandths = Int((1000 * Metrics.fMeasure(tensor, truth: truth)).rounded())
        return "0." + String(repeating: "0", count: max(0, 3 - String(thousandths).count)) + "\(thousandths)"
    }

    private var tensor: Tensor { Tensor(logits, shape: [frames, DemoClip.height, DemoClip.width]) }
}
