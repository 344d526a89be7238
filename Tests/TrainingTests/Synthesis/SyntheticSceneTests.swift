// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

@Suite("synthetic scenes")
struct SyntheticSceneTests {
    @Test("the same seed gives the same picture and mask, another seed gives another")
    func repeats() {
        for level in SyntheticLevel.allCases {
            let first = SyntheticScene(seed: 5, level: level).render(at: 1.25, width: 64, height: 48)
            let again = SyntheticScene(seed: 5, level: level).render(at: 1.25, width: 64, height: 48)
            let other = SyntheticScene(seed: 6, level: level).render(at: 1.25, width: 64, height: 48)
            #expect(first.image == again.image && first.visible == again.visible)
            #expect(first.image != other.image)
        }
    }

    @Test("pictures of any shape are rendered", arguments: [(1, 1), (7, 3), (33, 64), (320, 180)])
    func sizes(width: Int, height: Int) {
        let (image, visible) = SyntheticScene(seed: 1, level: .hard).render(
            at: 0, width: width, height: height)
        #expect(image.pixels.count == width * height * 3 && visible.count == width * height)
    }

    /// A scene of one object, or of none, on the same ground without noise.
    private func scene(_ item: SyntheticClass?, seed: UInt64) -> SyntheticScene {
        var random = SeededRandom(seed)
        let backdrop = Backdrop(&random)
        let camera = Camera(0.3, &random)
        let lighting = Lighting(0.3, grain: 0...0, &random)
        var style = Style(usualHue: nil, &random)
        style.outline = 0
        let way = Sprite.Way(
            from: Point(0.05, -0.03), to: Point(0.1, 0), begin: 0, end: 5, sway: Point(repeating: 0),
            swayRate: 0,
            swayStart: 0)
        let sprite = item.map {
            Sprite(
                figure: .object($0), style: style, radius: 0.3, way: way,
                turns: .init(start: 1.05, spin: 0.02, rock: 0, rockRate: 0, breath: 0),
                isMirrored: seed % 2 == 0,
                gesture: (1, 0.3))
        }
        return SyntheticScene(
            seed: seed, level: .easy, backdrop: backdrop, camera: camera, lighting: lighting,
            sprites: sprite.map { [$0] } ?? [])
    }

    @Test("the mask is where the picture changes, but for the soft edge", arguments: SyntheticClass.allCases)
    func masksFit(item: SyntheticClass) {
        let side = 160
        for seed in UInt64(1)...4 {
            let with = scene(item, seed: seed).render(at: 2, width: side, height: side)
            let without = scene(nil, seed: seed).render(at: 2, width: side, height: side)
            #expect(without.visible.allSatisfy { $0 == 0 })
            var (outside, missing, area) = (0, 0, 0)
            for pixel in 0..<side * side {
                let isSet = with.visible[pixel] == item.rawValue
                let change = (0..<3).map {
                    abs(Int(with.image.pixels[pixel * 3 + $0]) - Int(without.image.pixels[pixel * 3 + $0]))
                }.max()!
                if isSet { area += 1 }
                if !isSet && change > 0 && !touches(with.visible, pixel, side) { outside += 1 }
                if isSet && change == 0 { missing += 1 }
            }
            #expect(area > side * side / 40, "\(item) covers \(area) pixels")
            #expect(outside == 0, "\(item) paints \(outside) pixels away from its mask")
            // A colour may by chance be that of the ground.
            #expect(missing < area / 20, "\(item) is not seen on \(missing) of \(area) pixels of its mask")
        }
    }

    /// Whether a pixel is next to one of the mask.
    private func touches(_ visible: [UInt8], _ pixel: Int, _ side: Int) -> Bool {
        let (x, y) = (pixel % side, pixel / side)
        for ny in max(0, y - 1)...min(side - 1, y + 1) {
            for nx in max(0, x - 1)...min(side - 1, x + 1) where visible[ny * side + nx] != 0 { return true }
        }
        return false
    }

