// SPDX-License-Identifier: Apache-2.0

enum Instruments {
    /// A dome that widens to a rim, with a loop above and a clapper below.
    static func bell(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let top = 0.42 + 0.16 * style.traits[0]
        let flare = 0.2 + 0.22 * style.traits[1]
        ink.add(Distance.ring(p, Point(0, -0.82), 0.16, 0.055), style.accent)
        ink.add(Distance.circle(p, Point(0.22 * gesture.swing, 0.74), 0.17), style.detail)
        let depth = clamp((p.y + 0.3) / 0.88)
        let side = abs(p.x) - top - flare * depth * depth
        let skirt = max(side * 0.9, max(p.y - 0.58, -0.3 - p.y))
        ink.add(min(skirt, max(Distance.circle(p, Point(0, -0.3), top), p.y + 0.29)), style.base)
        ink.add(Distance.line(p.mirrored, Point(0, 0.58), Point(top + flare, 0.58), 0.08), style.accent)
        if style.traits[2] > 0.4 { ink.mark(abs(p.y - 0.2) - 0.05, style.accent) }
    }

    /// A cylinder with a light skin, laced sides and two sticks.
    static func drum(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let half = 0.66 + 0.16 * style.traits[0]
        let bottom = 0.35 + 0.4 * style.traits[1]
        let skin = Point(half, 0.2 + 0.08 * style.traits[2])
        let wall = Distance.box(p, Point(0, (bottom - 0.3) / 2), Point(half, (bottom + 0.3) / 2))
        ink.add(min(wall, Distance.ellipse(p, Point(0, bottom), skin)), style.base)
        let bulge = skin.y * (1 - min(1, p.x * p.x / (half * half))).squareRoot()
        let lace = (p.y - bulge - (bottom - 0.3) / 2) - (bottom + 0.1) * 0.5 * triangleWave(p.x * 2.2)
        ink.mark(abs(lace) * 0.5 - 0.03, style.detail)
        ink.mark(abs(p.y - bulge - bottom) - 0.06, style.accent)
        ink.add(Distance.ellipse(p, Point(0, -0.3), skin), style.accent)
        let light = mix(style.detail, Color(0.95, 0.92, 0.85, 0), 0.8)
        ink.mark(Distance.ellipse(p, Point(0, -0.3), skin - 0.07), light)
        let lift = Point(0, 0.1 * gesture.swing)
        for side: Float in [-1, 1] {
            let tip = Point(0.18 * side, -0.42) + lift * side
            let stick = Distance.line(p, Point(0.75 * side, -0.95) + lift * side, tip, 0.05)
            ink.add(min(stick, Distance.circle(p, tip, 0.1)), style.detail)
        }
    }

    /// A long tube with a row of holes.
    static func flute(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let width = 0.11 + 0.06 * style.traits[0]
        ink.add(Distance.box(p, .zero, Point(1.15, width), 0.05), style.base)
        ink.add(Distance.box(p, Point(-1.02, 0), Point(0.16, width + 0.05), 0.03), style.accent)
        ink.add(Distance.box(p, Point(1.1, 0), Point(0.07, width + 0.04), 0.03), style.accent)
        ink.mark(Distance.ellipse(p, Point(-0.68, -0.02), Point(0.1, width * 0.55)), style.detail)
        let step = 0.2 + 0.06 * style.traits[1]
        let nearest = max(-3, min(3, wholePart((p.x - 0.3) / step + 0.5)))
        ink.mark(Distance.circle(p, Point(0.3 + nearest * step, -0.01), width * 0.45), style.detail)
        if style.traits[2] > 0.5 { ink.mark(abs(p.x + 0.44) - 0.03, style.accent) }
    }

    /// Two round bouts with a hole, a neck and a head.
    static func guitar(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let lower = 0.44 + 0.1 * style.traits[0]
        let upper = 0.3 + 0.1 * style.traits[1]
        ink.add(Distance.box(p, Point(0.55, 0), Point(0.5, 0.075)), style.accent)
        ink.add(Distance.box(p, Point(1.08, 0), Point(0.14, 0.14), 0.04), style.detail)
        let (a, b) = (Distance.circle(p, Point(-0.55, 0), lower), Distance.circle(p, Point(0.02, 0), upper))
        let blend = max(0, 0.2 - abs(a - b)) / 0.2
        ink.add(min(a, b) - blend * blend * 0.05, style.base)
        ink.mark(Distance.box(p, Point(0.4, 0), Point(0.4, 0.075)), style.accent)
        ink.mark(Distance.ring(p, Point(-0.12, 0), 0.2, 0.03), style.accent)
        ink.mark(Distance.circle(p, Point(-0.12, 0), 0.17), Color(0.08, 0.05, 0.04, 0))
        ink.mark(Distance.box(p, Point(-0.68, 0), Point(0.06, 0.2)), style.detail)
        ink.mark(max(abs(abs(p.y) - 0.03) - 0.012, abs(p.x - 0.15) - 0.83), Color(0.9, 0.9, 0.85, 0))
    }

    /// A maraca: an egg with bands on a handle.
    static func rattle(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let tilt = 0.08 * gesture.swing
        let q = Point(p.x - tilt * (p.y - 1), p.y)
        ink.add(Distance.line(q, Point(0, 0), Point(0, 0.95), 0.09 + 0.04 * style.traits[0]), style.accent)
        ink.add(Distance.circle(q, Point(0, 1), 0.15), style.accent)
        let egg = Point(0.4 + 0.12 * style.traits[1], 0.52)
        ink.add(Distance.ellipse(q, Point(0, -0.5), egg), style.base)
        let bands = 2.4 + 1.6 * style.traits[2]
        ink.mark(max(0.35 - abs(triangleWave(q.y * bands)), abs(q.y + 0.5) - 0.42) * 0.2, style.detail)
    }
}
