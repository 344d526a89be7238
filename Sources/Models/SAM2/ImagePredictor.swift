// SPDX-License-Identifier: Apache-2.0
// Segments single pictures by prompts. Source: `sam2/sam2_image_predictor.py`.
public import TensorEngine

/// A picture, encoded once, to be prompted many times.
public struct EncodedImage: Sendable {
    public let width, height: Int
    /// With the embedding of "no memory" added.
    public let features: ImageFeatures
}

public struct ImagePredictor: Sendable {
    public struct Prediction: Sendable {
        /// Logits at the picture's size. `[B, M, height, width]`
        public let masks: Tensor
        /// Estimated IoU. `[B, M]`
        public let iou: Tensor
        /// Logits limited to ±32, to be refined by a further prompt. `[B, M, S/4, S/4]`
        public let lowResMasks: Tensor
    }

    public let model: SAM2
    /// Specks up to these areas, at a quarter of the input's size, are filled or erased; 0 leaves them.
    public var maxHoleArea = 0
    public var maxSprinkleArea = 0

    public init(_ model: SAM2) { self.model = model }

    /// - Parameter pixels: `height` rows of `width` RGB pixels.
    public func encode(_ pixels: [UInt8], width: Int, height: Int) -> EncodedImage {
        let image = ImageTransforms.image(pixels, width: width, height: height, size: model.config.imageSize)
        let features = model.imageEncoder(image)
        return EncodedImage(
            width: width, height: height,
            features: ImageFeatures(
                s0: features.s0, s1: features.s1, embedding: model.withoutMemory(features.embedding)))
    }

    /// Predicts masks for B prompts, which share the encoded picture.
    ///
    /// - Parameters:
    ///   - prompts: for each of B, equally many points in pixels of the picture, a box first; nil for none.
    ///   - mask: logits of an earlier prediction, `[B or 1, 1, S/4, S/4]`.
    ///   - multimask: three masks instead of one.
    public func predict(
        _ image: EncodedImage, prompts: [[PromptPoint]]? = nil, mask: Tensor? = nil, multimask: Bool = true
    ) throws -> Prediction {
        if let prompts, prompts.isEmpty || prompts.contains(where: { $0.count != prompts[0].count }) {
            throw SAM2Error.prompt("prompts of one call must have equally many points")
        }
        let side = model.config.maskSize
        if let mask, mask.rank != 4 || Array(mask.shape.dropFirst()) != [1, side, side] {
            throw SAM2Error.prompt("mask of shape \(mask.shape) is not [B, 1, \(side), \(side)]")
        }
        let scaled = prompts?.map {
            $0.map { $0.scaled(width: image.width, height: image.height, to: model.config.imageSize) }
        }
        // Without points there is no padding point either.
        let sparse =
            scaled.map { model.promptEncoder.sparse($0) }
            ?? model.promptEncoder.sparse(Array(repeating: [], count: mask?.shape[0] ?? 1), padded: false)
        let decoded = model.decode(
            image.features, image: image.features.embedding, sparse: sparse,
            dense: model.promptEncoder.dense(mask))
        let selected = model.maskDecoder.select(decoded, multimask: multimask)
        return Prediction(
            masks: enlarged(selected.masks, image), iou: selected.iou,
            lowResMasks: selected.masks.clamped(to: -32...32))
    }

    private func enlarged(_ masks: Tensor, _ image: EncodedImage) -> Tensor {
        let clean = MaskPostprocessing.removingSprinkles(
            MaskPostprocessing.fillingHoles(masks, maxArea: maxHoleArea, value: 10), maxArea: maxSprinkleArea)
        let (b, m, h, w) = (masks.shape[0], masks.shape[1], masks.shape[2], masks.shape[3])
        return resizeBilinear(clean.reshaped(b * m, h, w, 1), height: image.height, width: image.width)
            .reshaped(b, m, image.height, image.width)
    }
}
