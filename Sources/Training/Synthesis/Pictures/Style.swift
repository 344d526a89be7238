// SPDX-License-Identifier: Apache-2.0

/// How one object looks, apart from its outline: colours, texture, and what varies within its class.
struct Style: Sendable {
    enum Texture: UInt8, CaseIterable, Sendable { case plain, stripes, spots, noise, checks, fade }

    /// Of the main part, of the parts beside it, and of small dark or bright details.
    var base, accent, detail: Color
    /// Proportions and numbers of parts; what each means depends on the class. 0…1
    var traits: SIMD8<Float>
    var texture: Texture
    /// Repeats of the texture per unit of the object.
    var textureScale: Float
    /// Direction of the texture.
    var textureAxis: Point
    /// How much the texture darkens and brightens, 0…1.
    var textureDepth: Float
    /// Shading from one side to the other.
    var relief: Point
    /// How much darker the edge is, 0…1.
    var outline: Float

    init(usualHue: Float?, _ random: inout SeededRandom) {
        let usual = usualHue.flatMap { random.chance(0.55) ? $0 : nil }
        let hue = usual.map { $0 + random.float(-0.04...0.04) + 1 } ?? random.unit()
        let saturation = random.chance(0.15) ? random.float(0...0.2) : random.float(0.35...0.95)
        base = paint(hue: hue, saturation, random.float(0.4...1))
        let turn = random.pick([0.08, 0.33, 0.5, 0.67]) + random.float(-0.05...0.05)
        accent = paint(hue: hue + turn, saturation * random.float(0.3...1), random.float(0.35...1))
        let isDark = (base.x + base.y + base.z) > 1.1
        detail = paint(
            hue: random.unit(), random.float(0...0.4),
            isDark ? random.float(0.05...0.25) : random.float(0.8...1))
        traits = random.eight()
        texture = random.pick(Texture.allCases)
        textureScale = random.float(1.5...5)
        let angle = random.unit()
        textureAxis = Point(cosineOfTurns(angle), sineOfTurns(angle))
        textureDepth = random.float(0.1...0.45)
        let from = random.unit()
        relief = Point(cosineOfTurns(from), sineOfTurns(from)) * random.float(0.05...0.3)
        outline = random.chance(0.4) ? random.float(0.3...0.75) : 0
    }

    /// The same paint on another object: a look-alike keeps its own proportions.
    func painted(like other: Style) -> Style {
        var copy = other
        copy.traits = traits
        return copy
    }

    /// Brightness at a place of the object, around 1.
    @inline(__always)
    func shade(at p: Point, _ noise: NoiseField) -> Float {
        1 + textureDepth * pattern(at: p * textureScale, noise) + relief.dot(p)
    }

    /// −1…1
    @inline(__always)
    private func pattern(at p: Point, _ noise: NoiseField) -> Float {
        switch texture {
        case .plain: return 0
        case .fade: return max(-1, min(1, p.dot(textureAxis) / textureScale))
        case .stripes: return max(-1, min(1, 1.6 * triangleWave(p.dot(textureAxis))))
        case .noise: return 4 * (noise(p.x * 9 + traits[7] * 200, p.y * 9) - 0.5)
        case .spots, .checks:
            let q = Point(p.dot(textureAxis), p.dot(Point(-textureAxis.y, textureAxis.x)))
            let (a, b) = (triangleWave(q.x), triangleWave(q.y))
            return texture == .spots
                ? max(-1, min(1, 1.5 * (a + b))) : max(-1, min(1, 6 * a * b))
        }
    }
}

/// What a figure is at one place: the distance to its edge and the colour there.
struct Ink {
    /// In units of the figure, negative inside.
    private(set) var distance: Float = 8
    private(set) var color = Color()
    /// Pixels per unit.
    let sharpness: Float

    init(sharpness: Float) { self.sharpness = sharpness }

    /// Adds a part on top of those before.
    @inline(__always)
    mutating func add(_ d: Float, _ color: Color) {
        if distance > 0 && d < distance {
            self.color = color
        } else {
            self.color = mix(self.color, color, cover(d))
        }
        distance = min(distance, d)
    }

    /// Paints within the parts before; the outline stays.
    @inline(__always)
    mutating func mark(_ d: Float, _ color: Color) { self.color = mix(self.color, color, cover(d)) }

    @inline(__always)
    private func cover(_ d: Float) -> Float { clamp(0.5 - d * sharpness) }

    /// Share of the pixel that is covered.
    @inline(__always)
    var coverage: Float { cover(distance) }
}

/// How the moving parts of a figure stand at a time; they move whether the figure sounds or not.
struct Gesture: Sendable {
    /// −1…1, to and fro.
    var swing: Float
    /// A direction that turns.
    var hand: Point

    init(turns: Float) {
        swing = sineOfTurns(turns)
        hand = Point(cosineOfTurns(turns), sineOfTurns(turns))
    }
}
