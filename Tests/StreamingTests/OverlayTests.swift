// SPDX-License-Identifier: Apache-2.0
import Streaming
import Testing

@Suite("Overlay")
struct OverlayTests {
    private let width = 64, height = 48

    @Test("pixels of no object are left alone")
    func untouched() {
        let (before, after) = draw(text: "")
        for y in 0..<height {
            for x in 0..<width where !square(x, y) && !(5...20).contains(y) {
                #expect(pixel(after, x, y) == pixel(before, x, y), "at \(x), \(y)")
            }
        }
    }

    @Test("an object is tinted and its contour has its colour")
    func tinted() {
        let (before, after) = draw(text: "")
        let color = Palette.color(ofObject: 1)
        #expect(pixel(after, 20, 20) == [color.red, color.green, color.blue])
        #expect(pixel(after, 39, 39) == [color.red, color.green, color.blue])
        let (inside, source) = (pixel(after, 30, 30), pixel(before, 30, 30))
        let paint: [UInt8] = [color.red, color.green, color.blue]
        let expected = (0..<3).map { channel -> UInt8 in
            let mixed = Int(source[channel]) * 144 + Int(paint[channel]) * 112 + 128
            return UInt8(mixed >> 8)
        }
        #expect(inside == expected)
    }

    @Test("text is written above the object, and cut at the border")
    func text() {
        let (_, plain) = draw(text: "")
        let (_, written) = draw(text: "1 dog")
        #expect(plain != written)
        let (_, long) = draw(text: String(repeating: "W", count: 100))
        #expect(long.count == plain.count)
        let (_, foreign) = draw(text: "äöü ✓")
        #expect(foreign != plain)
    }

    @Test("a frame of one pixel takes an object with text")
    func onePixel() {
        var pixels: [UInt8] = [1, 2, 3]
        let box = Box(x: 0, y: 0, width: 1, height: 1)
        pixels.withUnsafeMutableBufferPointer {
            MaskOverlay.draw(
                [OverlayObject(color: Palette.color(ofObject: 3), text: "3 cat", box: box)], labels: [1],
                onto: $0,
                width: 1, height: 1)
        }
        #expect(pixels != [1, 2, 3])
    }

    @Test("colours repeat, mask values stay within a byte and never are the background")
    func palette() {
        #expect(Palette.maskColors.count == 256)
        #expect(Palette.maskValue(ofObject: 1) == 1)
        #expect(Palette.maskValue(ofObject: 255) == 255)
        #expect(Palette.maskValue(ofObject: 256) == 1)
        #expect(Palette.maskColors[1] == Palette.color(ofObject: 1))
    }

    private func square(_ x: Int, _ y: Int) -> Bool { (20..<40).contains(x) && (20..<40).contains(y) }

    private func draw(text: String) -> (before: [UInt8], after: [UInt8]) {
        let before = (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 * 7) }
        var after = before
        let labels = (0..<width * height).map { square($0 % width, $0 / width) ? UInt8(1) : 0 }
        let object = OverlayObject(
            color: Palette.color(ofObject: 1), text: text, box: Box(x: 20, y: 20, width: 20, height: 20))
        after.withUnsafeMutableBufferPointer {
            MaskOverlay.draw([object], labels: labels, onto: $0, width: width, height: height)
        }
        return (before, after)
    }

    private func pixel(_ bytes: [UInt8], _ x: Int, _ y: Int) -> [UInt8] {
        let at = 3 * (y * width + x)
        return Array(bytes[at..<at + 3])
    }
}
