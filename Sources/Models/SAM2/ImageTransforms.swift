// SPDX-License-Identifier: Apache-2.0
// From 8-bit RGB to the model's input. The reference has two ways, which differ visibly; both stretch to a square.
public import TensorEngine

public enum ImageTransforms {
    /// ImageNet's, per colour.
    static let mean: [Float] = [0.485, 0.456, 0.406]
    static let deviation: [Float] = [0.229, 0.224, 0.225]

    /// As for single images: to float, bilinear with antialiasing, normalised.
    /// `height` rows of `width` RGB pixels → `[1, size, size, 3]`
    /// Source: `sam2/utils/transforms.py`.
    public static func image(_ pixels: [UInt8], width: Int, height: Int, size: Int) -> Tensor {
        precondition(
            pixels.count == width * height * 3, "image: \(pixels.count) bytes for \(width)×\(height)")
        let levels = (0..<256).map { Float($0) / 255 }
        let picture = mapped(pixels, shape: [1, height, width, 3], [levels, levels, levels])
        return normalised(
            resize(
                picture, rows: .antialiasedBilinear(from: height, to: size),
                columns: .antialiasedBilinear(from: width, to: size)))
    }

    /// Minus the mean, over the deviation. `[B, H, W, 3]`, 0 … 1.
    public static func normalised(_ picture: Tensor) -> Tensor {
        var result = picture
        result.withMutableValues { values in
            for i in stride(from: 0, to: values.count, by: 3) {
                for c in 0..<3 { values[i + c] = (values[i + c] - mean[c]) / deviation[c] }
            }
        }
        return result
    }

    /// As for frames of a video: Pillow's bicubic resize on 8 bits, then normalised.
    /// `height` rows of `width` RGB pixels → `[1, size, size, 3]`
    /// Source: `sam2/utils/misc.py`, `_load_img_as_tensor`.
    public static func videoFrame(_ pixels: [UInt8], width: Int, height: Int, size: Int) -> Tensor {
        let resized = pillowResize(
            pixels, width: width, height: height, toWidth: size, toHeight: size, filter: .bicubic)
        return mapped(resized, shape: [1, size, size, 3], normalisedLevels)
    }

    /// Normalised value of each level of each colour.
    private static let normalisedLevels = (0..<3).map { c in
        (0..<256).map { (Float(Double($0) / 255) - mean[c]) / deviation[c] }
    }

    private static func mapped(_ pixels: [UInt8], shape: [Int], _ tables: [[Float]]) -> Tensor {
        Tensor(shape: shape) { out in
            guard let to = out.baseAddress else { return }
            pixels.withUnsafeBufferPointer { pixels in
                (tables[0] + tables[1] + tables[2]).withUnsafeBufferPointer { table in
                    for i in stride(from: 0, to: pixels.count, by: 3) {
                        to[i] = table[Int(pixels[i])]
                        to[i + 1] = table[256 + Int(pixels[i + 1])]
                        to[i + 2] = table[512 + Int(pixels[i + 2])]
                    }
                }
            }
        }
    }
}
