// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Models
import TensorEngine

/// Official checkpoints to a model bundle.
struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Turns published checkpoints into a model bundle.",
        discussion: """
            Takes a whole TAViS checkpoint, or a SAM 2 checkpoint, imagebind_huge.pth and a TAViS file with the \
            additions, in any order. Names and shapes are checked before anything is written.
            """)

    @Argument(help: "Checkpoints: .pt, .pth or .safetensors.")
    var files: [String]

    @Option(help: ArgumentHelp("Folder to make.", valueName: "bundle"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "BPE merges (bpe_simple_vocab_16e6.txt.gz): gives the bundle its class names' embeddings, and lets it learn other names.",
            valueName: "file"))
    var merges: String?

    @Option(
        help: ArgumentHelp(
            "Text file of class names, one on each line, instead of AVSBench's.", valueName: "file"))
    var classes: String?

    @Option(help: "Name of the model.")
    var name = "tavis"

    @Option(
        help: ArgumentHelp("Side of the picture that the weights were trained at.", valueName: "pixels"))
    var size = 224

    @Option(
        help: ArgumentHelp(
            "JSON with the dimensions (a model.json), for other than the published ones.", valueName: "file"))
    var architecture: String?

    @Option(
        help:
            "What weights are stored as: float32; float16, which is float32 again once loaded; or int8, linear layers as bytes, which are multiplied as such. Other than float32 takes room for a float32 bundle meanwhile."
    )
    var precision = ExportCommand.Precision.float32

    @OptionGroup(title: "int8")
    var calibration: CalibrationOptions

    @Flag(help: "Replace a bundle that is there already.")
    var force = false

    func validate() throws {
        try calibration.validate(for: precision)
        guard size > 0, size <= 4096, size % 32 == 0 else {
            throw ValidationError("--size is a multiple of 32, at most 4096")
        }
    }

    func run() throws {
        let plan: BundleImport
        do { plan = try BundleImport(files, try options()) } catch let report as WeightReport {
            Self.explain(report)
            throw BundleError(
                path: files.joined(separator: ", "),
                detail: "not a complete TAViS, nothing written: \(report)")
        }
        describe(plan)
        let info = try precision == .float32 ? write(plan, to: output) : writeConverted(plan)
        for line in info.provenance { print("from \(line)") }
        if merges == nil {
            print("no label embeddings: without --merges the bundle cannot name what it finds")
        }
        let bytes = try Checkpoint.open(output).tensors.reduce(0) { $0 + $1.byteCount }
        print("wrote \(output): \(plan.parameterCount) parameters, \(byteText(bytes))")
    }

    private func write(_ plan: BundleImport, to folder: String) throws -> BundleInfo {
        let progress = ImportProgress()
        defer { progress.end() }
        return try plan.write(to: folder) { progress.show($0) }
    }

    /// By way of a float32 bundle beside, which goes again: what layers lose is measured with it.
    private func writeConverted(_ plan: BundleImport) throws -> BundleInfo {
        try plan.refuseExisting(output)
        let floats = "\(output).float32-\(getpid())"
        defer { try? FileManager.default.removeItem(atPath: floats) }
        let info = try write(plan, to: floats)
        var options = BundleExport.Options()
        options.force = force
        options.precision = try calibration.precision(precision, of: floats)
        _ = try BundleExport(URL(fileURLWithPath: floats), options).write(to: output)
        return info
    }

    private func options() throws -> BundleImport.Options {
        var options = BundleImport.Options()
        options.name = name
        options.imageSize = size
        options.force = force
        options.merges = merges.map { URL(fileURLWithPath: $0) }
        if let classes {
            let names = try ClassFile.names(in: classes)
            options.classes = ["background"] + names.filter { $0 != "background" }
        }
        options.architecture = try architecture.map(Self.architecture)
        return options
    }

    /// Of a `model.json`, or the value of its key `architecture` alone.
    private static func architecture(in path: String) throws -> TAViSConfig {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw BundleError(path: path, detail: "cannot be read")
        }
        struct Description: Decodable { var architecture: TAViSConfig }
        do {
            return try (try? JSONDecoder().decode(Description.self, from: data).architecture)
                ?? JSONDecoder().decode(TAViSConfig.self, from: data)
        } catch { throw BundleError(path: path, detail: "does not describe an architecture: \(error)") }
    }

    private func describe(_ plan: BundleImport) {
        for input in plan.inputs {
            print(
                "\(input.path): \(input.kind.title), \(input.tensorCount) tensors, \(byteText(input.byteCount))"
            )
        }
        let (sam2, imageBind) = (plan.architecture.sam2, plan.architecture.imageBind)
        print(
            "SAM \(sam2.version.rawValue) with \(sam2.trunk.blockCount) blocks of width \(sam2.trunk.embedDim) and up; "
                + "ImageBind: image \(imageBind.vision.summary), audio \(imageBind.audio.summary), text \(imageBind.text.summary)"
        )
        if plan.otherModalities + plan.dead > 0 {
            print(
                "left out: \(plan.otherModalities) tensors of ImageBind's other modalities, \(plan.dead) that nothing reads"
            )
        }
        print("licences:")
        for input in plan.inputs { for licence in input.kind.licences { print("  \(licence)") } }
    }

    /// Every key that does not fit, one on each line.
    private static func explain(_ report: WeightReport) {
        let lines =
            report.missing.map { "missing: \($0)" } + report.misshapen.map { "misshapen: \($0)" }
            + report.unused.map { "unused: \($0)" }
        FileHandle.standardError.write(Data((lines.joined(separator: "\n") + "\n").utf8))
    }
}

extension TowerConfig {
    fileprivate var summary: String { "\(dim)×\(blocks)" }
}

/// One line on a terminal, nothing otherwise.
private final class ImportProgress {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown = -1

    func show(_ step: BundleImport.Step) {
        guard isTerminal else { return }
        switch step {
        case .checksums: draw("reading the files")
        case .labels: draw("embedding the class names")
        case .weights(let done, let total):
            let percent = total > 0 ? 100 * done / total : 100
            guard percent != shown else { return }
            shown = percent
            draw("writing weights, \(percent) % of \(byteText(total))")
        }
    }

    func end() { if isTerminal { draw("") } }

    private func draw(_ text: String) {
        FileHandle.standardError.write(Data("\r\(text)\u{1b}[K".utf8))
    }
}

/// For example `5.4 GB`.
func byteText(_ count: Int) -> String {
    let units = ["bytes", "kB", "MB", "GB"]
    var (value, unit) = (Double(count), 0)
    while value >= 1000, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
    return unit == 0 ? "\(count) bytes" : String(format: "%.1f ", value) + units[unit]
}
