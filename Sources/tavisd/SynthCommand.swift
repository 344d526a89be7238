// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Training

/// Synthetic scenes with truth, to a folder.
struct SynthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synth", abstract: "Writes synthetic audio-visual clips with pixel-exact truth.",
        discussion: """
            The folder has the layout of AVSBench's semantic subset: metadata.csv, label2idx.json, and for each clip \
            audio.wav, five frames and their label pictures; as mp4 also a video and the truth of each of its \
            frames. The same seed gives the same files.
            """)

    enum Level: String, CaseIterable, ExpressibleByArgument { case easy, medium, hard, mixed }
    enum Format: String, CaseIterable, ExpressibleByArgument { case avsbench, mp4, both }

    @Argument(help: "Folder to make.")
    var output: String?

    @Option(help: "Where the random numbers begin.")
    var seed: UInt64 = 0

    @Option(help: ArgumentHelp("How many clips of 5 s.", valueName: "count"))
    var clips = 10

    @Option(help: "How hard they are to see and to hear.")
    var level = Level.mixed

    @Option(help: ArgumentHelp("Size of the pictures.", valueName: "WxH"))
    var size = PictureSize(width: 256, height: 256)

    @Option(help: "What is written.")
    var format = Format.avsbench

    @Flag(help: "Tell what is in the clips, and what scores without listening or without looking.")
    var describe = false

    func validate() throws {
        guard output != nil || describe else { throw ValidationError("name a folder, or ask to --describe") }
        guard 1...100_000 ~= clips else { throw ValidationError("--clips is 1 to 100000") }
    }

    func run() throws {
        if describe { describeClips() }
        guard let output else { return }
        let progress = CountDisplay(total: clips, "clips")
        let dataset = SyntheticDataset(output, options)
        do {
            defer { progress.end() }
            try dataset.write { progress.show($0) }
        }
        print("wrote \(output): \(clips) clips of \(SyntheticClass.allCases.count) classes, seed \(seed)")
    }

    private var options: SyntheticDataset.Options {
        var options = SyntheticDataset.Options()
        options.seed = seed
        options.clips = clips
        options.level = SyntheticLevel(rawValue: level.rawValue)
        (options.width, options.height) = (size.width, size.height)
        options.writesFrames = format != .mp4
        options.writesVideo = format != .avsbench
        return options
    }

    // MARK: Describing

    /// Enough for a score within two points.
    private static let described = 400
    /// Shares of the picture hardly depend on its size.
    private static let describedSide = 64

    private func describeClips() {
        var options = options
        options.clips = min(clips, Self.described)
        let scale = Double(Self.describedSide) / Double(min(size.width, size.height))
        options.width = max(1, Int((Double(size.width) * scale).rounded()))
        options.height = max(1, Int((Double(size.height) * scale).rounded()))
        let source = SyntheticDataset.clips(options)
        let kinds = Dictionary(grouping: 0..<source.count, by: source.kind).mapValues(\.count)
        let counted = SyntheticSound.Kind.allCases.map { "\(kinds[$0] ?? 0) \($0.words)" }
        print("first \(source.count) clips: " + counted.joined(separator: ", "))
        let scores = SyntheticBaselines(source, count: source.count)
        func percent(_ share: Double) -> String { String(format: "%.1f", 100 * share) }
        print(
            "\(scores.frames) frames on which something sounds; it covers \(percent(scores.coverage)) % of them"
        )
        print(
            "M_J without listening: \(percent(scores.everything)) for all objects, perfectly marked;",
            terminator: "")
        print(" \(percent(scores.largest)) for the largest")
        print(
            "M_J without looking: \(percent(scores.bestConstant)) for the best constant mask;", terminator: ""
        )
        print(" \(percent(scores.wholePicture)) for the whole picture")
    }
}

extension SyntheticSound.Kind {
    fileprivate var words: String {
        switch self {
        case .sounding: "sounding"
        case .silent: "silent"
        case .roomNoise: "with room noise only"
        case .offScreen: "with off-screen sound only"
        }
    }
}

/// For example `320x240`.
struct PictureSize: ExpressibleByArgument, CustomStringConvertible {
    private static let sides = 16...4096

    var width, height: Int

    init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

    init?(argument: String) {
        let sides = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard sides.count == 2, let width = sides[0], let height = sides[1], Self.sides ~= width,
            Self.sides ~= height
        else { return nil }
        self.init(width: width, height: height)
    }

    var description: String { "\(width)x\(height)" }
    var defaultValueDescription: String { description }
}
