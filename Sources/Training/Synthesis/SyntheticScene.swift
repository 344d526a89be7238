// SPDX-License-Identifier: Apache-2.0

/// What is seen during a clip of 5 s: a place, a camera, light, objects and clutter. Which objects sound is not part
/// of it, so that one scene can be heard in many ways.
package struct SyntheticScene: Sendable {
    package static let seconds = 5.0

    package let seed: UInt64
    package let level: SyntheticLevel
    let backdrop: Backdrop
    let camera: Camera
    let lighting: Lighting
    /// From back to front.
    let sprites: [Sprite]

    package init(seed: UInt64, level: SyntheticLevel) {
        var random = SeededRandom(seed, stream: 1)
        let difficulty = level.difficulty
        backdrop = Backdrop(&random)
        camera = Camera(difficulty.camera, &random)
        lighting = Lighting(difficulty.light, grain: difficulty.grain, &random)
        var builder = SceneBuilder(difficulty, random)
        sprites = builder.sprites()
        self.seed = seed
        self.level = level
    }

    init(
        seed: UInt64, level: SyntheticLevel, backdrop: Backdrop, camera: Camera, lighting: Lighting,
        sprites: [Sprite]
    ) {
        self.seed = seed
        self.level = level
        self.backdrop = backdrop
        self.camera = camera
        self.lighting = lighting
        self.sprites = sprites
    }

    /// Classes of all objects, also of those that are not in the picture all the time; each once, in order of ids.
    package var classes: [SyntheticClass] {
        SyntheticClass.allCases.filter { item in sprites.contains { $0.figure == .object(item) } }
    }

    /// Share of the clip during which the middle of an object of the class is within a square picture.
    package func presence(of item: SyntheticClass) -> Double {
        let objects = sprites.filter { $0.figure == .object(item) }
        let times = stride(from: Float(0.25), through: 4.75, by: 0.5)
        let seen = times.filter { time in
            let view = camera.view(at: time)
            return objects.contains {
                let place = view.project($0.way.place(at: time))
                return max(abs(place.x), abs(place.y)) < 0.5
            }
        }
        return Double(seen.count) / 10
    }
}

/// Draws the sprites of a scene at random.
struct SceneBuilder {
    private let difficulty: Difficulty
    private var random: SeededRandom

    init(_ difficulty: Difficulty, _ random: SeededRandom) {
        self.difficulty = difficulty
        self.random = random
    }

    mutating func sprites() -> [Sprite] {
        let back = (0..<random.int(difficulty.backClutter)).map { _ in clutter(radius: 0.05...0.24) }
        let objects = objects()
        let front = (0..<random.int(difficulty.frontClutter)).map { _ in clutter(radius: 0.04...0.1) }
        return back + objects + front
    }

    private mutating func objects() -> [Sprite] {
        let count = 1 + random.index(weights: difficulty.objectCounts)
        var unused = random.shuffled(SyntheticClass.allCases)
        var placed: [Sprite] = []
        for _ in 0..<count {
            let isTwin = !placed.isEmpty && random.chance(difficulty.twin)
            let figure = isTwin ? random.pick(placed).figure : .object(unused.removeLast())
            placed.append(object(figure, among: placed))
        }
        return random.shuffled(placed)
    }

    private mutating func object(_ figure: Figure, among others: [Sprite]) -> Sprite {
        guard case .object(let item) = figure else { preconditionFailure("only objects are placed") }
        var style = Style(usualHue: item.usualHue, &random)
        var radius = random.float(difficulty.radius)
        if let model = others.last, model.figure != figure, random.chance(difficulty.lookAlike) {
            style = style.painted(like: model.style)
            radius = model.radius * random.float(0.9...1.1)
        }
        var sprite = Sprite(
            figure: figure, style: style, radius: radius, way: way(radius), turns: turns(of: item),
            isMirrored: random.chance(0.5), gesture: (random.float(0.3...1.6), random.unit()))
        var best = crowding(sprite, others)
        for _ in 0..<14 where best < difficulty.separation {
            let other = way(radius)
            let kept = sprite.way
            sprite.way = other
            let room = crowding(sprite, others)
            if room > best { best = room } else { sprite.way = kept }
        }
        return sprite
    }

    /// The smallest distance to another object during the clip, in sums of the radii.
    private func crowding(_ sprite: Sprite, _ others: [Sprite]) -> Float {
        var least = Float.infinity
        for time in [Float(0.2), 1.4, 2.6, 3.8, 4.9] {
            let place = sprite.way.place(at: time)
            for other in others {
                let distance = (other.way.place(at: time) - place).length
                least = min(least, distance / (sprite.radius + other.radius))
            }
        }
        return least
    }

    private mutating func way(_ radius: Float) -> Sprite.Way {
        let inside = 0.5 - 0.75 * radius
        let here = Point(random.float(-inside...inside), random.float(-inside...inside))
        let direction = random.unit()
        let travel = Point(cosineOfTurns(direction), sineOfTurns(direction)) * random.float(difficulty.travel)
        let there = (here + travel).clamped(
            lowerBound: Point(repeating: -inside), upperBound: Point(repeating: inside))
        let sway = random.float(0...0.025)
        var way = Sprite.Way(
            from: here, to: there, begin: 0, end: 5, sway: Point(random.float(0...sway), sway),
            swayRate: random.float(0.1...0.8), swayStart: random.unit())
        if random.chance(difficulty.passing) { pass(&way, radius) }
        return way
    }

    /// Makes a way come from outside, or lead there.
    private mutating func pass(_ way: inout Sprite.Way, _ radius: Float) {
        let outside = 0.5 + 1.4 * radius + 0.06
        let side = random.sign() * outside
        let place = random.chance(0.6) ? Point(side, way.from.y) : Point(way.from.x, side)
        let start = random.float(0.2...2.6)
        (way.begin, way.end) = (start, start + random.float(0.8...2))
        if random.chance(0.5) { way.from = place } else { way.to = place }
    }

    private mutating func turns(of item: SyntheticClass) -> Sprite.Turns {
        // Long things lie anyhow; what stands, leans a little.
        let lean: ClosedRange<Float> =
            switch item {
            case .flute, .guitar, .rattle, .saw: -0.5...0.5
            case .car, .dog, .bird: -0.05...0.05
            default: -0.07...0.07
            }
        return Sprite.Turns(
            start: random.float(lean) + 1, spin: random.chance(0.2) ? random.float(-0.04...0.04) : 0,
            rock: random.float(0...0.025), rockRate: random.float(0.1...0.8), breath: random.float(0...0.1))
    }

    private mutating func clutter(radius: ClosedRange<Float>) -> Sprite {
        let place = Point(random.float(-0.6...0.6), random.float(-0.6...0.6))
        let way = Sprite.Way(
            from: place, to: place, begin: 0, end: 5, sway: .zero, swayRate: 0, swayStart: 0)
        return Sprite(
            figure: .clutter(random.pick(Clutter.allCases)), style: Style(usualHue: nil, &random),
            radius: random.float(radius), way: way,
            turns: .init(start: random.unit() + 1, spin: 0, rock: 0, rockRate: 0, breath: 0),
            isMirrored: false, gesture: (0, 0))
    }
}
