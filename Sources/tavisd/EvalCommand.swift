// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Media
import Models
import Streaming
import Training

/// `tavisd eval`.
struct EvalCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Scores a model on clips whose truth is known.",
        discussion: """
            The clips are an AVSBench folder's, recordings, or synthetic ones. By the official protocol the bare model sees \
            frame after frame; as a stream, what counts is what `tavisd segment` would paint. With its sound muted, \
            exchanged for noise or for another object's, a model shows whether it listens.
            """)

    enum Level: String, CaseIterable, ExpressibleByArgument { case easy, medium, hard, mixed }
    enum Rules: String, CaseIterable, ExpressibleByArgument { case official, stream }

    @Argument(help: "Folder of a dataset.")
    var folder: String?

    @Option(
        help: ArgumentHelp(
            "How the folder is laid out; avss where not given.", valueName: "s4|ms3|avss|recordings"))
    var layout: DatasetFolder.Layout?

    @Option(
        help: ArgumentHelp(
            "Which of the folder's clips; test where not given.", valueName: "train|val|test"))
    var split: DatasetFolder.Split?

    @Option(
        help: ArgumentHelp(
            "Of an avss folder only clips of AVSBench-OV's seen or unseen classes.", valueName: "seen|unseen")
    )
    var vocabulary: OpenVocabulary.Part?

    @Option(
        help: ArgumentHelp(
            "Synthetic clips of this level in place of a folder.", valueName: "easy|medium|hard|mixed"))
    var synthetic: Level?

    @Option(help: "Where the random numbers of synthetic clips begin; 0 where not given.")
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "What is heard in synthetic clips; mixed where not given.",
            valueName: "mixed|sounding|silent|off-screen"))
    var sounds: SyntheticClips.Sounds?

    @Option(
        help: ArgumentHelp(
            "Size of the pictures of synthetic clips; 224x224 where not given.", valueName: "WxH"))
    var picture: PictureSize?

    @Option(help: ArgumentHelp("At most so many clips.", valueName: "count"))
    var clips: Int?

    @Option(
        help: ArgumentHelp(
            "Frames of a clip at most; of synthetic ones 5, or 25 as a stream.", valueName: "count"))
    var frames: Int?

    @Option(help: ArgumentHelp("How clips are shown and judged.", valueName: "official|stream"))
    var `protocol` = Rules.official

    @Option(
        help: ArgumentHelp(
            "What the model hears. After mute and noise nothing is to be marked; after off, what would sound.",
            valueName: "as-recorded|mute|noise|off|swap"))
    var audio = SoundChange.asRecorded

    @Option(help: ArgumentHelp("Write the result as JSON.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write a page with pictures.", valueName: "file.html"))
    var report: String?

    @Option(
        help: ArgumentHelp(
            "Also run the model of this bundle, or the built-in one, on the same clips and say what is lost against it.",
            valueName: "folder|built-in"))
    var compare: String?

    @OptionGroup(title: "Economy, with --protocol stream")
    var economy: EconomyOptions

    @OptionGroup(title: "Model")
    var model: ModelOptions

    private static let defaultClips = 300
    private static let panels = 24

    func validate() throws {
        guard (folder == nil) != (synthetic == nil) else {
            throw ValidationError("name a dataset's folder, or the level of --synthetic clips")
        }
        if vocabulary != nil, folder == nil || laidOut != .avss {
            throw ValidationError("--vocabulary is for folders laid out as avss")
        }
        // They would change nothing.
        let (elsewhere, place) =
            folder == nil
            ? ([("layout", layout != nil), ("split", split != nil)], "a dataset's folder")
            : (
                [("seed", seed != nil), ("sounds", sounds != nil), ("picture", picture != nil)],
                "--synthetic clips"
            )
        if let (name, _) = elsewhere.first(where: \.1) { throw ValidationError("--\(name) is for \(place)") }
        if let clips, clips < 1 { throw ValidationError("--clips is at least 1") }
        if let frames, !(1...125 ~= frames) { throw ValidationError("--frames is 1 to 125") }
        if economy.isGiven, `protocol` != .stream {
            throw ValidationError("profiles and hops are for --protocol stream: the official one has none")
        }
        if model.classes != nil {
            throw ValidationError("the classes are the dataset's: leave --classes out")
        }
    }

    func run() throws {
        let source = try source()
        let loaded = try model.load(classes: source.classes)
        var settings = Evaluation.Settings()
        (settings.clips, settings.audio) = (clips, audio)
        settings.panels = report == nil ? 0 : Self.panels
        var evaluation = Evaluation(predictor(loaded, source), source, settings)
        let reference = try compare.map { try model.load(folder: $0, classes: source.classes) }
        if let reference, reference.side != loaded.side {
            throw StreamError(
                .model, compare ?? "", "its pictures are of \(reference.side) pixels, not \(loaded.side)")
        }
        let progress = CountDisplay(total: evaluation.count, "clips")
        let comparison: ModelComparison?
        do {
            defer { progress.end() }
            if let reference {
                comparison = try compared(
                    &evaluation, reference, source, settings, loaded.info.quantization
                ) { progress.show($0) }
            } else {
                try evaluation.run { progress.show($0) }
                comparison = nil
            }
        }
        var result = evaluation.result(data: dataName, model: try Self.name(loaded), settings: named)
        result.comparison = comparison
        print(EvaluationTable(result).text)
        try write(result, evaluation, source.classes)
    }

    private func compared(
        _ evaluation: inout Evaluation, _ reference: ModelOptions.Loaded, _ source: any ClipSource,
        _ settings: Evaluation.Settings, _ quantization: QuantizationInfo?, progress: (Int) -> Void
    ) throws -> ModelComparison {
        var settings = settings
        settings.panels = 0
        var other = Evaluation(predictor(reference, source), source, settings)
        let masks = try ModelComparison.run(&evaluation, &other, progress: progress)
        let name = try Self.name(reference)
        return ModelComparison(
            reference: name,
            metrics: other.result(data: dataName, model: name, settings: named).metrics,
            of: evaluation.result(data: dataName, model: name, settings: named).metrics, masks: masks,
            quantization: quantization)
    }

    private static func name(_ loaded: ModelOptions.Loaded) throws -> EvaluationResult.Model {
        .init(name: loaded.info.name, sha256: try loaded.weightsFile.map(SHA256.text(ofFile:)))
    }

    private func write(_ result: EvaluationResult, _ evaluation: Evaluation, _ classes: [String]) throws {
        if let json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            do { try encoder.encode(result).write(to: URL(fileURLWithPath: json), options: .atomic) } catch {
                throw MediaError(.notWritable, json, "cannot be written")
            }
        }
        if let report {
            try EvaluationReport(
                result, panels: evaluation.panels, points: evaluation.points, classes: classes
            ).write(to: report)
        }
    }

    // MARK: What is judged

    private func predictor(_ loaded: ModelOptions.Loaded, _ source: any ClipSource) -> any ClipPredictor {
        switch `protocol` {
        case .official:
            // Where no classes are named, nothing but the scene's mask is judged.
            return ModelPredictor(
                loaded.model, bank: loaded.bank, side: loaded.side, usesMemory: model.memory == .on,
                looksAtObjects: report != nil, sceneOnly: !source.namesClasses && report == nil)
        case .stream:
            var predictor = StreamPredictor { model.segmenter(loaded) }
            if economy.isGiven { predictor.economy = economy.economy }
            if folder == nil { predictor.spacing = MediaTime(seconds: Self.syntheticSpacing) }
            return predictor
        }
    }

    private func source() throws -> any ClipSource {
        guard let folder else { return syntheticClips(synthetic ?? .mixed) }
        var dataset = DatasetFolder(folder, laidOut, part)
        // Recordings may be long: they are judged in pieces, and hear what a stream hears.
        if laidOut == .recordings { dataset.windows = .causal }
        dataset.vocabulary = vocabulary
        dataset.frames = laidOut == .recordings ? frames ?? Self.streamFrames : frames
        return try FolderDataset(dataset)
    }

    private func syntheticClips(_ level: Level) -> SyntheticClips {
        var options = SyntheticClips.Options(seed: firstSeed, count: clips ?? Self.defaultClips)
        if let only = SyntheticLevel(rawValue: level.rawValue) { options.levels = [only: 1] }
        options.kinds = heard.kinds
        (options.width, options.height) = (drawn.width, drawn.height)
        let gap = Self.syntheticSpacing
        options.frames = frames ?? (`protocol` == .stream ? Self.streamFrames : 5)
        if `protocol` == .stream { options.spacing = gap...gap }
        return SyntheticClips(options)
    }

    // What is judged where nothing else is asked for; pictures are as large as AVSBench's.
    private var laidOut: DatasetFolder.Layout { layout ?? .avss }
    private var part: DatasetFolder.Split { split ?? .test }
    private var firstSeed: UInt64 { seed ?? 0 }
    private var heard: SyntheticClips.Sounds { sounds ?? .mixed }
    private var drawn: PictureSize { picture ?? PictureSize(width: 224, height: 224) }
    private static let streamFrames = 25
    /// Seconds from frame to frame of synthetic clips as streams.
    private static let syntheticSpacing = SyntheticSound.seconds / Double(streamFrames + 5)

    // MARK: Names

    private var dataName: String {
        if let folder {
            let parts = [laidOut.rawValue, part.rawValue] + (vocabulary.map { [$0.rawValue] } ?? [])
            return "\(folder) (\(parts.joined(separator: ", ")))"
        }
        return "synthetic \(synthetic?.rawValue ?? ""), \(drawn), seed \(firstSeed), sounds \(heard.rawValue)"
    }

    private var named: [String: String] {
        var named = ["protocol": `protocol`.rawValue, "memory": model.memory.rawValue]
        if let frames { named["frames"] = "\(frames)" }
        if economy.isGiven {
            let used = economy.economy
            named["audio_hop"] = "\(used.audioHop.seconds)"
            named["image_hop"] = "\(used.imageHop.seconds)"
            named["memory_hop"] = "\(used.memoryHop.seconds)"
            named["spread"] = "\(used.spreads)"
        }
        return named
    }
}

