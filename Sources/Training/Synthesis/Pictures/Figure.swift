// SPDX-License-Identifier: Apache-2.0

/// Things that are drawn, each in its own coordinates: about a circle of radius 1, upright, facing right.
enum Figure: Sendable, Equatable {
    case object(SyntheticClass)
    case clutter(Clutter)

    /// Nothing of a figure is farther from its middle.
    static let reach: Float = 1.3

    /// What the mask shows; clutter hides what is behind it.
    var id: UInt8 { if case .object(let item) = self { item.rawValue } else { 0 } }

    @inline(__always)
    func ink(at p: Point, _ style: Style, _ gesture: Gesture, sharpness: Float) -> Ink {
        var ink = Ink(sharpness: sharpness)
        switch self {
        case .object(let item): item.draw(p, style, gesture, &ink)
        case .clutter(let shape): shape.draw(p, style, &ink)
        }
        return ink
    }
}

extension SyntheticClass {
    @inline(__always)
    fileprivate func draw(_ p: Point, _ style: Style, _ gesture: Gesture, _ ink: inout Ink) {
        switch self {
        case .bell: Instruments.bell(p, style, gesture, &ink)
        case .bird: Animals.bird(p, style, gesture, &ink)
        case .car: Machines.car(p, style, gesture, &ink)
        case .clock: Machines.clock(p, style, gesture, &ink)
        case .dog: Animals.dog(p, style, gesture, &ink)
        case .drum: Instruments.drum(p, style, gesture, &ink)
        case .fan: Machines.fan(p, style, gesture, &ink)
        case .flute: Instruments.flute(p, style, gesture, &ink)
        case .guitar: Instruments.guitar(p, style, gesture, &ink)
        case .rattle: Instruments.rattle(p, style, gesture, &ink)
        case .saw: Machines.saw(p, style, gesture, &ink)
        case .siren: Machines.siren(p, style, gesture, &ink)
        }
    }
}

/// Shapes without a class or a sound.
enum Clutter: UInt8, CaseIterable, Sendable {
    case box, disc, bar, wedge, frame, blob, cross

    @inline(__always)
    fileprivate func draw(_ p: Point, _ style: Style, _ ink: inout Ink) {
        let (v, w) = (style.traits[0], style.traits[1])
        switch self {
        case .box: ink.add(Distance.box(p, .zero, Point(0.9, 0.35 + 0.5 * v), 0.3 * w), style.base)
        case .disc: ink.add(Distance.ellipse(p, .zero, Point(0.9, 0.5 + 0.4 * v)), style.base)
        case .bar: ink.add(Distance.line(p, Point(-1.1, 0), Point(1.1, 0), 0.05 + 0.12 * v), style.base)
        case .wedge:
            ink.add(
                Distance.triangle(p, Point(2 * v - 1, -0.9), Point(0.95, 0.7), Point(-0.95, 0.7)), style.base)
        case .frame:
            ink.add(Distance.box(p, .zero, Point(0.9, 0.5 + 0.4 * v), 0.05), style.accent)
            ink.mark(Distance.box(p, .zero, Point(0.74, 0.36 + 0.4 * v), 0.02), style.base)
        case .blob:
            let bumps = 0.16 * sineOfTurns(p.x * (0.6 + v) + w) + 0.16 * sineOfTurns(p.y * (0.6 + w) + v)
            ink.add(Distance.circle(p, .zero, 0.75) + bumps, style.base)
        case .cross:
            ink.add(Distance.box(p, .zero, Point(1, 0.14 + 0.15 * v)), style.base)
            ink.add(Distance.box(p, .zero, Point(0.14 + 0.15 * w, 0.9)), style.accent)
        }
    }
}
