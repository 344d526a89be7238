// SPDX-License-Identifier: Apache-2.0
import Foundation

/// One line of the events file: what was found on one frame, as JSON.
struct EventLine: Encodable {
    /// Of this schema: grows with every change that a reader must know of.
    static let currentVersion = 1

    struct Audio: Encodable {
        /// dB relative to full scale.
        var level: Double?
        var gate: String
        var windowEnd: Double
    }

    /// COCO's run-length form.
    struct Mask: Encodable {
        var size: [Int]
        var counts: String
    }

    struct Object: Encodable {
        var id: Int
        var `class`: String
        var classIndex: Int
        var score: Double
        /// Left, top, width, height in pixels.
        var box: [Int]
        var area: Int
        var mask: Mask
    }

    var version = Self.currentVersion
    var frame: Int
    var pts: Double
    var ptsNs: Int64
    var audio: Audio
    var objects: [Object]

    init(_ analysis: FrameAnalysis) {
        frame = analysis.number
        pts = analysis.time.seconds
        ptsNs = analysis.time.nanoseconds
        audio = Audio(
            level: analysis.level.map { Self.rounded($0, 10) }, gate: analysis.gate.rawValue,
            windowEnd: analysis.windowEnd.seconds)
        objects = analysis.objects.enumerated().map { index, object in
            let runs = RunLength(
                of: UInt8(index + 1), in: analysis.labels, width: analysis.width, height: analysis.height,
                box: object.box)
            let box = object.box
            return Object(
                id: object.id, class: object.className, classIndex: object.classIndex,
                score: Self.rounded(object.score, 10_000), box: [box.x, box.y, box.width, box.height],
                area: object.area,
                mask: Mask(size: [analysis.height, analysis.width], counts: runs.text))
        }
    }

    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        return try encoder.encode(self) + [UInt8(ascii: "\n")]
    }

    private static func rounded(_ value: Float, _ steps: Double) -> Double {
        (Double(value) * steps).rounded() / steps
    }
}
