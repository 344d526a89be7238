// SPDX-License-Identifier: Apache-2.0

/// A place or a step in the plane: x to the right, y down.
typealias Point = SIMD2<Float>
/// Red, green and blue, 0…1; the fourth is not used.
typealias Color = SIMD4<Float>

extension SIMD2<Float> {
    @inline(__always) var length: Float { (x * x + y * y).squareRoot() }
    @inline(__always) func dot(_ other: Self) -> Float { x * other.x + y * other.y }
    @inline(__always) var mirrored: Self { Self(abs(x), y) }

    @inline(__always)
    func rotated(_ cosine: Float, _ sine: Float) -> Self {
        Self(cosine * x - sine * y, sine * x + cosine * y)
    }
}

@inline(__always)
func mix(_ a: Float, _ b: Float, _ share: Float) -> Float { a + (b - a) * share }

@inline(__always)
func mix(_ a: Color, _ b: Color, _ share: Float) -> Color { a + (b - a) * share }

@inline(__always)
func clamp(_ x: Float) -> Float { min(max(x, 0), 1) }

/// 0 below `a`, 1 above `b`, smooth between.
@inline(__always)
func smoothstep(_ a: Float, _ b: Float, _ x: Float) -> Float {
    let t = clamp((x - a) / (b - a))
    return t * t * (3 - 2 * t)
}

/// Added to a number of less than 2²², it leaves no room for a fraction: the sum ends in the whole number's bits.
let wholeNumberShift: Float = 0x1.8p23

/// The whole number below, for less than 2²²; without the library call that `rounded` is on plain x86-64.
@inline(__always)
func wholePart(_ x: Float) -> Float {
    let nearest = (x + wholeNumberShift) - wholeNumberShift
    return nearest > x ? nearest - 1 : nearest
}

@inline(__always)
func fraction(_ x: Float) -> Float { x - wholePart(x) }

/// A triangle wave of period 1: 1 at whole numbers, −1 between.
@inline(__always)
func triangleWave(_ x: Float) -> Float { abs(fraction(x) - 0.5) * 4 - 1 }

/// sin 2πx within 0.1 %: two parabolas.
@inline(__always)
func sineOfTurns(_ x: Float) -> Float {
    let y = fraction(x) - 0.5
    let p = -y * (8 - 16 * abs(y))
    return 0.225 * (p * abs(p) - p) + p
}

@inline(__always)
func cosineOfTurns(_ x: Float) -> Float { sineOfTurns(x + 0.25) }

/// Colour of a hue (0…1, a full circle), saturation and value.
func paint(hue: Float, _ saturation: Float, _ value: Float) -> Color {
    func channel(_ offset: Float) -> Float {
        let k = fraction(hue + offset) * 6
        return value * (1 - saturation * clamp(min(k, 4 - k)))
    }
    return Color(channel(5 / 6), channel(3 / 6), channel(1 / 6), 0)
}

/// Signed distances: negative inside. Where a shape is not a circle, box or line the value away from the edge is
/// only near the true distance; the edge itself is exact.
enum Distance {
    @inline(__always)
    static func circle(_ p: Point, _ centre: Point, _ radius: Float) -> Float { (p - centre).length - radius }

    @inline(__always)
    static func ring(_ p: Point, _ centre: Point, _ radius: Float, _ width: Float) -> Float {
        abs((p - centre).length - radius) - width
    }

    /// - Parameter rounding: radius of the corners, within `half`.
    @inline(__always)
    static func box(_ p: Point, _ centre: Point, _ half: Point, _ rounding: Float = 0) -> Float {
        let x = abs(p.x - centre.x) - half.x + rounding
        let y = abs(p.y - centre.y) - half.y + rounding
        return Point(max(x, 0), max(y, 0)).length + min(max(x, y), 0) - rounding
    }

    /// A line with round ends.
    @inline(__always)
    static func line(_ p: Point, _ a: Point, _ b: Point, _ width: Float) -> Float {
        let (along, from) = (b - a, p - a)
        return (from - along * clamp(from.dot(along) / along.dot(along))).length - width
    }

    @inline(__always)
    static func ellipse(_ p: Point, _ centre: Point, _ radii: Point) -> Float {
        let q = (p - centre) / radii
        let k = q.length
        return k * (k - 1) / max((q / radii).length, 1e-6)
    }

    /// - Parameters: corners, clockwise as seen (y down).
    @inline(__always)
    static func triangle(_ p: Point, _ a: Point, _ b: Point, _ c: Point) -> Float {
        max(edge(p, a, b), edge(p, b, c), edge(p, c, a))
    }

    /// - Parameters: corners of a convex shape, clockwise as seen (y down).
    @inline(__always)
    static func quad(_ p: Point, _ a: Point, _ b: Point, _ c: Point, _ d: Point) -> Float {
        max(max(edge(p, a, b), edge(p, b, c)), max(edge(p, c, d), edge(p, d, a)))
    }

    /// Distance to the left of the way from `a` to `b`.
    @inline(__always)
    private static func edge(_ p: Point, _ a: Point, _ b: Point) -> Float {
        let along = b - a
        return ((p.x - a.x) * along.y - (p.y - a.y) * along.x) / along.length
    }
}
