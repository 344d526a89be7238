// SPDX-License-Identifier: Apache-2.0
import Media

/// The truth of one frame as a PNG file holds it. Source: `color_mask_to_label`.
struct LabelPicture {
    /// What pixels stand for.
    enum Form: Sendable, Equatable {
        /// Classes: colours of `ClassPalette`, or ids as gray values or as indices into a palette.
        case classes
        /// Something sounds wherever a pixel is not 0, or not black.
        case binary
    }

    let width, height: Int
    /// Class id of each pixel, row-major; 1 for all that sounds in the binary form.
    let labels: [UInt8]

    /// - Parameter classes: ids there are.
    /// - Throws: `DatasetError.unknownColor` naming the first colour or id that is no class; what reading throws.
    init(_ path: String, _ form: Form = .classes, classes: Int) throws {
        let image = try PNGReader.read(path)
        (width, height) = (image.width, image.height)
        labels = form == .binary ? Self.marked(image) : try Self.ids(image, path, classes)
    }

    /// Something at all.
    var isEmpty: Bool { !labels.contains { $0 != 0 } }

    private static func marked(_ image: PNGImage) -> [UInt8] {
        if case .gray = image.kind { return image.pixels.map { min($0, 1) } }
        let rgb = image.rgb
        return stride(from: 0, to: rgb.count, by: 3).map { rgb[$0] | rgb[$0 + 1] | rgb[$0 + 2] == 0 ? 0 : 1 }
    }

    private static func ids(_ image: PNGImage, _ path: String, _ classes: Int) throws -> [UInt8] {
        switch image.kind {
        case .gray: return try known(image.pixels, path, classes)
        case .palette(let colors): return try known(translated(image.pixels, colors), path, classes)
        case .rgb, .rgba, .grayAlpha: return try lookedUp(image.rgb, path, classes)
        }
    }

    private static func known(_ ids: [UInt8], _ path: String, _ classes: Int) throws -> [UInt8] {
        guard let stranger = ids.first(where: { $0 >= classes }) else { return ids }
        throw DatasetError(
            .unknownColor, path, "value \(stranger) is no class; there are \(classes), background included")
    }

    /// Indices are ids, whatever their colours, unless programs have renumbered a colour picture: then all colours
    /// in use are those of classes.
    private static func translated(_ indices: [UInt8], _ colors: [UInt8]) -> [UInt8] {
        let used = Set(indices)
        let ids = ClassPalette.ids(count: 256)
        var table = (0...255).map { UInt8($0) }
        for index in used where Int(index) * 3 + 3 <= colors.count {
            let color = colors[Int(index) * 3..<Int(index) * 3 + 3].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard let id = ids[color] else { return indices }
            table[Int(index)] = id
        }
        return Set(used.map { table[Int($0)] }).count == used.count ? indices.map { table[Int($0)] } : indices
    }

    private static func lookedUp(_ rgb: [UInt8], _ path: String, _ classes: Int) throws -> [UInt8] {
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

    /// At another size.
    func resized(_ newWidth: Int, _ newHeight: Int) -> [UInt8] {
        nearestLabels(labels, width: width, height: height, toWidth: newWidth, toHeight: newHeight)
    }
}

/// Labels at another size: that under the middle of each new pixel, as Pillow's nearest neighbour takes it.
///
/// - Parameter labels: `height` rows of `width`.
package func nearestLabels(
    _ labels: [UInt8], width: Int, height: Int, toWidth: Int, toHeight: Int
) -> [UInt8] {
    precondition(
        labels.count == width * height && toWidth > 0 && toHeight > 0,
        "nearestLabels: \(labels.count) for \(width)×\(height) to \(toWidth)×\(toHeight)")
    guard toWidth != width || toHeight != height else { return labels }
    let columns = (0..<toWidth).map { (2 * $0 + 1) * width / (2 * toWidth) }
    return (0..<toHeight).flatMap { y in
        let row = (2 * y + 1) * height / (2 * toHeight) * width
        return columns.map { labels[row + $0] }
    }
}
