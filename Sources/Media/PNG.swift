// SPDX-License-Identifier: Apache-2.0
import CPNG
import Glibc

/// A picture of 8 bits per channel as a PNG file holds it.
package struct PNGImage: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case gray, grayAlpha, rgb, rgba
        /// Pixels are indices into these colours, RGB, at most 256.
        case palette([UInt8])

        package var channels: Int {
            switch self {
            case .gray, .palette: 1
            case .grayAlpha: 2
            case .rgb: 3
            case .rgba: 4
            }
        }
    }

    package var width: Int
    package var height: Int
    package var kind: Kind
    /// `[height, width, channels]`.
    package var pixels: [UInt8]

    package init(width: Int, height: Int, kind: Kind, pixels: [UInt8]) {
        precondition(pixels.count == width * height * kind.channels)
        self.width = width
        self.height = height
        self.kind = kind
        self.pixels = pixels
    }

    /// The picture in RGB: palettes are looked up, gray is repeated, transparency is dropped.
    package var rgb: [UInt8] {
        switch kind {
        case .rgb: return pixels
        case .gray: return pixels.flatMap { [$0, $0, $0] }
        case .grayAlpha:
            return stride(from: 0, to: pixels.count, by: 2).flatMap { [pixels[$0], pixels[$0], pixels[$0]] }
        case .rgba: return stride(from: 0, to: pixels.count, by: 4).flatMap { pixels[$0..<$0 + 3] }
        case .palette(let colors):
            return pixels.flatMap { index in
                let at = Int(index) * 3
                return at + 3 <= colors.count ? colors[at..<at + 3] : [0, 0, 0]
            }
        }
    }
}

package enum PNGWriter {
    /// Writes `image`; the file has its name only when it is complete.
    package static func write(_ image: PNGImage, to path: String) throws(MediaError) {
        let bytes = try encode(image, about: path)
        try FileWriter.writeWhole(bytes, to: path)
    }

    /// The bytes of a PNG file.
    package static func encode(_ image: PNGImage, about name: String = "PNG") throws(MediaError) -> [UInt8] {
        guard image.width > 0, image.height > 0, image.width <= maxSide, image.height <= maxSide else {
            throw MediaError(.badImage, name, "a PNG cannot be \(image.width)x\(image.height)")
        }
        var header = TavisPNG()
        header.width = UInt32(image.width)
        header.height = UInt32(image.height)
        header.color_type = image.kind.colorType
        if case .palette(let colors) = image.kind {
            guard !colors.isEmpty, colors.count % 3 == 0, colors.count <= 768 else {
                throw MediaError(
                    .badImage, name, "a palette has 1 to 256 colours of 3 bytes, not \(colors.count) bytes")
            }
            header.palette_count = Int32(colors.count / 3)
            withUnsafeMutableBytes(of: &header.palette) { $0.copyBytes(from: colors) }
            if let largest = image.pixels.max(), Int(largest) >= colors.count / 3 {
                throw MediaError(
                    .badImage, name, "index \(largest) is outside the palette of \(colors.count / 3)")
            }
        }
        var size = 0
        guard let data = tavis_png_encode(&header, image.pixels, 3, &size) else {
            throw MediaError(.badImage, name, "cannot be encoded: \(header.reason)")
        }
        defer { free(data) }
        return Array(UnsafeBufferPointer(start: data, count: size))
    }

    private static let maxSide = 1 << 20
}

package enum PNGReader {
    /// As many as an 11585×11585 picture has.
    private static let maxPixels = 1 << 27

    package static func read(_ path: String) throws(MediaError) -> PNGImage {
        try decode(try readFile(path, limit: 1 << 30), about: path)
    }

    package static func decode(_ bytes: [UInt8], about name: String = "PNG") throws(MediaError) -> PNGImage {
        var header = TavisPNG()
        guard let data = tavis_png_decode(bytes, bytes.count, maxPixels, &header) else {
            throw MediaError(.badImage, name, "not a readable PNG: \(header.reason)")
        }
        defer { free(data) }
        let (width, height) = (Int(header.width), Int(header.height))
        let kind = header.kind
        let pixels = Array(UnsafeBufferPointer(start: data, count: width * height * kind.channels))
        return PNGImage(width: width, height: height, kind: kind, pixels: pixels)
    }
}

extension PNGImage.Kind {
    fileprivate var colorType: Int32 {
        switch self {
        case .gray: PNG_COLOR_TYPE_GRAY
        case .grayAlpha: PNG_COLOR_TYPE_GRAY_ALPHA
        case .rgb: PNG_COLOR_TYPE_RGB
        case .rgba: PNG_COLOR_TYPE_RGB_ALPHA
        case .palette: PNG_COLOR_TYPE_PALETTE
        }
    }
}

extension TavisPNG {
    fileprivate var reason: String {
        withUnsafeBytes(of: error) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    fileprivate var kind: PNGImage.Kind {
        switch color_type {
        case PNG_COLOR_TYPE_RGB: .rgb
        case PNG_COLOR_TYPE_RGB_ALPHA: .rgba
        case PNG_COLOR_TYPE_GRAY_ALPHA: .grayAlpha
        case PNG_COLOR_TYPE_PALETTE:
            .palette(withUnsafeBytes(of: palette) { Array($0.prefix(Int(min(palette_count, 256)) * 3)) })
        default: .gray
        }
    }
}

/// All bytes of a file.
func readFile(_ path: String, limit: Int) throws(MediaError) -> [UInt8] {
    let descriptor = path.utf8.contains(0) ? -1 : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw MediaError(errno == ENOENT ? .notFound : .unreadable, path, systemMessage(errno))
    }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
        throw MediaError(.notAFile, path, "is not a regular file")
    }
    guard info.st_size <= limit else { throw MediaError(.tooLarge, path, "is larger than \(limit) bytes") }
    var bytes = [UInt8](repeating: 0, count: info.st_size)
    var filled = 0
    while filled < bytes.count {
        let count = bytes.withUnsafeMutableBytes {
            read(descriptor, $0.baseAddress! + filled, $0.count - filled)
        }
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else {
            throw MediaError(.unreadable, path, count < 0 ? systemMessage(errno) : "was cut off")
        }
        filled += count
    }
    return bytes
}