extension SoundChange: ExpressibleByArgument {}
extension DatasetFolder.Layout: ExpressibleByArgument {}
extension DatasetFolder.Split: ExpressibleByArgument {}
extension SyntheticClips.Sounds: ExpressibleByArgument {}
extension OpenVocabulary.Part: ExpressibleByArgument {}

/// A result as a table for a terminal.
private struct EvaluationTable {
    private let result: EvaluationResult

    init(_ result: EvaluationResult) { self.result = result }

    private static let order: [(key: String, words: String)] = [
        ("M_J", "M_J, clips with something sounding in sight, %"),
        ("M_F", "M_F, thresholds on logits as published"),
        ("M_F_probability", "M_F, thresholds on probabilities"),
        ("official_M_J", "M_J, all clips, %"), ("official_M_F", "M_F, all clips"),
        ("stray_area", "marked where nothing in sight sounds, % of pixels"),
        ("stray_frames", "frames with such marks, %"), ("covered", "sounding objects found (IoU ≥ 0.5), %"),
        ("named_right", "of those with the right class, %"),
        ("hidden_M_J", "M_J, frames on which what sounds is half hidden, %"),
        ("semantic_M_J", "semantic M_J, all classes, %"), ("semantic_F", "semantic F, all classes"),
        ("semantic_M_J_occurring", "semantic M_J, classes that occur, %"),
        ("semantic_F_occurring", "semantic F, classes that occur"),
        ("seen_mIoU", "mIoU of AVSBench-OV's seen classes, all frames together, %"),
        ("unseen_mIoU", "mIoU of its unseen classes, %"),
        ("follows", "masks on the object that sounds now, not the other, %"),
        ("on_sounding", "masks on the object that sounds now, of all, %"),
        ("unmarked_clips", "clips with neither marked, %"),
    ]

