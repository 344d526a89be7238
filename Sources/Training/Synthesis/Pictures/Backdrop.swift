// SPDX-License-Identifier: Apache-2.0

/// What is behind everything: walls, floors, landscapes, all with texture.
struct Backdrop: Sendable {
    enum Kind: UInt8, CaseIterable, Sendable {
        case landscape, bricks, planks, tiles, patches, wallpaper, room
    }

    private let kind: Kind
    private let colors: (a: Color, b: Color, c: Color, d: Color)
    private let traits: SIMD8<Float>
    private let scale: Float

    init(_ random: inout SeededRandom) {
        kind = random.pick(Kind.allCases)
        traits = random.eight()
        scale = random.float(4...10)
        let hue = random.unit()
        func mixed(_ random: inout SeededRandom, _ value: ClosedRange<Float>) -> Color {
            paint(hue: hue + random.float(-0.12...0.12) + 1, random.float(0.05...0.6), random.float(value))
        }
        let (a, b) = (mixed(&random, 0.3...0.9), mixed(&random, 0.25...0.85))
        let (c, d) = (mixed(&random, 0.2...0.7), mixed(&random, 0.15...0.6))
        colors = (a, b, c, d)
    }

    func color(at p: Point, _ noise: NoiseField) -> Color {
        switch kind {
        case .landscape: landscape(p, noise)
        case .bricks: bricks(p, noise)
        case .planks: planks(p, noise, colors.a, colors.b)
        case .tiles: tiles(p, noise)
        case .patches: patches(p, noise)
        case .wallpaper: wallpaper(p, noise)
        case .room: room(p, noise)
        }
    }

    private func landscape(_ p: Point, _ noise: NoiseField) -> Color {
        let horizon = (traits[0] - 0.5) * 0.5
        let hills = horizon - 0.5 * max(0, noise(p.x * 40 + traits[1] * 200, traits[2] * 99) - 0.35)
        if p.y < hills {
            let cloud = smoothstep(0.5, 0.75, noise(p.x * 30 + traits[3] * 90, p.y * 70))
            return mix(
                mix(colors.a, Color(0.55, 0.7, 0.9, 0), clamp(0.7 - p.y)), Color(0.92, 0.93, 0.95, 0),
                cloud * 0.8)
        }
        let grass = 0.6 + 0.8 * (noise(p.x * 120, p.y * 160) - 0.1)
        return (p.y < horizon ? colors.c * 0.9 : colors.d * 1.3) * grass
    }

    private func bricks(_ p: Point, _ noise: NoiseField) -> Color {
        let y = p.y * scale * 1.5
        let row = wholePart(y)
        let x = p.x * scale * 0.75 + 0.5 * row
        let (fx, fy) = (x - wholePart(x), y - row)
        let grain = 0.75 + 0.5 * noise(p.x * 150, p.y * 150)
        if min(fx, 1 - fx) < 0.04 || min(fy, 1 - fy) < 0.07 { return colors.b * grain }
        return mix(colors.a, colors.c, cellNumber(wholePart(x), row)) * grain
    }

    private func planks(_ p: Point, _ noise: NoiseField, _ a: Color, _ b: Color) -> Color {
        let isUpright = traits[4] > 0.5
        let (along, across) = isUpright ? (p.y, p.x) : (p.x, p.y)
        let lane = across * scale
        let row = wholePart(lane)
        let piece = wholePart(along * scale * 0.2 + cellNumber(row, 7) * 3)
        let grain = noise(along * 25 + row * 31, across * 260)
        let edge = min(lane - row, 1 - lane + row) < 0.05 ? Float(0.55) : 1
        return mix(a, b, cellNumber(row, piece)) * ((0.65 + 0.7 * grain) * edge)
    }

    private func tiles(_ p: Point, _ noise: NoiseField) -> Color {
        let q = p.rotated(cosineOfTurns(traits[5] * 0.25), sineOfTurns(traits[5] * 0.25)) * scale
        let (x, y) = (wholePart(q.x), wholePart(q.y))
        let isOdd = (x + y + wholeNumberShift).bitPattern & 1 == 1
        let gap = min(min(q.x - x, 1 - q.x + x), min(q.y - y, 1 - q.y + y)) < 0.04 ? Float(0.6) : 1
        let tone = 0.8 + 0.25 * cellNumber(x, y) + 0.5 * (noise(p.x * 90, p.y * 90) - 0.5)
        return mix(colors.a, isOdd ? colors.b : colors.a, traits[6]) * (tone * gap)
    }

    private func patches(_ p: Point, _ noise: NoiseField) -> Color {
        let n = noise(p.x * scale * 5 + traits[0] * 99, p.y * scale * 5)
        let m = noise(p.x * scale * 8 + 77, p.y * scale * 8 + traits[1] * 99)
        let mixed = mix(mix(colors.a, colors.b, smoothstep(0.35, 0.6, n)), colors.c, smoothstep(0.5, 0.65, m))
        return mixed * (0.75 + 0.5 * noise(p.x * 200, p.y * 200))
    }

    private func wallpaper(_ p: Point, _ noise: NoiseField) -> Color {
        let stripe = smoothstep(-0.2, 0.2, triangleWave(p.x * scale + traits[0]))
        var wall = mix(colors.a, colors.b, stripe * (0.3 + 0.7 * traits[1]))
        if traits[2] > 0.5 {
            let q = Point(fraction(p.x * scale), fraction(p.y * scale)) - 0.5
            wall = mix(wall, colors.c, smoothstep(0.28, 0.2, q.length))
        }
        return wall * (0.8 + 0.4 * noise(p.x * 110, p.y * 110))
    }

    private func room(_ p: Point, _ noise: NoiseField) -> Color {
        let floor = 0.1 + 0.25 * traits[3]
        if p.y < floor - 0.02 { return wallpaper(p, noise) }
        if p.y < floor + 0.02 { return colors.d * 0.7 }
        // Rows narrow towards the wall.
        let depth = 0.25 / (p.y - floor + 0.12)
        return planks(Point(p.x * depth, depth), noise, colors.c, colors.d)
    }
}
