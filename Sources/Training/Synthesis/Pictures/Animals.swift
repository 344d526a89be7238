// SPDX-License-Identifier: Apache-2.0

enum Animals {
    /// A round body with a beak, a fanned tail and a beating wing.
    static func bird(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let plump = 0.38 + 0.1 * style.traits[0]
        let head = 0.25 + 0.07 * style.traits[1]
        for x: Float in [-0.02, 0.2] {
            ink.add(Distance.line(p, Point(x, 0.4), Point(x + 0.05, 0.9), 0.04), style.detail)
        }
        let tail = -0.25 + 0.5 * style.traits[2]
        ink.add(
            Distance.quad(
                p, Point(-0.4, -0.08), Point(-0.35, 0.22), Point(-1.12, tail + 0.24),
                Point(-1.08, tail - 0.12)),
            style.accent)
        let beak = 0.28 + 0.14 * style.traits[3]
        let face = 0.45 + head * 0.8
        ink.add(
            Distance.triangle(p, Point(face, -0.55), Point(face + beak, -0.4), Point(face, -0.26)),
            mix(style.detail, Color(1, 0.65, 0.1, 0), 0.75))
        ink.add(Distance.ellipse(p, Point(0, 0.14), Point(0.62, plump)), style.base)
        ink.add(Distance.circle(p, Point(0.45, -0.38), head), style.base)
        if style.traits[4] > 0.5 {
            ink.mark(Distance.ellipse(p, Point(0.18, 0.36), Point(0.4, 0.2)), style.accent)
        }
        let wing = Point(-0.15, 0.02 - 0.12 * gesture.swing)
        ink.add(Distance.ellipse(p, wing, Point(0.4, 0.2 + 0.08 * gesture.swing)), style.accent)
        ink.mark(Distance.circle(p, Point(0.52, -0.44), 0.1), Color(1, 1, 1, 0))
        ink.mark(Distance.circle(p, Point(0.54, -0.44), 0.06), Color(0.05, 0.05, 0.05, 0))
    }

    /// A long body on four legs, with a snout, a hanging ear and a wagging tail.
    static func dog(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        let stout = 0.23 + 0.09 * style.traits[0]
        let ground = 0.6 + 0.25 * style.traits[1]
        let wag = 0.15 * gesture.swing
        ink.add(Distance.line(p, Point(-0.65, 0), Point(-1.02 + wag, -0.5), 0.08), style.base)
        legs(p, style, step: 0.12 * gesture.swing, stout, ground, &ink)
        ink.add(Distance.line(p, Point(-0.5, 0.08), Point(0.36, 0.02), stout), style.base)
        ink.add(Distance.line(p, Point(0.36, 0), Point(0.58, -0.4), 0.2), style.base)
        let snout = 0.2 + 0.14 * style.traits[2]
        ink.add(Distance.line(p, Point(0.7, -0.38), Point(0.78 + snout, -0.36), 0.13), style.base)
        ink.add(Distance.circle(p, Point(0.6, -0.46), 0.27), style.base)
        if style.traits[4] > 0.6 {
            ink.mark(Distance.ellipse(p, Point(-0.15, -0.05), Point(0.3, 0.24)), style.accent)
        }
        let droop = style.traits[3] > 0.5 ? Point(0.4, -0.34) : Point(0.42, -0.76)
        ink.add(Distance.ellipse(p, droop, Point(0.13, 0.25)), style.accent)
        ink.add(Distance.circle(p, Point(0.84 + snout, -0.42), 0.09), Color(0.08, 0.06, 0.06, 0))
        ink.mark(Distance.circle(p, Point(0.68, -0.52), 0.06), Color(0.05, 0.04, 0.04, 0))
    }

    private static func legs(
        _ p: Point, _ style: Style, step: Float, _ stout: Float, _ ground: Float, _ ink: inout Ink
    ) {
        let far = style.base * 0.75
        ink.add(Distance.line(p, Point(-0.42, 0.1), Point(-0.42 + step, ground), 0.09), far)
        ink.add(Distance.line(p, Point(0.3, 0.1), Point(0.3 - step, ground), 0.09), far)
        ink.add(Distance.line(p, Point(-0.6, 0.1), Point(-0.62 - step, ground), 0.1), style.base)
        ink.add(Distance.line(p, Point(0.42, 0.1), Point(0.46 + step, ground), 0.1), style.base)
    }
}
