// SPDX-License-Identifier: Apache-2.0
import Media
import Testing

@testable import Training

@Suite("label pictures")
struct LabelPictureTests {
    private let bench = Bench()
    private var path: String { bench.root.appending(path: "mask.png").path }

    /// What the left half is read as; the right half must be the background.
    private func left(_ form: LabelPicture.Form = .classes, classes: Int = 71) throws -> UInt8 {
        let labels = try LabelPicture(path, form, classes: classes).labels
        #expect(labels[8..<16].allSatisfy { $0 == 0 })
        return labels[0]
    }

    @Test("colours, ids as gray values and indices into a palette are classes")
    func forms() throws {
        try bench.picture("mask.png", (192, 128, 128))
        #expect(try left() == 15)
        try bench.ids("mask.png", 15)
        #expect(try left() == 15)
        // A palette whose colours are not those of classes: indices count.
        try bench.ids("mask.png", 3, .palette([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]))
        #expect(try left() == 3)
        // A colour picture that a program has turned into one with a palette: colours count.
        try bench.ids("mask.png", 1, .palette([0, 0, 0, 192, 128, 128]))
        #expect(try left() == 15)
    }

    @Test("in the binary form all that is not 0 or black is marked")
    func binary() throws {
        try bench.ids("mask.png", 255)
        #expect(try left(.binary) == 1)
        try bench.picture("mask.png", (7, 0, 9))
        #expect(try left(.binary) == 1)
    }

    @Test("what is no class is named")
    func strangers() throws {
        try bench.ids("mask.png", 12)
        #expect { try left(classes: 5) } throws: { "\($0)".contains("value 12 is no class; there are 5") }
        try bench.picture("mask.png", (1, 2, 3))
        #expect { try left() } throws: { "\($0)".contains("colour (1, 2, 3) is no class") }
    }

    @Test("labels at another size are those under the middle of each new pixel")
    func resized() {
        let labels: [UInt8] = [1, 2, 3, 4, 5]
        // Middles of the new pixels: 5/6, 5/2 and 25/6 of five.
        let smaller = nearestLabels(labels, width: 5, height: 1, toWidth: 3, toHeight: 1)
        #expect(smaller == [1, 3, 5])
        let larger = nearestLabels([1, 2], width: 2, height: 1, toWidth: 4, toHeight: 2)
        #expect(larger == [1, 1, 2, 2, 1, 1, 2, 2])
    }
}
