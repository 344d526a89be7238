// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Media

@Suite struct PNGTests {
    private let colors: [UInt8] = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0]

    @Test(
        "a palette keeps its numbers, also where two colours are the same",
        arguments: [(5, 3), (1, 1), (640, 359)])
    func palette(width: Int, height: Int) throws {
        let scratch = try Scratch()
        let image = PNGImage(
            width: width, height: height, kind: .palette(colors),
            pixels: (0..<width * height).map { UInt8($0 * 7 % 4) })
        try PNGWriter.write(image, to: scratch.file("m.png"))
        #expect(try PNGReader.read(scratch.file("m.png")) == image)
        #expect(scratch.contents == ["m.png"])
        // Bit depth and colour type, as every reader sees them.
        let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: scratch.file("m.png"))))
        #expect(Array(bytes[24...25]) == [8, 3])
    }

    @Test(
        "RGB, gray and their transparent kinds come back",
        arguments: [PNGImage.Kind.rgb, .gray, .rgba, .grayAlpha])
    func kinds(kind: PNGImage.Kind) throws {
        let pixels = (0..<7 * 5 * kind.channels).map { UInt8(truncatingIfNeeded: $0 * 37) }
        let image = PNGImage(width: 7, height: 5, kind: kind, pixels: pixels)
        #expect(try PNGReader.decode(PNGWriter.encode(image)) == image)
        #expect(image.rgb.count == 7 * 5 * 3)
    }

    @Test("cut off, damaged and foreign bytes are errors")
    func damaged() throws {
        let image = PNGImage(width: 40, height: 40, kind: .rgb, pixels: .init(repeating: 9, count: 4800))
        let bytes = try PNGWriter.encode(image)
        for count in [0, 4, 8, 20, 33, bytes.count / 2, bytes.count - 13] {
            #expect(throws: MediaError.self) { try PNGReader.decode(Array(bytes.prefix(count))) }
        }
        for at in stride(from: 8, to: bytes.count - 12, by: 3) {
            var broken = bytes
            broken[at] ^= 0x55
            _ = try? PNGReader.decode(broken)
        }
        var huge = bytes
        huge.replaceSubrange(16..<24, with: [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
        #expect(throws: MediaError.self) { try PNGReader.decode(huge) }
        #expect(throws: MediaError.self) { try PNGReader.read("/no/such.png") }
        #expect(throws: MediaError.self) { try PNGWriter.write(image, to: "/no/such/folder.png") }
    }

    @Test("an index outside the palette is refused")
    func badIndex() {
        let image = PNGImage(width: 1, height: 1, kind: .palette(colors), pixels: [4])
        #expect(throws: MediaError.self) { try PNGWriter.encode(image) }
    }
}

@Suite struct WholeFileTests {
    @Test("16-bit samples are exactly value / 32768", arguments: [(16000, 1), (44100, 2), (48000, 6)])
    func exactSamples(rate: Int, channels: Int) throws {
        let scratch = try Scratch()
        let wav = try scratch.make(
            "a.wav",
            """
            audiotestsrc wave=white-noise volume=1 num-buffers=9
            ! audio/x-raw, format=S16LE, rate=\(rate), channels=\(channels) ! wavenc ! filesink name=out
            """)
        let clip = try AudioFile.read(wav)
        #expect(clip.sampleRate == rate && clip.channels.count == channels && clip.frameCount == 9 * 1024)
        let data = try Data(contentsOf: URL(fileURLWithPath: wav))
        let start = try #require(data.range(of: Data("data".utf8))).upperBound + 4
        let bytes = [UInt8](data[start...])
        let words = bytes.withUnsafeBytes { raw in
            (0..<9 * 1024 * channels).map { raw.loadUnaligned(fromByteOffset: $0 * 2, as: Int16.self) }
        }
        let wrong = words.indices.first {
            clip.channels[$0 % channels][$0 / channels] != Float(words[$0]) / 32768
        }
        #expect(wrong == nil)
    }

    @Test("a recording longer than the limit and a file without sound are errors")
    func limits() throws {
        let scratch = try Scratch()
        let wav = try scratch.make("a.wav", "audiotestsrc num-buffers=90 ! wavenc ! filesink name=out")
        #expect(throws: MediaError.self) { try AudioFile.read(wav, limit: .seconds(1)) }
        let silent = try scratch.clip(audio: nil)
        #expect { try AudioFile.read(silent) } throws: { ($0 as? MediaError)?.code == .noAudio }
    }

    @Test("a JPEG is decoded to RGB")
    func jpeg() throws {
        let scratch = try Scratch()
        let path = try scratch.make(
            "a.jpg",
            """
            videotestsrc pattern=red num-buffers=1 ! video/x-raw, width=37, height=21 ! jpegenc ! filesink name=out
            """)
        let image = try ImageFile.read(path)
        #expect(image.width == 37 && image.height == 21 && image.pixels.count == 37 * 21 * 3)
        #expect(image.pixels[0] > 230 && image.pixels[1] < 30 && image.pixels[2] < 30)
    }

    @Test("what only begins like a JPEG is an error, and not a long wait")
    func brokenJPEG() throws {
        let scratch = try Scratch()
        let path = try scratch.make(
            "a.jpg",
            "videotestsrc num-buffers=1 ! video/x-raw, width=64, height=64 ! jpegenc ! filesink name=out")
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for broken in [whole.prefix(3), whole.prefix(40), whole.prefix(20) + Data(repeating: 7, count: 999)] {
            try broken.write(to: URL(fileURLWithPath: path))
            let start = ContinuousClock.now
            #expect(throws: MediaError.self, "\(broken.count) bytes") { try ImageFile.read(path) }
            #expect(ContinuousClock.now - start < .seconds(10))
        }
    }
}
