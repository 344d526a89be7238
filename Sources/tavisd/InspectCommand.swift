// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Models
import TensorEngine

/// What a checkpoint or bundle holds.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Lists the tensors of a checkpoint or model bundle.")

    @Argument(help: "A .pt, .pth or .safetensors file, or the folder of a bundle.")
    var file: String

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let checkpoint = try Checkpoint.open(file)
        let listing = Listing(
            path: file, format: checkpoint.format, tensors: checkpoint.listing,
            elements: checkpoint.tensors.reduce(0) { $0 + $1.elementCount },
            bytes: checkpoint.tensors.reduce(0) { $0 + $1.elementCount * $1.dtype.byteCount },
            metadata: checkpoint.metadata,
            model: checkpoint.format == .bundle ? try ModelBundle.readInfo(URL(fileURLWithPath: file)) : nil)
        let text = json ? try listing.json() : listing.text
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }
}

private struct Listing: Encodable {
    let path: String
    let format: Checkpoint.Format
    let tensors: [Checkpoint.ListingRow]
    let elements, bytes: Int
    let metadata: [String: String]
    let model: BundleInfo?

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    var text: String {
        var lines = tensors.map { "\($0.name)  \($0.dtype)  \($0.shape)" }
        lines.append("\(format.rawValue): \(tensors.count) tensors, \(elements) elements, \(byteText(bytes))")
        guard let model else { return lines.joined(separator: "\n") }
        lines.append("model \(model.name): \(model.imageSize) pixels, \(model.classes.count) classes")
        if model.seeded { lines.append("its weights are made up from their names") }
        lines += model.licences.map { "licence: \($0)" } + model.provenance.map { "from \($0)" }
        lines += model.scores.map { "score: \($0)" }
        return lines.joined(separator: "\n")
    }
}