    @Test("objects and clutter in front hide what is behind")
    func occlusion() {
        let bare = scene(.clock, seed: 3)
        var cover = bare.sprites[0]
        cover.figure = .clutter(.disc)
        cover.radius = 0.15
        let hidden = SyntheticScene(
            seed: 3, level: .easy, backdrop: bare.backdrop, camera: bare.camera, lighting: bare.lighting,
            sprites: bare.sprites + [cover])
        let before = bare.render(at: 0, width: 100, height: 100).visible
        let after = hidden.render(at: 0, width: 100, height: 100).visible
        #expect(before[47 * 100 + 55] == SyntheticClass.clock.rawValue)
        #expect(after[47 * 100 + 55] == 0)
        #expect(after.contains(SyntheticClass.clock.rawValue))
    }

    @Test("scenes hold one to five objects, with twins, and all classes occur")
    func variety() {
        var (counts, seen, twins) = (Set<Int>(), Set<SyntheticClass>(), 0)
        for seed in UInt64(0)..<200 {
            let scene = SyntheticScene(seed: seed, level: .hard)
            let objects = scene.sprites.filter { $0.figure.id != 0 }.count
            counts.insert(objects)
            seen.formUnion(scene.classes)
            if scene.classes.count < objects { twins += 1 }
        }
        #expect(counts == [1, 2, 3, 4, 5])
        #expect(seen.count == SyntheticClass.allCases.count)
        #expect(twins > 5)
    }

    @Test("noise repeats every 256 units without a seam, and stays within 0 and 1")
    func noise() {
        let noise = NoiseField.shared
        for step in 0..<2_000 {
            let (x, y) = (Float(step) * 0.61 - 600, Float(step % 89) * 6.1 - 270)
            let value = noise(x, y)
            #expect(0...1 ~= value)
            #expect(abs(value - noise(x + 256, y - 256)) < 1e-3)
            // The steepest slope of the table is far from a jump.
            #expect(abs(value - noise(x + 0.01, y + 0.01)) < 0.02)
        }
        for edge in [Float(-256), 0, 256] {
            for along in stride(from: Float(0), to: 256, by: 3.7) {
                #expect(abs(noise(along, edge - 0.005) - noise(along, edge + 0.005)) < 0.02)
                #expect(abs(noise(edge - 0.005, along) - noise(edge + 0.005, along)) < 0.02)
            }
        }
    }

    @Test("some objects are painted like one of another class, and within a class all look different")
    func lookAlikes() {
        var alike = 0
        for seed in UInt64(0)..<100 {
            let objects = SyntheticScene(seed: seed, level: .hard).sprites.filter { $0.figure.id != 0 }
            for (a, b) in zip(objects, objects.dropFirst()) where a.figure != b.figure {
                if a.style.base == b.style.base && a.style.texture == b.style.texture { alike += 1 }
            }
        }
        #expect(alike > 10)
        let clocks = (0..<600).flatMap { SyntheticScene(seed: $0, level: .medium).sprites }
            .filter { $0.figure == .object(.clock) }
        #expect(Set(clocks.map(\.style.base)).count > clocks.count * 9 / 10)
        #expect(Set(clocks.map(\.style.texture)).count == Style.Texture.allCases.count)
    }

    @Test("objects come in, go out and move; the picture changes with time")
    func motion() {
        var (entered, left) = (0, 0)
        for seed in UInt64(0)..<80 {
            let scene = SyntheticScene(seed: seed, level: .hard)
            let (start, end) = (
                Set(scene.render(at: 0, width: 48, height: 48).visible),
                Set(scene.render(at: 5, width: 48, height: 48).visible)
            )
            if !end.isSubset(of: start) { entered += 1 }
            if !start.isSubset(of: end) { left += 1 }
        }
        #expect(entered > 5 && left > 5)
    }
}
