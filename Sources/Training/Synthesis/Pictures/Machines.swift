// SPDX-License-Identifier: Apache-2.0

enum Machines {
    private static let glass = Color(0.65, 0.8, 0.9, 0)
    private static let rubber = Color(0.1, 0.1, 0.11, 0)
    private static let steel = Color(0.75, 0.77, 0.8, 0)

    /// A low body, a cabin with windows, two wheels.
    static func car(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let roof = -0.42 - 0.25 * style.traits[0]
        let rear = -0.55 - 0.35 * style.traits[1]
        ink.add(
            Distance.quad(
                p, Point(rear + 0.15, roof), Point(0.25, roof), Point(0.55, 0.05), Point(rear, 0.05)),
            style.base)
        ink.add(Distance.box(p, Point(0, 0.2), Point(1.1, 0.27), 0.13), style.base)
        let window = Distance.quad(
            p, Point(rear + 0.24, roof + 0.1), Point(0.2, roof + 0.1), Point(0.4, -0.06),
            Point(rear + 0.14, -0.06))
        ink.mark(max(window, 0.04 - abs(p.x + 0.15)), glass)
        ink.mark(abs(p.y - 0.26) - 0.035, style.accent)
        ink.mark(Distance.circle(p, Point(1.02, 0.12), 0.1), Color(1, 0.95, 0.6, 0))
        let wheel = 0.22 + 0.06 * style.traits[2]
        for x: Float in [-0.6, 0.6] {
            let hub = Point(x, 0.45)
            ink.add(Distance.circle(p, hub, wheel), rubber)
            ink.mark(Distance.circle(p, hub, wheel * 0.5), style.detail)
            ink.mark(Distance.line(p, hub - gesture.hand * 0.12, hub + gesture.hand * 0.12, 0.025), rubber)
        }
    }

    /// An alarm clock: a pale face with two hands, two small domes, two feet.
    static func clock(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let q = p.mirrored
        ink.add(Distance.line(q, Point(0.35, 0.6), Point(0.6, 1), 0.1), style.accent)
        ink.add(Distance.circle(q, Point(0.52, -0.72), 0.26), style.accent)
        ink.add(Distance.line(p, Point(0, -0.8), Point(0.12 * gesture.swing, -1.05), 0.06), style.detail)
        let isSquare = style.traits[0] > 0.75
        let face = isSquare ? Distance.box(p, .zero, Point(0.74, 0.74), 0.2) : Distance.circle(p, .zero, 0.8)
        ink.add(face, style.base)
        ink.mark(face + 0.16, mix(style.accent, Color(0.98, 0.97, 0.92, 0), 0.85))
        let ink0 = Color(0.08, 0.08, 0.1, 0)
        let axis = max(abs(p.x), abs(p.y)), other = min(abs(p.x), abs(p.y))
        ink.mark(max(other - 0.04, abs(axis - 0.54) - 0.07), ink0)
        let hour = style.traits[1]
        let short = Point(cosineOfTurns(hour), sineOfTurns(hour))
        ink.mark(Distance.line(p, .zero, short * 0.3, 0.06), ink0)
        ink.mark(Distance.line(p, .zero, gesture.hand * 0.5, 0.04), style.traits[2] > 0.5 ? ink0 : style.base)
        ink.mark(Distance.circle(p, .zero, 0.08), ink0)
    }

    /// Turning blades on a stand.
    static func fan(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        ink.add(Distance.line(p, Point(0, 0), Point(0, 0.95), 0.07), style.accent)
        ink.add(Distance.box(p, Point(0, 1), Point(0.45, 0.1), 0.08), style.accent)
        let hub = Point(0, -0.25)
        let blades = 3 + Int(style.traits[0] * 2.99)
        let step = 1 / Float(blades)
        let turn = Point(cosineOfTurns(step), sineOfTurns(step))
        let length = 0.4 + 0.05 * style.traits[1]
        let width = blades == 3 ? Float(0.26) : blades == 4 ? 0.22 : 0.18
        var q = (p - hub).rotated(gesture.hand.x, gesture.hand.y)
        for _ in 0..<blades {
            ink.add(Distance.ellipse(q, Point(0.44, 0.04), Point(length, width)), style.base)
            q = q.rotated(turn.x, turn.y)
        }
        ink.add(Distance.circle(p, hub, 0.18), style.accent)
        ink.mark(Distance.circle(p, hub, 0.09), style.detail)
        if style.traits[2] > 0.5 { ink.add(Distance.ring(p, hub, 0.86, 0.045), style.detail) }
    }

    /// A toothed blade with a grip.
    static func saw(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let tip = 0.1 + 0.14 * style.traits[0]
        let heel = 0.34 + 0.1 * style.traits[1]
        let depth = mix(heel, tip, clamp((p.x + 0.3) / 1.45))
        let teeth = 0.075 * triangleWave(p.x * (3.2 + 1.6 * style.traits[2]))
        let blade = max(max(-0.24 - p.y, (p.y - depth + 0.05 - teeth) * 0.6), max(p.x - 1.15, -0.5 - p.x))
        ink.add(blade, mix(style.base, steel, 0.7))
        ink.mark(max(abs(p.y + 0.16) - 0.02, 0.1 - p.x), style.detail)
        let grip = Distance.box(p, Point(-0.72, 0.02), Point(0.38, 0.36), 0.16)
        let hole = Distance.box(p, Point(-0.74, 0.04), Point(0.19, 0.15), 0.12)
        ink.add(max(grip, -hole), style.base)
        ink.mark(Distance.circle(p, Point(-0.44, -0.16), 0.05), style.detail)
    }

    /// A lamp under a dome on a base, with rays around it.
    static func siren(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let width = 0.46 + 0.1 * style.traits[0]
        let height = 0.5 + 0.2 * style.traits[1]
        let q = p.mirrored
        let (lit, centre) = (mix(style.base, Color(1, 0.95, 0.75, 0), 0.4), Point(0, 0.2))
        for ray in [Point(0, -1), Point(0.72, -0.68)] {
            let from = centre + ray * Point(width + 0.25, height + 0.2)
            ink.add(Distance.line(q, from, from + ray * 0.28, 0.065), lit)
        }
        let dome = max(Distance.ellipse(p, Point(0, 0.3), Point(width, height + 0.1)), p.y - 0.4)
        ink.add(dome, style.base)
        ink.mark(Distance.ellipse(p, Point(0.5 * width * gesture.hand.x, 0.1), Point(0.16, 0.3)), lit)
        ink.add(Distance.box(p, Point(0, 0.52), Point(width + 0.22, 0.18), 0.06), style.accent)
        ink.mark(abs(p.y - 0.52) - 0.04, style.detail)
        if style.traits[2] > 0.5 {
            ink.add(Distance.box(p, Point(0, 0.78), Point(width * 0.7, 0.12), 0.04), style.detail)
        }
    }
}
