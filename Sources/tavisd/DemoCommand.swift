// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Media
import Streaming
import Training

/// The whole program on a clip of its own making.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Segments a short clip made on the spot and scores the result.",
        discussion: """
            Needs no arguments and no downloads. The videos go to ./out, or to --output. The scene is one that the \
            built-in model was not trained on; another --seed gives another one.
            """)

    @Option(help: ArgumentHelp("Folder for the videos.", valueName: "folder"))
    var output = "out"

    @Option(help: "Which scene.")
    var seed: UInt64 = 9

    @OptionGroup(title: "Model")
    var model: ModelOptions

    private static let width = 320, height = 240

    func run() throws {
        let signals = StopSignals()
        var settings = StreamSession.Settings()
        settings.outputs.video = output + "/demo.mp4"
        try makeFolder(output)
        let clip = output + "/demo-input.mp4"
        let film = SyntheticFilm(seed: seed, level: .medium, width: Self.width, height: Self.height)
        try film.write(to: clip)
        print("in sight: \(Self.list(film.seen)); sounding at some time: \(Self.list(film.heard))")
        let session = try StreamSession(clip, settings, stop: signals.flag)
        let loaded = try model.load(classes: nil)
        let progress = ProgressDisplay()
        var found: [PredictedFrame] = []
        let summary = try session.run(model.segmenter(loaded)) { state, analysis in
            progress.show(state)
            found.append(StreamPredictor.painted(analysis))
        }
        progress.end()
        print(SegmentCommand.text(summary, framesPerSecond: progress.framesPerSecond))
        print(Self.text(Self.scores(found, film)))
        print("wrote \(output)/demo.mp4 from \(clip)")
        if let code = signals.exitCode { throw ExitCode(code) }
    }

    private static func list(_ names: [String]) -> String { names.joined(separator: ", ") }

    private static func scores(_ found: [PredictedFrame], _ film: SyntheticFilm) -> ClipScores {
        // Scores look at sizes and truth only.
        let empty = RGBImage(width: film.width, height: film.height, pixels: [])
        let frames = found.indices.map {
            AnnotatedFrame(image: empty, truth: film.truth(frame: $0), sound: [])
        }
        var scores = ClipScores()
        scores.add(found, AnnotatedClip(name: "demo", frames: frames))
        return scores
    }

    private static func text(_ scores: ClipScores) -> String {
        let overlap = String(format: "M_J %.1f %%, M_F %.3f", scores.overlap, scores.fMeasure)
        return overlap
            + String(format: " against the truth; %.0f %% of what was found named right", scores.namedRight)
    }
}
