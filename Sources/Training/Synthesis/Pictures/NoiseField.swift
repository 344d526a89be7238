// SPDX-License-Identifier: Apache-2.0

/// Fractal noise of the plane, 0…1 with mean about 0.5, repeating every 256 units; a table, because it is asked for
/// every pixel.
struct NoiseField: @unchecked Sendable {  // never written after init, never freed: there is one
    static let shared = NoiseField()

    private static let side = 256
    private let table: UnsafePointer<Float>

    private init() {
        let count = Self.side * Self.side
        let sum = UnsafeMutablePointer<Float>.allocate(capacity: count)
        sum.initialize(repeating: 0, count: count)
        var random = SeededRandom(1)
        var weight: Float = 0.5
        for step in [32, 16, 8, 4, 2, 1] {
            Self.add(weight, cell: step, &random, to: sum)
            weight *= 0.62
        }
        let mean = (0..<count).reduce(0) { $0 + sum[$1] } / Float(count)
        let spread = ((0..<count).reduce(0) { $0 + (sum[$1] - mean) * (sum[$1] - mean) } / Float(count))
            .squareRoot()
        for i in 0..<count { sum[i] = clamp(0.5 + (sum[i] - mean) / spread * 0.2) }
        table = UnsafePointer(sum)
    }

    /// One octave: random values on a lattice, smoothly between.
    private static func add(
        _ weight: Float, cell: Int, _ random: inout SeededRandom, to sum: UnsafeMutablePointer<Float>
    ) {
        let cells = side / cell
        let lattice = (0..<cells * cells).map { _ in random.unit() }
        for y in 0..<side {
            for x in 0..<side {
                let (cx, cy) = (x / cell, y / cell)
                let fx = smoothstep(0, 1, Float(x % cell) / Float(cell))
                let fy = smoothstep(0, 1, Float(y % cell) / Float(cell))
                let (nx, ny) = ((cx + 1) % cells, (cy + 1) % cells)
                let top = mix(lattice[cy * cells + cx], lattice[cy * cells + nx], fx)
                let bottom = mix(lattice[ny * cells + cx], lattice[ny * cells + nx], fx)
                sum[y * side + x] += weight * mix(top, bottom, fy)
            }
        }
    }

    /// Linear between the points of the table.
    @inline(__always)
    func callAsFunction(_ x: Float, _ y: Float) -> Float {
        let (wx, wy) = (wholePart(x), wholePart(y))
        let (fx, fy) = (x - wx, y - wy)
        let x0 = Int((wx + wholeNumberShift).bitPattern & 255), x1 = (x0 + 1) & 255
        let row = Int((wy + wholeNumberShift).bitPattern & 255)
        let (y0, y1) = (row << 8, ((row + 1) & 255) << 8)
        let top = mix(table[y0 + x0], table[y0 + x1], fx)
        return mix(top, mix(table[y1 + x0], table[y1 + x1], fx), fy)
    }
}

/// A number in 0 ..< 1 that belongs to a cell of a grid.
@inline(__always)
func cellNumber(_ x: Float, _ y: Float) -> Float {
    let (column, row) = ((x + wholeNumberShift).bitPattern, (y + wholeNumberShift).bitPattern)
    var h = column &* 0x85EB_CA6B ^ row &* 0xC2B2_AE35
    h = (h ^ (h >> 15)) &* 0x2C1B_3C6D
    h = (h ^ (h >> 12)) &* 0x297A_2D39
    return Float((h ^ (h >> 15)) >> 8) * 0x1p-24
}
