// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

@testable import Training

/// A dataset's folder in the making, with squares for pictures.
final class Bench {
    let root = FileManager.default.temporaryDirectory.appending(path: "dataset-\(UUID().uuidString)")
    private let side = 16

    deinit { try? FileManager.default.removeItem(at: root) }

    func write(_ text: String, _ path: String) throws { try write(Data(text.utf8), path) }

    func write(_ data: Data, _ path: String) throws { try data.write(to: place(path)) }

    func remove(_ path: String) throws { try FileManager.default.removeItem(at: root.appending(path: path)) }

    /// A file whose folder is there.
    private func place(_ path: String) throws -> URL {
        let file = root.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        return file
    }

    /// - Parameter color: of the left half; the right half is black.
    func picture(_ path: String, _ color: (UInt8, UInt8, UInt8) = (200, 10, 10)) throws {
        var pixels: [UInt8] = []
        for i in 0..<side * side { pixels += i % side < side / 2 ? [color.0, color.1, color.2] : [0, 0, 0] }
        try PNGWriter.write(
            PNGImage(width: side, height: side, kind: .rgb, pixels: pixels), to: place(path).path)
    }

    /// A picture of ids: the left half is `id`, the right half 0.
    func ids(_ path: String, _ id: UInt8, _ kind: PNGImage.Kind = .gray) throws {
        let pixels = (0..<side * side).map { $0 % side < side / 2 ? id : 0 }
        try PNGWriter.write(
            PNGImage(width: side, height: side, kind: kind, pixels: pixels), to: place(path).path)
    }

    /// 16-bit mono at 16 kHz; sample i is i modulo 1000.
    func sound(_ path: String, seconds: Double = 5) throws {
        let samples = (0..<Int(seconds * 16000)).map { Float($0 % 1000) / 32767 }
        try write(Data(WaveFile.bytes(samples, sampleRate: 16000)), path)
    }

    func semanticClip(_ folder: String, masks: Int = 5, color: (UInt8, UInt8, UInt8) = (128, 0, 0)) throws {
        for i in 0..<masks { try picture("\(folder)/labels_rgb/\(i).png", color) }
        try sound("\(folder)/audio.wav")
    }
}
