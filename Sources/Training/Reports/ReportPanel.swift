// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media

/// A frame with what was predicted in it and what is true, for a report.
package struct ReportPanel: Sendable {
    package var title: String
    package var frame: RGBImage
    /// Class of each pixel, row-major, as many as the frame has; 0 is background.
    package var prediction, truth: [UInt8]
    /// What was heard.
    package var spectrogram: RGBImage?

    package init(
        title: String, frame: RGBImage, prediction: [UInt8], truth: [UInt8], spectrogram: RGBImage? = nil
    ) {
        let pixels = frame.width * frame.height
        precondition(
            prediction.count == pixels && truth.count == pixels,
            "ReportPanel: \(prediction.count) and \(truth.count) labels for \(pixels) pixels")
        (self.title, self.frame, self.prediction, self.truth) = (title, frame, prediction, truth)
        self.spectrogram = spectrogram
    }

    /// The frame with classes laid over it in their colours, outlined in white.
    package static func marked(_ frame: RGBImage, classes: [UInt8]) -> RGBImage {
        var result = frame
        for i in classes.indices where classes[i] != 0 {
            let color = isEdge(i, classes, width: frame.width) ? (255, 255, 255) : brightColor(classes[i])
            for (channel, value) in [color.0, color.1, color.2].enumerated() {
                let at = 3 * i + channel
                result.pixels[at] = UInt8((Int(frame.pixels[at]) * 9 + value * 11) / 20)
            }
        }
        return result
    }

    /// Whether a neighbour is of another class.
    private static func isEdge(_ i: Int, _ classes: [UInt8], width: Int) -> Bool {
        let x = i % width
        let neighbours = [x > 0 ? i - 1 : i, x + 1 < width ? i + 1 : i, i - width, i + width]
        return neighbours.contains { classes.indices.contains($0) && classes[$0] != classes[i] }
    }

    /// A class's colour as bright as its hue can be.
    private static func brightColor(_ id: UInt8) -> (Int, Int, Int) {
        let color = ClassPalette.color(id)
        let most = Int(max(color.red, color.green, color.blue, 1))
        return (Int(color.red) * 255 / most, Int(color.green) * 255 / most, Int(color.blue) * 255 / most)
    }

    private var views: [(name: String, image: RGBImage)] {
        [
            ("frame", frame), ("prediction", Self.marked(frame, classes: prediction)),
            ("truth", Self.marked(frame, classes: truth)),
        ]
    }

    /// Frame, prediction and truth in one picture, side by side.
    var strip: RGBImage {
        let images = views.map(\.image), row = 3 * frame.width
        let pixels = (0..<frame.height).flatMap { y in
            images.flatMap { $0.pixels[y * row..<(y + 1) * row] }
        }
        return RGBImage(width: images.count * frame.width, height: frame.height, pixels: pixels)
    }

    /// Pictures beside each other, held in the page itself.
    func html() throws -> String {
        let pictures = (spectrogram.map { [("sound", $0)] } ?? []) + views
        let figures = try pictures.map { name, image in
            """
            <figure><img alt="\(name)" width="\(image.width)" height="\(image.height)" src="\(try Self.dataURI(image))">\
            <figcaption>\(name)</figcaption></figure>
            """
        }
        return """
            <section class="panel"><h3>\(escaped(title))</h3><div class="row">\(figures.joined())</div></section>

            """
    }

    private static func dataURI(_ image: RGBImage) throws -> String {
        let png = try PNGWriter.encode(
            PNGImage(width: image.width, height: image.height, kind: .rgb, pixels: image.pixels))
        return "data:image/png;base64," + Data(png).base64EncodedString()
    }
}
