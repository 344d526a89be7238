// SPDX-License-Identifier: Apache-2.0
import Media

/// One 8-bit PNG per frame: a pixel's value is `Palette.maskValue` of its object, 0 where there is none.
struct MaskFolder {
    let folder: FrameFolder

    init(path: String, overwrites: Bool) throws {
        folder = try FrameFolder(path: path, suffix: "png", overwrites: overwrites)
    }

    func write(_ analysis: FrameAnalysis) throws {
        let values: [UInt8] = [0] + analysis.objects.map { Palette.maskValue(ofObject: $0.id) }
        let image = PNGImage(
            width: analysis.width, height: analysis.height, kind: .palette(Self.colors),
            pixels: analysis.labels.map { values[Int($0)] })
        try PNGWriter.write(image, to: folder.file(analysis.number))
    }

    private static let colors = Palette.maskColors.flatMap { [$0.red, $0.green, $0.blue] }
}
