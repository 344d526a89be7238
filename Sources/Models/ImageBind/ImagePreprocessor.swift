// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// Decoded RGB pictures to inputs of ImageBind's image tower.
public enum ImagePreprocessor {
    /// Side of the tower's input.
    public static let side = 224
    /// Side of the input inside TAViS.
    public static let tavisSide = 112

    /// CLIP's statistics. Source: `imagebind/data.py`.
    private static let mean: [Float] = [0.48145466, 0.4578275, 0.40821073]
    private static let deviation: [Float] = [0.26862954, 0.26130258, 0.27577711]

    /// ImageBind's own path: shorter side to 224 as Pillow's bicubic does, centre cut out, normalised.
    ///
    /// - Parameter pixels: `height` rows of `width` RGB pixels.
    /// - Returns: `[1, 224, 224, 3]`
    /// Source: `imagebind/data.py`, `load_and_transform_vision_data`.
    public static func image(_ pixels: [UInt8], width: Int, height: Int) -> Tensor {
        normalized(centre(pixels, width: width, height: height))
    }

    /// The 224² pixels of `image` before they become numbers.
    static func centre(_ pixels: [UInt8], width: Int, height: Int) -> [UInt8] {
        let short = min(width, height)
        // The longer side is cut off, not rounded.
        let (w, h) = (side * width / short, side * height / short)
        let resized = pillowResize(
            pixels, width: width, height: height, toWidth: w, toHeight: h, filter: .bicubic)
        let (left, top) = (halfToEven(w - side), halfToEven(h - side))
        let row = side * 3
        var cut: [UInt8] = []
        cut.reserveCapacity(side * row)
        for y in top..<top + side {
            let start = (y * w + left) * 3
            cut += resized[start..<start + row]
        }
        return cut
    }

    /// 224² pixels to channels around zero. `[1, 224, 224, 3]`
    static func normalized(_ pixels: [UInt8]) -> Tensor {
        precondition(pixels.count == side * side * 3, "ImagePreprocessor: \(pixels.count) bytes")
        let values = (0..<3).map { channel in
            (0...255).map { (Float($0) / 255 - mean[channel]) / deviation[channel] }
        }
        return Tensor(shape: [1, side, side, 3]) { out in
            for i in 0..<pixels.count { out[i] = values[i % 3][Int(pixels[i])] }
        }
    }

    /// The path inside TAViS: 0…1 without statistics, aspect ratio ignored, means of 2×2 pixels.
    ///
    /// - Parameters:
    ///   - pixels: `height` rows of `width` RGB pixels.
    ///   - stages: sides to which the reference resizes in turn, rounding to 8 bits each time.
    /// - Returns: `[1, 112, 112, 3]`
    public static func tavisImage(
        _ pixels: [UInt8], width: Int, height: Int, stages: [Int] = [1024, side]
    ) -> Tensor {
        var (picture, w, h) = (pixels, width, height)
        for stage in stages {
            picture = pillowResize(
                picture, width: w, height: h, toWidth: stage, toHeight: stage, filter: .bilinear)
            (w, h) = (stage, stage)
        }
        return tavisImage(squarePixels: picture)
    }

    /// As `tavisImage`, from the 224² pixels it makes on its way, which the reference shares between its encoders.
    public static func tavisImage(squarePixels pixels: [UInt8]) -> Tensor {
        precondition(pixels.count == side * side * 3, "ImagePreprocessor: \(pixels.count) bytes")
        let row = side * 3
        return Tensor(shape: [1, tavisSide, tavisSide, 3]) { out in
            for y in 0..<tavisSide {
                for x in 0..<tavisSide {
                    for c in 0..<3 {
                        let i = 2 * y * row + 6 * x + c
                        let above = Int(pixels[i]) + Int(pixels[i + 3])
                        let below = Int(pixels[i + row]) + Int(pixels[i + row + 3])
                        out[(y * tavisSide + x) * 3 + c] = Float(above + below) / 1020
                    }
                }
            }
        }
    }

    /// Half of a count of pixels, ties to the even one, as Python rounds.
    private static func halfToEven(_ pixels: Int) -> Int {
        Int((Double(pixels) / 2).rounded(.toNearestOrEven))
    }
}
