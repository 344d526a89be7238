// SPDX-License-Identifier: Apache-2.0
import Media

/// The picture of a stream that has none: a dark plate with words.
enum SignalCard {
    private static let usualSize = (width: 640, height: 360)
    private static let duration = MediaTime.milliseconds(200)

    /// - Parameter like: of what size; 640×360 when nil.
    static func frame(like last: VideoFrame?, lines: [String], at time: MediaTime) -> VideoFrame {
        let (width, height) = last.map { ($0.width, $0.height) } ?? usualSize
        var pixels = [UInt8](repeating: 24, count: 3 * width * height)
        pixels.withUnsafeMutableBufferPointer {
            MaskOverlay.write(lines, onto: $0, width: width, height: height)
        }
        return VideoFrame(width: width, height: height, pts: time, duration: duration, pixels: pixels)
    }
}
