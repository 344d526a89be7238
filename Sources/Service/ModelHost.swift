// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Models
package import Streaming
import TensorEngine

/// The one model that all streams share.
package struct ModelHost: Sendable {
    private let bundle: ModelBundle
    private let settings: DaemonConfig.Model

    /// Loads the bundle and runs it once, so that a stream's first frame is not slower than the others.
    ///
    /// - Throws: `BundleError` naming what is wrong with the bundle.
    package init(_ settings: DaemonConfig.Model) throws {
        self.settings = settings
        bundle =
            try settings.bundle.map { try ModelBundle.load(directory: URL(fileURLWithPath: $0)) }
            ?? ModelBundle.embedded()
        try warmUp()
    }

    package var name: String { bundle.info.name }
    /// What its licences ask to be told.
    package var licences: [String] { bundle.info.licences }

    /// Checks that the model can tell these classes apart.
    package func check(classes: [String]?) throws { _ = try bank(classes) }

    /// What makes the model's state of one stream.
    package func segmenter(classes: [String]?) throws -> SegmentWorker.MakeSegmenter {
        let bank = try bank(classes)
        let (model, settings) = (bundle.model, settings)
        let side = settings.side ?? bundle.info.imageSize
        return {
            TAViSSegmenter(
                model, bank: bank, side: side, evidence: settings.looksAtObjects ? .audioAndImage : .audio,
                memory: settings.usesMemory ? MemorySettings() : nil)
        }
    }

    private func bank(_ classes: [String]?) throws -> LabelBank {
        if let classes { return try bundle.labelBank(names: classes) }
        guard let bank = bundle.labelBank else {
            throw StreamError(
                .model, bundle.info.name, "the bundle has neither label embeddings nor merges")
        }
        return bank
    }

    private func warmUp() throws {
        let segmenter = try segmenter(classes: nil)()
        let frame = VideoFrame(
            width: 64, height: 64, pts: .zero, duration: nil,
            pixels: [UInt8](repeating: 0, count: 64 * 64 * 3))
        _ = try segmenter.hear([Float](repeating: 0, count: WindowSchedule.windowSamples))
        _ = try segmenter.segment(frame, slots: nil)
    }
}
