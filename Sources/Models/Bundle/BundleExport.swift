// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import TensorEngine

/// Makes a bundle to hand on from another, or from the mean of several: only what inference reads, smaller or faster
/// where asked for.
package struct BundleExport {
    package enum Precision {
        case float32
        /// Half the room; float32 again once loaded.
        case float16
        /// Linear layers as bytes, but those whose cosine is below `least`; for inference only.
        case int8([String: ProductLoss], calibration: [String], least: Double)
    }

    package struct Options {
        package var name: String?
        package var precision = Precision.float32
        /// Lines for the description: scores, provenance and licences, added to those it has.
        package var scores: [String] = []
        package var provenance: [String] = []
        package var licences: [String] = []
        package var force = false
        /// Bundles of the same architecture and classes: the new one has the mean of all weights. Not with bytes, whose
        /// losses are measured on one model.
        package var others: [URL] = []

        package init() {}
    }

    private let directory: URL
    private let info: BundleInfo
    private let options: Options

    /// - Throws: `BundleError` where the folder is no bundle, or one of bytes already.
    package init(_ directory: URL, _ options: Options) throws {
        var info = try ModelBundle.readInfo(directory)
        try Self.requireFloats(info, directory)
        if !options.others.isEmpty { try Self.takeMean(of: options.others, into: &info, directory) }
        if let name = options.name { info.name = name }
        info.scores += options.scores
        info.provenance += options.provenance
        info.licences += options.licences
        if case .int8(let losses, let calibration, let least) = options.precision {
            info.quantization = QuantizationInfo(losses, calibration: calibration, least: least)
        }
        (self.directory, self.info, self.options) = (directory, info, options)
    }

    private static func requireFloats(_ info: BundleInfo, _ directory: URL) throws {
        guard info.quantization == nil else {
            throw BundleError(
                path: directory.path, detail: "has weights in bytes already: export the one it was made from")
        }
    }

    private static func takeMean(of others: [URL], into info: inout BundleInfo, _ directory: URL) throws {
        var names = [info.name]
        for other in others {
            let found = try ModelBundle.readInfo(other)
            try requireFloats(found, other)
            guard found.architecture == info.architecture, found.classes == info.classes else {
                let what = found.architecture == info.architecture ? "other classes" : "another architecture"
                throw BundleError(
                    path: other.path, detail: "has \(what) than \(directory.path): no mean can be taken")
            }
            names.append(found.name)
        }
        info.provenance.append("the mean of the weights of \(names.joined(separator: ", "))")
        // What one of them scored is not what the mean does.
        info.scores = []
    }

    /// - Returns: bytes of the weights.
    package func write(to output: String) throws -> Int {
        let merges = directory.appending(path: ModelBundle.mergesName).path
        let hasMerges = FileManager.default.fileExists(atPath: merges)
        let writer = BundleWriter(
            modelJSON: Array(try info.encoded()), metadata: ["format": "pt"],
            extraFiles: hasMerges ? [(ModelBundle.mergesName, merges)] : [], duplicates: .mean,
            force: options.force, type: Self.type(options.precision))
        let sources = try ([directory] + options.others).map { folder in
            BundleSource(try .open(folder.path)) { $0.hasPrefix(TAViS.teacherPrefix) ? nil : $0 }
        }
        return try writer.write(sources, to: output).byteCount
    }

    private static func type(_ precision: Precision) -> @Sendable (String) -> ElementType {
        switch precision {
        case .float32: { _ in .float32 }
        case .float16: { _ in .float16 }
        case .int8(let losses, _, let least):
            { key in (losses[key]?.cosine ?? -1) >= least ? .int8 : .float32 }
        }
    }
}

extension QuantizationInfo {
    fileprivate init(_ losses: [String: ProductLoss], calibration: [String], least: Double) {
        let layers = losses.map { Layer(key: $0.key, cosine: $0.value.cosine) }
            .sorted { ($0.cosine, $0.key) < ($1.cosine, $1.key) }
        let bytes = layers.filter { $0.cosine >= least }
        self.init(
            calibration: calibration, leastCosine: least, byteLayers: bytes.count, worst: bytes.first,
            floatLayers: layers.filter { $0.cosine < least })
    }
}