    var text: String {
        let rows = Self.order.compactMap { key, words in
            result.metrics[key].map {
                (words, String(format: $0 < 1.5 && !words.contains("%") ? "%.3f" : "%.1f", $0))
            }
        }
        let width = rows.map(\.0.count).max() ?? 0
        let head =
            "\(result.model.name) on \(result.data.name): \(result.data.clips) clips, \(result.data.frames) frames, sound \(result.audio.rawValue)"
        let lines = rows.map { $0.0 + String(repeating: " ", count: width + 2 - $0.0.count) + $0.1 }
        return ([head] + lines + comparison).joined(separator: "\n")
    }

    private var comparison: [String] {
        guard let found = result.comparison else { return [] }
        let losses = ["M_J", "M_F", "semantic_M_J"].compactMap { key in
            found.losses[key].map { String(format: "%@ %+.3f", key, -$0) }
        }
        let masks = found.masks
        return [
            "against \(found.reference.name): \(losses.isEmpty ? "no scores" : losses.joined(separator: ", "))",
            String(
                format:
                    "masks of both: mean IoU %.4f on %d frames that either marks, worst %.4f; %d with none",
                masks.meanOverlap, masks.markedFrames, masks.worstOverlap, masks.emptyFrames),
        ] + layers(found.quantization)
    }

    private func layers(_ found: QuantizationInfo?) -> [String] {
        guard let found else { return [] }
        let worst = found.worst.map { String(format: ", the worst with cosine %.5f: %@", $0.cosine, $0.key) }
        let kept = found.floatLayers.isEmpty ? "" : "; \(found.floatLayers.count) stayed floats"
        return ["\(found.byteLayers) layers in bytes\(worst ?? "")\(kept)"]
    }
}
