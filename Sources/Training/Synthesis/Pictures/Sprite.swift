// SPDX-License-Identifier: Apache-2.0

/// One figure of a scene: how it looks and how it moves. Places are shares of the picture's shorter side, from the
/// middle; seconds count from the start of the clip.
struct Sprite: Sendable {
    var figure: Figure
    var style: Style
    var radius: Float
    var way: Way
    var turns: Turns
    var isMirrored: Bool
    /// Beats per second of the moving parts, and where they start.
    var gesture: (rate: Float, start: Float)

    /// From one place to another between two times, with some sway.
    struct Way: Sendable {
        var from, to: Point
        var begin, end: Float
        var sway: Point
        var swayRate, swayStart: Float

        func place(at seconds: Float) -> Point {
            let share = clamp((seconds - begin) / max(end - begin, 0.01))
            return from + (to - from) * share + sway * sineOfTurns(swayRate * seconds + swayStart)
        }
    }

    /// Tilt in turns: where it starts, its speed, and how far it rocks.
    struct Turns: Sendable {
        var start, spin, rock, rockRate: Float
        /// How much the size breathes, as a share.
        var breath: Float

        func angle(at seconds: Float) -> Float {
            start + spin * seconds + rock * sineOfTurns(rockRate * seconds + start)
        }

        func size(at seconds: Float) -> Float {
            1 + breath * sineOfTurns(rockRate * 0.7 * seconds + 2 * start)
        }
    }
}

/// Where the camera looks: shakes, pans, zooms and rolls.
struct Camera: Sendable {
    private var pan, shake: Point
    private var zoom, zoomDrift, roll, rate, start: Float

    init(_ strength: Float, _ random: inout SeededRandom) {
        let direction = random.unit()
        pan = Point(cosineOfTurns(direction), sineOfTurns(direction)) * random.float(0...0.05) * strength
        shake = Point(random.float(0...0.012), random.float(0...0.012)) * strength
        zoom = 1 + random.float(-0.08...0.12) * strength
        zoomDrift = random.float(-0.03...0.03) * strength
        roll = random.float(-0.02...0.02) * strength
        rate = random.float(0.2...0.9)
        start = random.unit()
    }

    func view(at seconds: Float) -> View {
        let (a, b) = (rate * seconds + start, 1.7 * rate * seconds + start)
        let centre = pan * (seconds - 2.5) + Point(shake.x * sineOfTurns(a), shake.y * sineOfTurns(b))
        let angle = roll * sineOfTurns(0.5 * a)
        return View(
            centre: centre, zoom: zoom + zoomDrift * (seconds - 2.5), cosine: cosineOfTurns(angle),
            sine: sineOfTurns(angle), angle: angle)
    }

    struct View {
        var centre: Point
        var zoom, cosine, sine, angle: Float

        /// A place of the scene on the picture.
        func project(_ p: Point) -> Point { ((p - centre) * zoom).rotated(cosine, sine) }
        /// A place on the picture in the scene.
        func unproject(_ p: Point) -> Point { p.rotated(cosine, -sine) / zoom + centre }
    }
}

/// Light over the whole picture.
struct Lighting: Sendable {
    private var gain: Float
    private var tint: Color
    private var flicker, flickerRate: Float
    /// Brighter to one side.
    let slope: Point
    /// Darker in the corners.
    let vignette: Float
    /// Deviation of the sensor's noise.
    let grain: Float

    init(_ strength: Float, grain: ClosedRange<Float>, _ random: inout SeededRandom) {
        gain = 1.08 + random.float(-0.3...0.35) * strength
        let warmth = random.float(-0.13...0.13) * strength
        tint = Color(1 + warmth, 1 + random.float(-0.04...0.04) * strength, 1 - warmth, 1)
        flicker = random.chance(0.4 * strength) ? random.float(0...0.15) : 0
        flickerRate = random.float(0.3...3)
        let direction = random.unit()
        slope = Point(cosineOfTurns(direction), sineOfTurns(direction)) * random.float(0...0.6) * strength
        vignette = random.float(0...0.7) * strength
        self.grain = random.float(grain)
    }

    func color(at seconds: Float) -> Color {
        tint * (gain * (1 + flicker * sineOfTurns(flickerRate * seconds)))
    }
}
