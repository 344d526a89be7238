// SPDX-License-Identifier: Apache-2.0
package import Foundation
import TensorEngine

/// Makes a bundle to hand on from one that training left: only what inference reads, smaller where asked for.
package struct BundleExport {
    package struct Options {
        package var name: String?
        /// Weights as halves take half the room; they are float32 again once loaded.
        package var halves = false
        /// Lines for the description: scores, provenance and licences, added to those it has.
        package var scores: [String] = []
        package var provenance: [String] = []
        package var licences: [String] = []
        package var force = false

        package init() {}
    }

    private let directory: URL
    private let info: BundleInfo
    private let options: Options

    /// - Throws: `BundleError` where the folder is no bundle.
    package init(_ directory: URL, _ options: Options) throws {
        var info = try ModelBundle.readInfo(directory)
        if let name = options.name { info.name = name }
        info.scores += options.scores
        info.provenance += options.provenance
        info.licences += options.licences
        (self.directory, self.info, self.options) = (directory, info, options)
    }

    /// - Returns: bytes of the weights.
    package func write(to output: String) throws -> Int {
        let checkpoint = try Checkpoint.open(directory.path)
        let merges = directory.appending(path: ModelBundle.mergesName).path
        let hasMerges = FileManager.default.fileExists(atPath: merges)
        let writer = BundleWriter(
            modelJSON: Array(try info.encoded()), metadata: ["format": "pt"],
            extraFiles: hasMerges ? [(ModelBundle.mergesName, merges)] : [], force: options.force,
            type: options.halves ? .float16 : .float32)
        let source = BundleSource(checkpoint) { $0.hasPrefix(TAViS.teacherPrefix) ? nil : $0 }
        return try writer.write([source], to: output).byteCount
    }
}
