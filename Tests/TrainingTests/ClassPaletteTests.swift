// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

@Suite("Class colours")
struct ClassPaletteTests {
    @Test(
        "colours are those of AVSBench",
        arguments: [
            (0, [0, 0, 0]), (1, [128, 0, 0]), (2, [0, 128, 0]), (7, [128, 128, 128]), (8, [64, 0, 0]),
            (63, [192, 192, 192]), (64, [32, 0, 0]), (70, [32, 128, 128]),
        ] as [(UInt8, [UInt8])])
    func known(id: UInt8, expected: [UInt8]) {
        let color = ClassPalette.color(id)
        #expect([color.red, color.green, color.blue] == expected)
    }

    @Test("all ids have colours of their own")
    func distinct() {
        let ids = ClassPalette.ids(count: 255)
        #expect(ids.count == 255)
        #expect(ids[0x80_0000] == 1)
    }
}
