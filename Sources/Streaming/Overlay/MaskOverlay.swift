// SPDX-License-Identifier: Apache-2.0

/// One object as it is drawn.
package struct OverlayObject: Sendable {
    package var color: Color
    package var text: String
    /// Where its pixels are.
    package var box: Box

    package init(color: Color, text: String, box: Box) {
        (self.color, self.text, self.box) = (color, text, box)
    }
}

/// Draws objects onto a frame in place: a tint, a contour, and a line of text.
package enum MaskOverlay {
    /// Share of the object's colour in its tint, of 256.
    private static let tint: UInt32 = 112
    /// Frames of this many rows get contours of one pixel.
    private static let rowsPerContourPixel = 360
    /// Frames of this many rows get text of one pixel per dot: letters are a 35th of the frame high.
    private static let rowsPerDot = 240

    /// - Parameters:
    ///   - pixels: packed RGB, `3 * width * height` bytes.
    ///   - labels: for each pixel 0, or 1 + index of its object.
    package static func draw(
        _ objects: [OverlayObject], labels: [UInt8], onto pixels: UnsafeMutableBufferPointer<UInt8>,
        width: Int,
        height: Int
    ) {
        precondition(labels.count == width * height, "overlay: \(labels.count) labels for \(width)×\(height)")
        precondition(
            pixels.count == 3 * labels.count, "overlay: \(pixels.count) bytes for \(width)×\(height)")
        guard let base = pixels.baseAddress else { return }
        let thickness = max(1, height / rowsPerContourPixel)
        labels.withUnsafeBufferPointer { labels in
            for (index, object) in objects.enumerated() {
                paint(
                    object, label: UInt8(index + 1), labels, thickness: thickness, base, width: width,
                    height: height)
            }
        }
        let canvas = Canvas(
            pixels: pixels, width: width, height: height, scale: max(1, height / rowsPerDot))
        for object in objects { canvas.write(object.text, above: object.box, on: object.color) }
    }

    /// Writes lines in the middle of a picture, white on black.
    static func write(
        _ lines: [String], onto pixels: UnsafeMutableBufferPointer<UInt8>, width: Int, height: Int
    ) {
        let canvas = Canvas(
            pixels: pixels, width: width, height: height, scale: max(1, 2 * height / rowsPerDot))
        for (index, line) in lines.enumerated() {
            canvas.write(line, centeredAt: height / 2 + (2 * index + 1 - lines.count) * canvas.lineHeight / 2)
        }
    }

    /// Writes a line in the lower left corner, white on black.
    static func write(
        _ text: String, inCornerOf pixels: UnsafeMutableBufferPointer<UInt8>, width: Int, height: Int
    ) {
        Canvas(pixels: pixels, width: width, height: height, scale: max(1, height / rowsPerDot))
            .write(text, above: Box(x: 0, y: height, width: 0, height: 0), on: Color(0, 0, 0))
    }

    private static func paint(
        _ object: OverlayObject, label: UInt8, _ labels: UnsafeBufferPointer<UInt8>, thickness: Int,
        _ pixels: UnsafeMutablePointer<UInt8>, width: Int, height: Int
    ) {
        let (box, color) = (object.box, object.color)
        let added = (
            UInt32(color.red) * tint + 128, UInt32(color.green) * tint + 128, UInt32(color.blue) * tint + 128
        )
        for y in box.y..<box.y + box.height {
            let row = y * width
            let above = max(0, y - thickness) * width, below = min(height - 1, y + thickness) * width
            for x in box.x..<box.x + box.width where labels[row + x] == label {
                let isInside =
                    labels[above + x] == label && labels[below + x] == label
                    && labels[row + max(0, x - thickness)] == label
                    && labels[row + min(width - 1, x + thickness)] == label
                let pixel = pixels + 3 * (row + x)
                if isInside {
                    pixel[0] = UInt8((UInt32(pixel[0]) * (256 - tint) + added.0) >> 8)
                    pixel[1] = UInt8((UInt32(pixel[1]) * (256 - tint) + added.1) >> 8)
                    pixel[2] = UInt8((UInt32(pixel[2]) * (256 - tint) + added.2) >> 8)
                } else {
                    (pixel[0], pixel[1], pixel[2]) = (color.red, color.green, color.blue)
                }
            }
        }
    }

    /// Text onto a frame; what would fall outside is cut off.
    private struct Canvas {
        let pixels: UnsafeMutableBufferPointer<UInt8>
        let width, height: Int
        /// Pixels per dot of the font.
        let scale: Int

        private var advance: Int { (BitmapFont.width + 1) * scale }
        var lineHeight: Int { (BitmapFont.height + 4) * scale }

        /// One line in the middle, around the row `y`.
        func write(_ text: String, centeredAt y: Int) {
            let box = Box(
                x: (width - text.count * advance) / 2, y: y + lineHeight / 2, width: 0, height: 0)
            write(text, above: box, on: Color(0, 0, 0))
        }

        /// One line on a plate of the object's colour, above its box or, where there is no room, within it.
        func write(_ text: String, above box: Box, on color: Color) {
            let plate = (
                width: text.count * advance + scale, height: (BitmapFont.height + 2) * scale
            )
            let x = max(0, min(box.x, width - plate.width))
            let y = box.y >= plate.height ? box.y - plate.height : box.y
            fill(x: x, y: y, width: plate.width, height: plate.height, color)
            let ink = Self.ink(on: color)
            for (index, character) in text.enumerated() {
                write(character, x: x + scale + index * advance, y: y + scale, ink)
            }
        }

        private func write(_ character: Character, x: Int, y: Int, _ ink: Color) {
            for dotY in 0..<BitmapFont.height {
                for dotX in 0..<BitmapFont.width where BitmapFont.hasDot(character, x: dotX, y: dotY) {
                    fill(x: x + dotX * scale, y: y + dotY * scale, width: scale, height: scale, ink)
                }
            }
        }

        private func fill(x: Int, y: Int, width: Int, height: Int, _ color: Color) {
            let columns = (x..<x + width).clamped(to: 0..<self.width)
            for row in (y..<y + height).clamped(to: 0..<self.height) {
                for column in columns {
                    let at = 3 * (row * self.width + column)
                    (pixels[at], pixels[at + 1], pixels[at + 2]) = (color.red, color.green, color.blue)
                }
            }
        }

        /// Black on light colours, white on dark ones (luma of BT.601, in thousandths).
        private static func ink(on color: Color) -> Color {
            let luma = 299 * Int(color.red) + 587 * Int(color.green) + 114 * Int(color.blue)
            return luma > 128_000 ? Color(0, 0, 0) : Color(255, 255, 255)
        }
    }
}
