// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// Text embeddings of the class names, the yardstick for what a slot shows.
public struct LabelBank: Sendable {
    public let names: [String]
    /// ImageBind's text embeddings of "A NAME", scaled, `[K, 1024]`.
    public let embeddings: Tensor

    /// - Parameter embeddings: computed before, `[names.count, D]`.
    public init(names: [String], embeddings: Tensor) {
        precondition(
            embeddings.shape.first == names.count, "LabelBank: \(names.count) names, \(embeddings.shape)")
        self.names = names
        self.embeddings = embeddings
    }
}

extension TAViS {
    /// Audio–text similarity logits, about 2000 · cosine with the published weights.
    ///
    /// - Parameter tokens: object tokens or the scene's, `[R, 768]`.
    /// - Returns: `[R, K]`
    public func audioTextLogits(_ tokens: Tensor, _ bank: LabelBank) -> Tensor {
        matmul(imageBind.audio.head(tokens), bank.embeddings, transposeB: true)
    }

    /// Image–text similarity logits of what each mask shows, about 100 · cosine with the published weights.
    ///
    /// - Parameters:
    ///   - image: the frame, 0 … 1, `[1, S, S, 3]`.
    ///   - logits: masks at the frame's size, `[R, S, S]`.
    /// - Returns: `[R, K]`
    public func imageTextLogits(image: Tensor, logits: Tensor, _ bank: LabelBank) -> Tensor {
        matmul(imageEmbeddings(image: image, logits: logits), bank.embeddings, transposeB: true)
    }

    /// ImageBind's embeddings of what each mask shows. `image [1, S, S, 3]`, `logits [R, S, S]` → `[R, E]`
    public func imageEmbeddings(image: Tensor, logits: Tensor) -> Tensor {
        let shown = resizeBilinear(
            Self.highlighted(image: image, logits: logits), height: config.imageBindSide,
            width: config.imageBindSide)
        let tokens = imageBind.vision.trunk(shown, firstTokenOnly: true)
        return imageBind.vision.head(tokens.reshaped(tokens.shape[0], -1))
    }

    /// The object as it is over a blurred background: R = I·μ + box₇₅(I·(1−μ))·(1−μ), μ the mask's probability.
    ///
    /// `image [1, S, S, 3]`, `logits [R, S, S]` → `[R, S, S, 3]`.
    /// Source: `sam2_train/sam2_video_predictor.py`, `apply_gaussian_blur`, which is a box of 75 pixels.
    public static func highlighted(image: Tensor, logits: Tensor) -> Tensor {
        let mask = logits.sigmoid().reshaped(logits.shape + [1])
        let rest = mask * -1 + 1
        return mask * image + boxBlur(rest * image, size: 75) * rest
    }

    /// Class probabilities from audio–text similarity, with image–text similarity added where given
    /// (the rule for classes never trained on). `[R, K]` each → `[R, K]`, rows sum to 1 unless cosines are added.
    public func classScores(audio: Tensor, image: Tensor? = nil, _ bank: LabelBank) -> Tensor {
        switch config.classScore {
        case .softmax:
            guard let image else { return softmax(audio) }
            return (softmax(audio) + softmax(image)) * 0.5
        case .logits:
            return softmax(image.map { audio + $0 } ?? audio)
        case .cosine:
            let scale = (bank.embeddings[row: 0] * bank.embeddings[row: 0]).sum().squareRoot().scalar
            let audio = audio / (scale * imageBind.audio.logitScale)
            return image.map { audio + $0 / scale } ?? audio
        }
    }

    /// Label map of a frame: of the slots whose class is not background, the one with the largest logit above 0.
    ///
    /// - Parameters:
    ///   - logits: object slots, `[N, H, W]`.
    ///   - classes: class of each.
    ///   - scene: scene slot, `[H, W]`; where given, pixels outside it stay background.
    /// - Returns: class indices, row-major, 0 for background.
    public static func semanticMap(logits: Tensor, classes: [Int], scene: Tensor? = nil) -> [UInt8] {
        let pixels = logits.shape[1] * logits.shape[2]
        var labels = [UInt8](repeating: 0, count: pixels)
        var top = [Float](repeating: 0, count: pixels)
        for (slot, label) in classes.enumerated() where label != 0 {
            logits[row: slot].withValues { values in
                for i in 0..<pixels where values[i] > top[i] {
                    (top[i], labels[i]) = (values[i], UInt8(label))
                }
            }
        }
        scene?.withValues { values in for i in 0..<pixels where values[i] <= 0 { labels[i] = 0 } }
        return labels
    }
}
