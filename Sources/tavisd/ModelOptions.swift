// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Models
import Streaming

/// Which model, and how it is used.
struct ModelOptions: ParsableArguments {
    enum Variant: String, ExpressibleByArgument, CaseIterable {
        case tiny, small
        case basePlus = "base+"
        case large

        var sam2: SAM2Config {
            switch self {
            case .tiny: .tiny(version: .v2_0)
            case .small: .small(version: .v2_0)
            case .basePlus: .basePlus(version: .v2_0)
            case .large: .large(version: .v2_0)
            }
        }
    }

    enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

    @Option(
        help: ArgumentHelp(
            "Folder of a model bundle; without it the small built-in model runs.", valueName: "folder"))
    var model: String?

    @Option(
        help: ArgumentHelp("Side of the picture that the model sees: 224, 512 or 1024.", valueName: "pixels"))
    var size: Int?

    @Option(help: "Refuse a bundle whose image encoder is another one.")
    var variant: Variant?

    @Option(
        help: ArgumentHelp(
            "Text file of class names, one on each line, instead of the model's own.", valueName: "file"))
    var classes: String?

    @Option(
        help: ArgumentHelp(
            "What the class of an object is told from: audio, or audio+image, which also looks at it, for class names never trained on; that costs one more pass of ImageBind's image tower for each object and window of sound.",
            valueName: "audio|audio+image"))
    var classScores = TAViSSegmenter.ClassEvidence.audio

    @Option(
        help: ArgumentHelp(
            "direct: frames straight to the model's size; official: by way of 1024×1024, as in the published evaluation.",
            valueName: "direct|official"))
    var preprocess = FramePreparation.Kind.direct

    @Option(help: "Whether frames see the memory of earlier ones; the published scores are without.")
    var memory = Switch.off

    @Flag(help: .hidden)
    var seeded = false

    func validate() throws {
        if let size, ![224, 512, 1024].contains(size) {
            throw ValidationError("--size takes 224, 512 or 1024")
        }
        if seeded, model != nil { throw ValidationError("--seeded makes its own weights: leave --model out") }
    }

    /// A model with the classes it is asked for.
    struct Loaded {
        var info: BundleInfo
        var model: TAViS
        var bank: LabelBank
        /// Of the square picture that the model sees.
        var side: Int
        /// Nil for weights that are made up.
        var weightsFile: String?
    }

    /// Loads the model and says what the user must know of it.
    func segmenter(task: TAViSSegmenter.Task = .objects) throws -> any FrameSegmenter {
        segmenter(try load(classes: classes.map(ClassFile.names)), task: task)
    }

    /// The model at the start of a stream.
    func segmenter(_ loaded: Loaded, task: TAViSSegmenter.Task = .objects) -> TAViSSegmenter {
        TAViSSegmenter(
            loaded.model, bank: loaded.bank, side: loaded.side, preprocessing: preprocess,
            evidence: classScores, memory: memory == .on ? MemorySettings() : nil, task: task)
    }

    /// - Parameter names: of the classes to tell apart; the bundle's own when nil.
    func load(classes names: [String]?) throws -> Loaded { try load(bundle(), at: model, classes: names) }

    /// Another bundle, to be used in the same way.
    ///
    /// - Parameter folder: of a bundle, or `built-in`.
    func load(folder: String, classes names: [String]?) throws -> Loaded {
        folder == "built-in"
            ? try load(ModelBundle.embedded(), at: nil, classes: names)
            : try load(
                ModelBundle.load(directory: URL(fileURLWithPath: folder)), at: folder, classes: names)
    }

    private func load(_ bundle: ModelBundle, at folder: String?, classes names: [String]?) throws -> Loaded {
        if bundle.info.seeded {
            warn(
                "\(bundle.info.name): its weights are made up from their names, so what it marks means nothing"
            )
        }
        if let variant, bundle.info.architecture.sam2.trunk != variant.sam2.trunk {
            throw StreamError(
                .model, folder ?? bundle.info.name, "its image encoder is not the variant \(variant.rawValue)"
            )
        }
        let isOwn = names == nil || names == bundle.info.classes
        guard let bank = try isOwn ? bundle.labelBank : names.map(bundle.labelBank(names:)) else {
            throw StreamError(
                .model, folder ?? bundle.info.name, "the bundle has neither label embeddings nor merges")
        }
        return Loaded(
            info: bundle.info, model: bundle.model, bank: bank, side: size ?? bundle.info.imageSize,
            weightsFile: folder.map { "\($0)/\(ModelBundle.weightsName)" })
    }

    private func bundle() throws -> ModelBundle {
        if let model { return try ModelBundle.load(directory: URL(fileURLWithPath: model)) }
        return seeded ? try ModelBundle.seeded(Self.fullSize(variant ?? .large)) : try ModelBundle.embedded()
    }

    /// Published dimensions.
    private static func fullSize(_ variant: Variant) -> BundleInfo {
        BundleInfo(
            name: "seeded-\(variant.rawValue)",
            architecture: TAViSConfig(sam2: variant.sam2, imageBind: .huge), classes: avsBenchClasses,
            licences: [], provenance: ["weights seeded by their names"])
    }
}

extension FramePreparation.Kind: ExpressibleByArgument {}
extension TAViSSegmenter.ClassEvidence: ExpressibleByArgument {}
