// SPDX-License-Identifier: Apache-2.0
package import Media

extension SyntheticScene {
    /// The picture at a time, and the class of the topmost object at each pixel: whether it sounds or not, 0 where
    /// there is none. Edges are smooth in the picture; a pixel belongs to an object when its centre does.
    ///
    /// The scene is square and fills the shorter side; wider pictures show more of the place.
    ///
    /// - Parameter seconds: from the start of the clip, 0…5.
    package func render(
        at seconds: Double, width: Int, height: Int
    ) -> (image: RGBImage, visible: [UInt8]) {
        precondition(width > 0 && height > 0, "a picture of \(width)x\(height)")
        var visible = [UInt8](repeating: 0, count: width * height)
        var pixels: [UInt8] = []
        withUnsafeTemporaryAllocation(of: Color.self, capacity: width * height) { colors in
            visible.withUnsafeMutableBufferPointer { visible in
                let canvas = Canvas(width: width, height: height, colors: colors, visible: visible)
                canvas.fill(backdrop, camera.view(at: Float(seconds)))
                for sprite in sprites { canvas.draw(sprite, camera.view(at: Float(seconds)), Float(seconds)) }
                pixels = canvas.developed(
                    lighting, Float(seconds), noiseSeed: seed ^ seconds.bitPattern &* 0x9E37_79B9)
            }
        }
        return (RGBImage(width: width, height: height, pixels: pixels), visible)
    }
}

/// A picture in the making.
private struct Canvas {
    let width, height: Int
    let colors: UnsafeMutableBufferPointer<Color>
    let visible: UnsafeMutableBufferPointer<UInt8>
    private let side: Float
    private let noise = NoiseField.shared

    init(
        width: Int, height: Int, colors: UnsafeMutableBufferPointer<Color>,
        visible: UnsafeMutableBufferPointer<UInt8>
    ) {
        (self.width, self.height) = (width, height)
        (self.colors, self.visible) = (colors, visible)
        side = Float(min(width, height))
    }

    /// The centre of a pixel, in shares of the shorter side from the middle.
    @inline(__always)
    private func point(_ x: Int, _ y: Int) -> Point {
        Point(Float(x) + 0.5 - 0.5 * Float(width), Float(y) + 0.5 - 0.5 * Float(height)) / side
    }

    func fill(_ backdrop: Backdrop, _ view: Camera.View) {
        for y in 0..<height {
            for x in 0..<width {
                colors[y * width + x] = backdrop.color(at: view.unproject(point(x, y)), noise)
            }
        }
    }

    func draw(_ sprite: Sprite, _ view: Camera.View, _ seconds: Float) {
        let size = sprite.radius * sprite.turns.size(at: seconds) * view.zoom
        let centre = view.project(sprite.way.place(at: seconds))
        let angle = sprite.turns.angle(at: seconds) + view.angle
        let (cosine, sine) = (cosineOfTurns(angle) / size, sineOfTurns(angle) / size)
        let gesture = Gesture(turns: sprite.gesture.rate * seconds + sprite.gesture.start)
        let sharpness = size * side
        let columns = pixels(centre.x, size * Figure.reach, width)
        for y in pixels(centre.y, size * Figure.reach, height) {
            for x in columns {
                var p = (point(x, y) - centre).rotated(cosine, -sine)
                guard p.dot(p) < Figure.reach * Figure.reach else { continue }
                if sprite.isMirrored { p.x = -p.x }
                let ink = sprite.figure.ink(at: p, sprite.style, gesture, sharpness: sharpness)
                paint(ink, sprite, p, at: y * width + x)
            }
        }
    }

    /// Pixels of a row or column that a stretch may touch.
    private func pixels(_ centre: Float, _ reach: Float, _ count: Int) -> Range<Int> {
        let middle = centre * side + 0.5 * Float(count)
        let first = max(0, min(Float(count), middle - reach * side - 1))
        let last = max(first, min(Float(count), middle + reach * side + 2))
        return Int(first)..<Int(last)
    }

    @inline(__always)
    private func paint(_ ink: Ink, _ sprite: Sprite, _ p: Point, at index: Int) {
        let coverage = ink.coverage
        guard coverage > 0 else { return }
        var color = ink.color * sprite.style.shade(at: p, noise)
        if sprite.style.outline > 0 {
            color *= 1 - sprite.style.outline * smoothstep(-0.09, -0.02, ink.distance)
        }
        colors[index] = mix(colors[index], color, coverage)
        if ink.distance < 0 { visible[index] = sprite.figure.id }
    }

    /// Applies the light and the sensor. `[height, width, 3]`
    func developed(_ lighting: Lighting, _ seconds: Float, noiseSeed: UInt64) -> [UInt8] {
        let light = lighting.color(at: seconds)
        let grain = lighting.grain * 255
        var hiss = Hiss(noiseSeed)
        return [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, count in
            for y in 0..<height {
                for x in 0..<width {
                    let p = point(x, y)
                    let fall = 1 + lighting.slope.dot(p) - lighting.vignette * p.dot(p)
                    let color = colors[y * width + x] * (light * (255 * fall))
                    let noisy = color + ((hiss.nearlyNormal() * grain) + 0.5)
                    let at = (y * width + x) * 3
                    out[at] = UInt8(min(max(noisy.x, 0), 255))
                    out[at + 1] = UInt8(min(max(noisy.y, 0), 255))
                    out[at + 2] = UInt8(min(max(noisy.z, 0), 255))
                }
            }
            count = width * height * 3
        }
    }
}
