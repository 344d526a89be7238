// SPDX-License-Identifier: Apache-2.0

package struct Color: Sendable, Equatable {
    package var red, green, blue: UInt8

    package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        (self.red, self.green, self.blue) = (red, green, blue)
    }
}

/// Colours of objects: the same id always has the same one, and neighbours can be told apart by colour-blind eyes.
package enum Palette {
    /// Okabe and Ito's set without black, then the lighter half of Paul Tol's "muted" set.
    static let colors: [Color] = [
        Color(230, 159, 0), Color(86, 180, 233), Color(0, 158, 115), Color(240, 228, 66),
        Color(0, 114, 178), Color(213, 94, 0), Color(204, 121, 167), Color(136, 204, 238),
        Color(221, 204, 119), Color(170, 68, 153), Color(68, 170, 153), Color(204, 102, 119),
    ]

    package static func color(ofObject id: Int) -> Color { colors[(max(1, id) - 1) % colors.count] }

    /// Value of an object's pixels in mask pictures: 1…255, starting again after 255. 0 is the background.
    package static func maskValue(ofObject id: Int) -> UInt8 { UInt8((max(1, id) - 1) % 255 + 1) }

    /// 256 colours for mask pictures: black, then what `color(ofObject:)` gives.
    package static let maskColors: [Color] = [Color(0, 0, 0)] + (1...255).map(color(ofObject:))
}
