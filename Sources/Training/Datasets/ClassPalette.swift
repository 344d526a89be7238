// SPDX-License-Identifier: Apache-2.0

/// Colours of class ids in AVSBench's label pictures. Source: `get_v2_pallete`.
package enum ClassPalette {
    /// Colour of class `id`: its bits, three at a time, go to the highest free bit of red, green and blue.
    package static func color(_ id: UInt8) -> (red: UInt8, green: UInt8, blue: UInt8) {
        var (red, green, blue): (UInt8, UInt8, UInt8) = (0, 0, 0)
        var rest = id
        for bit in stride(from: UInt8(7), through: 0, by: -1) where rest != 0 {
            red |= (rest & 1) << bit
            green |= (rest >> 1 & 1) << bit
            blue |= (rest >> 2 & 1) << bit
            rest >>= 3
        }
        return (red, green, blue)
    }

    /// Ids of colours packed as 0xRRGGBB, for the first `count` classes, at most 256.
    package static func ids(count: Int) -> [UInt32: UInt8] {
        Dictionary(
            uniqueKeysWithValues: (0..<min(count, 256)).map { id in
                let (red, green, blue) = color(UInt8(id))
                return (UInt32(red) << 16 | UInt32(green) << 8 | UInt32(blue), UInt8(id))
            })
    }
}
