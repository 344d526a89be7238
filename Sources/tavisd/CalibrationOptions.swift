// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Media
import Models
import Streaming
import TensorEngine
import Training

/// On what it is measured which layers may become bytes.
struct CalibrationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A video like those to come, of which two seconds are taken; any number of times. Without it, synthetic scenes.",
            valueName: "file"))
    var calibration: [String] = []

    @Option(
        help: ArgumentHelp(
            "Layers whose products in bytes have a smaller cosine to those in floats stay float32.",
            valueName: "cosine"))
    var leastCosine: Double?

    private static let defaultLeastCosine = 0.999
    private static let syntheticClips = 4
    private static let clipSeconds = 2.0
    private static let audioHop = 0.5

    func validate(for precision: ExportCommand.Precision) throws {
        guard precision == .int8 || (calibration.isEmpty && leastCosine == nil) else {
            throw ValidationError("--calibration and --least-cosine go with --precision int8")
        }
        guard leastCosine.map({ (0...1).contains($0) }) ?? true else {
            throw ValidationError("--least-cosine takes 0 to 1")
        }
    }

    /// What an export is to be told; for int8 it runs the float model on the calibration clips and says what it found.
    ///
    /// - Parameter folder: of the float bundle.
    func precision(_ precision: ExportCommand.Precision, of folder: String) throws -> BundleExport.Precision {
        switch precision {
        case .float32: return .float32
        case .float16: return .float16
        case .int8: break
        }
        let bundle = try ModelBundle.load(directory: URL(fileURLWithPath: folder))
        guard let bank = bundle.labelBank else {
            throw BundleError(
                path: folder, detail: "has no label embeddings, without which nothing can be measured")
        }
        let losses = try ProductLoss.measure {
            if calibration.isEmpty { try runSynthetic(bundle, bank) }
            for file in calibration { try run(file, bundle, bank) }
        }
        guard !losses.isEmpty else {
            throw BundleError(
                path: names.joined(separator: ", "), detail: "nothing sounds in it, so no layer was measured")
        }
        let least = leastCosine ?? Self.defaultLeastCosine
        Self.report(losses, least: least)
        return .int8(losses, calibration: calibration.isEmpty ? [Self.syntheticName] : names, least: least)
    }

    private static let syntheticName = "\(syntheticClips) synthetic scenes, mixed"
    private var names: [String] { calibration.map { URL(fileURLWithPath: $0).lastPathComponent } }

    private func runSynthetic(_ bundle: ModelBundle, _ bank: LabelBank) throws {
        let side = bundle.info.imageSize
        var options = SyntheticClips.Options(seed: 0, count: Self.syntheticClips)
        (options.width, options.height) = (side, side)
        let scenes = SyntheticClips(options)
        let predictor = ModelPredictor(bundle.model, bank: bank, side: side, usesMemory: false)
        for index in 0..<scenes.count { _ = try predictor.predict(scenes.clip(index)) }
    }

    private func run(_ file: String, _ bundle: ModelBundle, _ bank: LabelBank) throws {
        var settings = StreamSession.Settings()
        settings.duration = MediaTime(seconds: Self.clipSeconds)
        settings.economy.audioHop = MediaTime(seconds: Self.audioHop)
        let segmenter = TAViSSegmenter(bundle.model, bank: bank, side: bundle.info.imageSize)
        _ = try StreamSession(file, settings).run(segmenter)
    }

    private static func report(_ losses: [String: ProductLoss], least: Double) {
        let sorted = losses.sorted { ($0.value.cosine, $0.key) < ($1.value.cosine, $1.key) }
        let floats = sorted.count { $0.value.cosine < least }
        print("\(sorted.count - floats) linear layers as bytes, \(floats) stay float32")
        for (key, loss) in sorted.prefix(max(3, floats)) {
            print(
                "  cosine \(String(format: "%.5f", loss.cosine)) \(key)\(loss.cosine < least ? ", float32" : "")"
            )
        }
    }
}
