// SPDX-License-Identifier: Apache-2.0
import Media

/// The truth of one frame as a PNG file holds it. Source: `color_mask_to_label`.
struct LabelPicture {
    let width, height: Int
    /// Class id of each pixel, row-major.
    let labels: [UInt8]

    /// Colour pictures are looked up in AVSBench's palette; a palette's indices and gray values are ids themselves.
    ///
    /// - Parameter classes: ids there are.
    /// - Throws: `DatasetError.unknownColor` naming the first colour or id that is no class; what reading throws.
    init(_ path: String, classes: Int) throws {
        let image = try PNGReader.read(path)
        (width, height) = (image.width, image.height)
        switch image.kind {
        case .gray, .palette: labels = image.pixels
        case .rgb, .rgba, .grayAlpha: labels = try Self.lookUp(image.rgb, path, classes)
        }
        if let stranger = labels.first(where: { $0 >= classes }) {
            throw DatasetError(
                .unknownColor, path,
                "value \(stranger) is no class; there are \(classes), background included")
        }
    }

    private static func lookUp(_ rgb: [UInt8], _ path: String, _ classes: Int) throws -> [UInt8] {
        let ids = ClassPalette.ids(count: classes)
        var last: (color: UInt32, id: UInt8) = (0, 0)
        return try stride(from: 0, to: rgb.count, by: 3).map { i in
            let color = UInt32(rgb[i]) << 16 | UInt32(rgb[i + 1]) << 8 | UInt32(rgb[i + 2])
            if color == last.color { return last.id }
            guard let id = ids[color] else {
                throw DatasetError(
                    .unknownColor, path,
                    "colour (\(rgb[i]), \(rgb[i + 1]), \(rgb[i + 2])) is no class; there are \(classes)")
            }
            last = (color, id)
            return id
        }
    }
}
