// SPDX-License-Identifier: Apache-2.0
import CPNG
import Foundation
import TestSupport
import Testing

/// An RGB picture read from a PNG beside the goldens.
struct TestPicture {
    let width, height: Int
    let pixels: [UInt8]

    /// - Parameter path: relative to the folder of the goldens, e.g. `frames512/00000.png`.
    init(_ path: String) throws {
        let file = Golden.folder.appending(path: path).path
        var image = png_image()
        image.version = png_uint_32(PNG_IMAGE_VERSION)
        defer { png_image_free(&image) }
        try #require(png_image_begin_read_from_file(&image, file) != 0, "\(file): not a readable PNG")
        // PNG_FORMAT_RGB, a macro of casts.
        image.format = png_uint_32(PNG_FORMAT_FLAG_COLOR)
        var pixels = [UInt8](repeating: 0, count: Int(image.width) * Int(image.height) * 3)
        try #require(png_image_finish_read(&image, nil, &pixels, 0, nil) != 0, "\(file): damaged")
        (width, height, self.pixels) = (Int(image.width), Int(image.height), pixels)
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: Golden.folder.appending(path: path).path)
    }
}
