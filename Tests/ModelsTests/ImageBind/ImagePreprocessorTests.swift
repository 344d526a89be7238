// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Pictures for ImageBind")
struct ImagePreprocessorTests {
    @Test(
        "cut-out pixels become the reference's numbers", arguments: Golden.matching("06_imagebind_preprocess")
    )
    func normalised(golden: Golden) throws {
        for index in 0..<3 {
            let pixels = try golden.stored("image\(index).u8").map { UInt8($0) }
            let found = ImagePreprocessor.normalized(pixels).permuted(0, 3, 1, 2).reshaped(3, 224, 224)
            try golden.expect(found, equals: "image\(index)", relativeRMS: 1e-7, largest: 1e-7)
            // A picture of this size is neither resized nor cut.
            #expect(ImagePreprocessor.centre(pixels, width: 224, height: 224) == pixels)
        }
    }

    @Test("the centre is cut with ties to the even pixel")
    func centre() {
        // 227 and 225 columns: 1.5 becomes 2, 0.5 becomes 0.
        for (width, left) in [(227, 2), (225, 0), (226, 1), (229, 2)] {
            let row = (0..<width).flatMap { [UInt8](repeating: UInt8($0), count: 3) }
            let pixels = (0..<224).flatMap { _ in row }
            let found = ImagePreprocessor.centre(pixels, width: width, height: 224)
            #expect(found.count == 224 * 224 * 3 && found[0] == UInt8(left))
            #expect(
                ImagePreprocessor.centre(Self.turned(pixels, width), width: 224, height: width)[0] == left)
        }
    }

    @Test("pictures of any shape give one input", arguments: [(1, 1), (641, 359), (359, 641), (10, 300)])
    func shapes(width: Int, height: Int) {
        let pixels = [UInt8](repeating: 128, count: width * height * 3)
        let image = ImagePreprocessor.image(pixels, width: width, height: height)
        #expect(image.shape == [1, 224, 224, 3])
        let grey = (Float(128) / 255 - 0.48145466) / 0.26862954
        #expect(abs(image[0, 100, 100, 0] - grey) < 1e-6)
        let tavis = ImagePreprocessor.tavisImage(pixels, width: width, height: height)
        #expect(tavis.shape == [1, 112, 112, 3])
        #expect(tavis.values.allSatisfy { abs($0 - 128.0 / 255) < 1e-6 })
    }

    @Test("inside TAViS four pixels become their mean")
    func means() {
        let pixels = (0..<224 * 224 * 3).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 9) }
        let found = ImagePreprocessor.tavisImage(squarePixels: pixels)
        let picture = Tensor(pixels.map { Float($0) / 255 }, shape: [1, 224, 224, 3])
        expectClose(
            found.values, resizeBilinear(picture, height: 112, width: 112).values, "means",
            relativeRMS: 1e-6, largest: 1e-6)
        #expect(
            ImagePreprocessor.tavisImage(pixels, width: 224, height: 224, stages: [224]).values
                == found.values)
    }

    private static func turned(_ pixels: [UInt8], _ width: Int) -> [UInt8] {
        let height = pixels.count / 3 / width
        var turned: [UInt8] = []
        for x in 0..<width {
            for y in 0..<height {
                let from = (y * width + x) * 3
                turned += pixels[from..<from + 3]
            }
        }
        return turned
    }
}
