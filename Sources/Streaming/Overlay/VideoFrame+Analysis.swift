// SPDX-License-Identifier: Apache-2.0
import Media

extension VideoFrame {
    /// With the objects drawn onto it.
    ///
    /// - Parameter note: words about the picture, in its lower left corner.
    func overlaid(with analysis: FrameAnalysis?, note: String? = nil) -> VideoFrame {
        let found = analysis?.objects ?? []
        guard !found.isEmpty || note != nil else { return self }
        var copy = self
        let objects = found.map { object in
            OverlayObject(
                color: Palette.color(ofObject: object.id),
                text: "\(object.id) \(object.className) \(Int((object.score * 100).rounded()))%",
                box: object.box)
        }
        copy.pixels.withUnsafeMutableBufferPointer {
            if let analysis, !objects.isEmpty {
                MaskOverlay.draw(objects, labels: analysis.labels, onto: $0, width: width, height: height)
            }
            if let note { MaskOverlay.write(note, inCornerOf: $0, width: width, height: height) }
        }
        return copy
    }

    /// The objects alone, on black, in the colours of mask pictures.
    func masks(of analysis: FrameAnalysis?) -> VideoFrame {
        var copy = self
        copy.pixels = [UInt8](repeating: 0, count: pixels.count)
        guard let analysis, !analysis.objects.isEmpty else { return copy }
        let colors = analysis.objects.map { Palette.maskColors[Int(Palette.maskValue(ofObject: $0.id))] }
        for (pixel, label) in analysis.labels.enumerated() where label > 0 {
            let color = colors[Int(label) - 1]
            copy.pixels[3 * pixel] = color.red
            copy.pixels[3 * pixel + 1] = color.green
            copy.pixels[3 * pixel + 2] = color.blue
        }
        return copy
    }
}
