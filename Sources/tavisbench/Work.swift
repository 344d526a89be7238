// SPDX-License-Identifier: Apache-2.0
// Multiply-accumulates of the published models, in 10⁹; norms, activations and resizing are not counted.

/// Image encoders of SAM 2: patches, trunk, pyramid and the decoder's two convolutions on it.
enum EncoderWork {
    static let sizes = [224, 512, 1024]
    /// By the letter of the variant, at each of `sizes`.
    static let variants: [String: [Double]] = [
        "t": [5.08, 31.4, 146.2], "s": [6.6, 41.5, 180.0], "b": [12.8, 80.4, 323.4],
        "l": [44.5, 217.0, 911.4],
    ]
}

/// What SAM 2 does for one object on one frame.
enum ObjectWork {
    private static let width = 256.0, memoryWidth = 64.0, hidden = 2048.0

    private static func tokens(_ size: Int) -> Double { Double(size / 16 * (size / 16)) }

    /// Four layers over a map, with `frames` remembered maps and `pointers` object pointers.
    static func memoryAttention(size: Int, frames: Double, pointers: Double) -> Double {
        let m = tokens(size), keys = frames * m + 4 * pointers
        let linear = 6 * m * width * width + 2 * keys * memoryWidth * width + 2 * m * width * hidden
        let attention = 2 * m * m * width + 2 * m * keys * width
        return 4 * (linear + attention) / 1e9
    }

    /// Two-way transformer, upscaling and heads with `tokens` tokens.
    static func maskDecoder(size: Int, tokens n: Double = 8) -> Double {
        let m = tokens(size), half = width / 2
        func cross(_ queries: Double, _ keys: Double) -> Double {
            queries * width * half * 2 + 2 * keys * width * half + 2 * queries * keys * half
        }
        let layer = 4 * n * width * width + 2 * n * n * width + 2 * n * width * hidden
        let transformer = 2 * (layer + cross(n, m) + cross(m, n)) + cross(n, m)
        let upscaling = m * width * width + 4 * m * width / 4 * width / 2 + 16 * m * 4 * width / 8
        return (transformer + upscaling) / 1e9
    }

    static func memoryEncoder(size: Int) -> Double {
        let m = tokens(size), channels = [1.0, 4, 16, 64, 256]
        var work = m * width * width * 2 + 2 * m * (49 * width + 2 * width * 1024) + m * width * memoryWidth
        for level in 1...4 {
            let side = Double(size >> level)
            work += side * side * channels[level - 1] * channels[level] * 9
        }
        return work / 1e9
    }
}

/// ImageBind's towers: L·12D² + 2·L·Lk·D for each block.
enum TowerWork {
    static func blocks(tokens: Double, keys: Double? = nil, width: Double, blocks: Double) -> Double {
        blocks * (tokens * 12 * width * width + 2 * tokens * (keys ?? tokens) * width) / 1e9
    }

    static func image(side: Int) -> Double {
        let patches = Double(side / 14 * (side / 14))
        return blocks(tokens: patches + 1, width: 1280, blocks: 32)
            + (patches * 588 * 1280 + 1280 * 1024) / 1e9
    }

    static let audio =
        blocks(tokens: 229, keys: 230, width: 768, blocks: 12) + (228 * 256 * 768 + 768 * 1024) / 1e9

    static func text(tokens: Double) -> Double { blocks(tokens: tokens, width: 1024, blocks: 24) }

    /// Five queries over the audio tokens five times, six pseudo-texts, and the linear maps around them.
    static let prompts: Double = {
        let d = 768.0, layer = (2 * 228 * d * d + 2 * 5 * d * d + 2 * 5 * 228 * d) / 1e9
        return 5 * layer + 6 * text(tokens: 6) + 6 * d * 6144 / 1e9
    }()
}
