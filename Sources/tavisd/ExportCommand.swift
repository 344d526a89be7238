// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Models

/// `tavisd export`.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Makes a bundle to hand on from a training run's checkpoint.",
        discussion:
            "The new bundle has the weights, not what the optimizer knows, and a description with your lines."
    )

    enum Precision: String, CaseIterable, ExpressibleByArgument { case float32, float16, int8 }

    @Argument(
        help:
            "Checkpoint of a run (runs/NAME/step-N), or any bundle; of several, which should be trainings from one start, the new bundle has the mean."
    )
    var bundles: [String]

    @Option(help: ArgumentHelp("Folder to make.", valueName: "bundle"))
    var output: String

    @Option(
        help:
            "What weights are stored as: float32; float16, which is float32 again once loaded; or int8, linear layers as bytes, which are multiplied as such: for inference only."
    )
    var precision = Precision.float32

    @OptionGroup(title: "int8")
    var calibration: CalibrationOptions

    @Option(help: "Name of the model.")
    var name: String?

    @Option(
        help: ArgumentHelp("A score that it reached, and on what; any number of times.", valueName: "text"))
    var score: [String] = []

    @Option(help: ArgumentHelp("How it was made; any number of times.", valueName: "text"))
    var provenance: [String] = []

    @Option(help: ArgumentHelp("What it may be used for; any number of times.", valueName: "text"))
    var licence: [String] = []

    @Flag(help: "Replace a bundle that is there already.")
    var force = false

    func validate() throws {
        try calibration.validate(for: precision)
        if precision == .int8, bundles.count > 1 {
            throw ValidationError(
                "--precision int8 takes one bundle: first export the mean, then that as int8")
        }
    }

    func run() throws {
        var options = BundleExport.Options()
        (options.name, options.force) = (name, force)
        options.precision = try calibration.precision(precision, of: bundles[0])
        options.others = bundles.dropFirst().map { URL(fileURLWithPath: $0) }
        (options.scores, options.provenance, options.licences) = (score, provenance, licence)
        let bytes = try BundleExport(URL(fileURLWithPath: bundles[0]), options).write(to: output)
        print("wrote \(output): \(byteText(bytes))")
    }
}
