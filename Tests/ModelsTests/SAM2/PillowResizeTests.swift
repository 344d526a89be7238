// SPDX-License-Identifier: Apache-2.0
import Models
import TestSupport
import Testing

@Suite("Pillow's resize")
struct PillowResizeTests {
    @Test(
        "bicubic frames equal Pillow's to the bit", .enabled(if: TestPicture.exists("frames_full/00000.png")),
        arguments: [128, 512])
    func bicubicFrames(size: Int) throws {
        for index in 0..<8 where TestPicture.exists("frames\(size)/0000\(index).png") {
            let full = try TestPicture("frames_full/0000\(index).png")
            let expected = try TestPicture("frames\(size)/0000\(index).png")
            let found = pillowResize(
                full.pixels, width: full.width, height: full.height, toWidth: size, toHeight: size,
                filter: .bicubic)
            let wrong = zip(found, expected.pixels).enumerated().first { $1.0 != $1.1 }
            #expect(wrong == nil, "frame \(index) at \(size): first difference \(String(describing: wrong))")
        }
    }

    @Test("an equal size returns the pixels unchanged")
    func unchanged() {
        let pixels = (0..<60).map { UInt8($0) }
        #expect(
            pillowResize(pixels, width: 5, height: 4, toWidth: 5, toHeight: 4, filter: .bicubic) == pixels)
    }

    @Test("a constant picture stays constant", arguments: [PillowFilter.bilinear, .bicubic])
    func constant(filter: PillowFilter) {
        for (width, height, channels) in [(1, 1, 3), (7, 3, 1), (641, 359, 3), (5, 9, 4)] {
            let pixels = [UInt8](repeating: 201, count: width * height * channels)
            let found = pillowResize(
                pixels, width: width, height: height, channels: channels, toWidth: 17, toHeight: 11,
                filter: filter)
            #expect(found == [UInt8](repeating: 201, count: 17 * 11 * channels))
        }
    }

    @Test("the RGB path equals the general one")
    func general() {
        let pixels = (0..<90 * 50 * 3).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let rgb = pillowResize(pixels, width: 90, height: 50, toWidth: 31, toHeight: 77, filter: .bicubic)
        for channel in 0..<3 {
            let plane = stride(from: channel, to: pixels.count, by: 3).map { pixels[$0] }
            let alone = pillowResize(
                plane, width: 90, height: 50, channels: 1, toWidth: 31, toHeight: 77, filter: .bicubic)
            #expect(alone == stride(from: channel, to: rgb.count, by: 3).map { rgb[$0] })
        }
    }
}
