// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Media
import Streaming

/// A video in, its sounding objects out.
struct SegmentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "segment", abstract: "Marks what is sounding in a video file or address.",
        discussion: """
            Every frame is segmented; frames, times and sound of the output are those of the input. Where no \
            output is named, the video goes to NAME-tavis.mp4 in the current folder.
            """)

    @Argument(help: "A video file, or an address such as https://… or rtsp://….")
    var input: String

    @Option(
        help: ArgumentHelp("Video with what was found drawn onto it: .mp4, .mkv or .webm.", valueName: "file")
    )
    var output: String?

    @Option(
        help: ArgumentHelp(
            "Folder for one 8-bit PNG per frame; a pixel's value is its object's id (from 256 on 1…255 again), 0 is nothing.",
            valueName: "folder"))
    var masks: String?

    @Option(
        help: ArgumentHelp("Folder for the mask logits of each frame, as safetensors.", valueName: "folder"))
    var logits: String?

    @Option(help: ArgumentHelp("What was found on each frame, as JSON Lines.", valueName: "file"))
    var events: String?

    @Flag(
        help:
            "Remove the masks and logits of an earlier run from their folders; otherwise folders that are not empty are refused."
    )
    var overwrite = false

    @Flag(help: "Leave the pictures of the output video as they are.")
    var noOverlay = false

    @Option(help: ArgumentHelp("Where to begin, in seconds.", valueName: "seconds"))
    var start: Double?

    @Option(help: ArgumentHelp("How much to read, in seconds.", valueName: "seconds"))
    var duration: Double?

    @Option(
        help: ArgumentHelp(
            "causal: the two seconds before a frame; official: the published evaluation's one per second, which look ahead.",
            valueName: "causal|official"))
    var windows = StreamSession.Settings.Windows.causal

    @Flag(
        help:
            "Mark all that sounds as one object, instead of objects told apart: less work, and the mask that the published scores are of."
    )
    var binary = false

    @OptionGroup(title: "Economy")
    var economy: EconomyOptions

    @Option(
        help: ArgumentHelp(
            "Frames per second of work to be reached: where they are not, image token, sound and picture size give way step by step, and what is chosen is told.",
            valueName: "frames"))
    var frameRate: Double?

    @OptionGroup(title: "Model")
    var model: ModelOptions

    func validate() throws {
        func check(_ name: String, _ value: Double?, from least: Double) throws {
            guard let value, !(value.isFinite && value >= least && value < 1e9) else { return }
            throw ValidationError("\(name) takes seconds, \(least == 0 ? "0 or more" : "more than 0")")
        }
        try check("--start", start, from: 0)
        try check("--duration", duration, from: .leastNonzeroMagnitude)
        if let frameRate, !(0.01...1000 ~= frameRate) {
            throw ValidationError("--frame-rate takes 0.01 to 1000 frames per second")
        }
    }

    func run() throws {
        let signals = StopSignals()
        let session = try StreamSession(input, settings, stop: signals.flag)
        note(session)
        let segmenter = try model.segmenter(task: binary ? .scene : .objects)
        let progress = ProgressDisplay()
        let summary = try session.run(
            segmenter, report: { state, _ in progress.show(state) },
            noteEconomy: { status, time in
                progress.end()
                warn("at \(time): economy level \(status.level): \(status.text)")
            })
        progress.end()
        print(Self.text(summary, framesPerSecond: progress.framesPerSecond))
        if let text = Self.text(summary.frameTimes) { print(text) }
        if let economy = summary.economy {
            print("economy level \(economy.level) of \(economy.lastLevel) at the end: \(economy.text)")
        }
        if !settings.outputs.isEmpty, summary.frames > 0 { print("wrote \(written(session))") }
        if let code = signals.exitCode { throw ExitCode(code) }
    }

    private var outputs: OutputPaths {
        var paths = OutputPaths(video: output, masks: masks, logits: logits, events: events)
        if paths.isEmpty { paths.video = Self.defaultOutput(for: input) }
        paths.overwrites = overwrite
        return paths
    }

    private var settings: StreamSession.Settings {
        var settings = StreamSession.Settings()
        settings.start = MediaTime(seconds: start ?? 0)
        settings.duration = duration.map { MediaTime(seconds: $0) }
        settings.windows = windows
        (settings.economy, settings.frameRate) = (economy.economy, frameRate)
        settings.drawsOverlay = !noOverlay
        settings.outputs = outputs
        return settings
    }

    /// What the user should know before it starts.
    private func note(_ session: StreamSession) {
        if !session.info.hasAudio {
            warn("\(MediaSource.redacted(input)): has no sound, so nothing is sounding")
        }
        if OutputPaths(video: output, masks: masks, logits: logits, events: events).isEmpty,
            let video = outputs.video
        {
            print("no output named: writing \(video)")
        }
    }

    private func written(_ session: StreamSession) -> String {
        let video = outputs.video.map { "\($0) (\(session.audio.map { "\($0)" } ?? "no audio"))" }
        return [video, outputs.masks, outputs.logits, outputs.events].compactMap(\.self).joined(
            separator: ", ")
    }

    static func text(_ summary: StreamSession.Summary, framesPerSecond: Double) -> String {
        let objects = "\(summary.objects) object\(summary.objects == 1 ? "" : "s")"
        return "\(summary.wasStopped ? "stopped after " : "")\(summary.frames) frames at "
            + "\(ProgressDisplay.decimal(framesPerSecond)) frames/s; \(objects), "
            + "something sounding on \(summary.markedFrames) frames"
    }

    /// How evenly frames come: a frame that takes longer than the others keeps a live stream waiting.
    private static func text(_ times: FrameTimes) -> String? {
        guard let median = times.quantile(0.5), let slow = times.quantile(0.99) else { return nil }
        return "masks of a frame take \(ProgressDisplay.decimal(median.milliseconds)) ms (median), "
            + "\(ProgressDisplay.decimal(slow.milliseconds)) ms (99 of 100 at most)"
    }

    /// `clips/dog.mov` → `dog-tavis.mp4`
    static func defaultOutput(for input: String) -> String {
        let path = input.split(separator: "?").first.map(String.init) ?? input
        let name = path.split(separator: "/").last.map(String.init) ?? "output"
        let stem = name.lastIndex(of: ".").map { name[..<$0] } ?? name[...]
        return "\(stem.isEmpty ? "output" : stem)-tavis.mp4"
    }
}

extension StreamSession.Settings.Windows: ExpressibleByArgument {}

/// One line for the user on the error output.
func warn(_ text: String) { FileHandle.standardError.write(Data("tavisd: \(text)\n".utf8)) }
