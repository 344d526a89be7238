// SPDX-License-Identifier: Apache-2.0
package import Media
import Models
package import TensorEngine

/// The pictures that TAViS takes of a frame. All are stretched to squares.
///
/// Source: `datasets/avsb_dataloader_vggish.py`, `load_image_in_PIL_to_Tensor`.
package struct FramePreparation: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Straight to the model's size. The default: the official way smooths frames below 1024² a little more, at
        /// several times the cost.
        case direct
        /// To 1024² first and from there to the model's size, rounded to 8 bits each time, as the published
        /// evaluation does with whatever size it reads.
        case official
    }

    private static let officialSide = 1024

    private let kind: Kind
    let side: Int
    private let imageBindSide: Int

    package init(_ kind: Kind, side: Int, imageBindSide: Int) {
        (self.kind, self.side, self.imageBindSide) = (kind, side, imageBindSide)
    }

    /// - Returns: for SAM, with ImageNet's mean and deviation removed, `[1, S, S, 3]`; for ImageBind in 0…1,
    ///   `[1, s, s, 3]`: means over 2×2 pixels of `plain`, which is of twice its side.
    package func callAsFunction(_ frame: VideoFrame) -> (sam: Tensor, imageBind: Tensor, plain: Tensor) {
        let source = kind == .official ? Self.resized(frame, to: Self.officialSide) : frame
        let picture = Self.resized(source, to: side)
        let plain = Self.plain(
            side == 2 * imageBindSide ? picture : Self.resized(source, to: 2 * imageBindSide))
        return (
            ImageTransforms.videoFrame(picture.pixels, width: side, height: side, size: side),
            resizeBilinear(plain, height: imageBindSide, width: imageBindSide), plain
        )
    }

    private static func resized(_ frame: VideoFrame, to side: Int) -> VideoFrame {
        let pixels = pillowResize(
            frame.pixels, width: frame.width, height: frame.height, toWidth: side, toHeight: side,
            filter: .bilinear)
        return VideoFrame(width: side, height: side, pts: frame.pts, duration: frame.duration, pixels: pixels)
    }

    /// 0…1, `[1, height, width, 3]`
    private static func plain(_ frame: VideoFrame) -> Tensor {
        Tensor(shape: [1, frame.height, frame.width, 3]) { out in
            for (index, level) in frame.pixels.enumerated() { out[index] = Float(level) / 255 }
        }
    }
}
