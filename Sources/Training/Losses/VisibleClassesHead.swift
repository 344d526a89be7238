// SPDX-License-Identifier: Apache-2.0
package import Models
package import TensorEngine

/// Tells from the image features which class is seen at each place, sounding or not: no part of TAViS, but a teacher of
/// its image encoder in training from scratch. Masks of what sounds say little about all else that is in a picture.
///
/// One linear map from each level of the features, added up at a quarter of the picture's side.
package struct VisibleClassesHead: Sendable {
    /// Weights under it are those of teachers: models are used without them.
    package static let prefix = TAViS.teacherPrefix + "visible_classes"

    private let fine, middle, coarse: Linear

    package init(_ weights: Weights, _ config: TAViSConfig, classes: Int) throws {
        let width = config.sam2.hiddenDim
        fine = try Linear(weights["s0"], width / 8, classes)
        middle = try Linear(weights["s1"], width / 4, classes, bias: false)
        coarse = try Linear(weights["embedding"], width, classes, bias: false)
    }

    /// `[F, S/4, S/4, classes]`
    func callAsFunction(_ features: ImageFeatures) -> Tensor {
        let side = features.s0.shape[1]
        return fine(features.s0)
            + resizeBilinear(middle(features.s1), height: side, width: side)
            + resizeBilinear(coarse(features.embedding), height: side, width: side)
    }

    /// Mean cross-entropy over all places.
    ///
    /// - Parameter visible: class ids of each frame, row-major, S · S.
    func loss(_ features: ImageFeatures, visible: [[UInt8]]) -> Tensor {
        let logits = self(features), side = logits.shape[1], classes = logits.shape[3]
        let labels = visible.flatMap { frame -> [Int] in
            let full = Int(Double(frame.count).squareRoot().rounded())
            return nearestLabels(frame, width: full, height: full, toWidth: side, toHeight: side).map(
                Int.init)
        }
        return weightedCrossEntropy(logits.reshaped(-1, classes), labels: labels, backgroundWeight: 1)
    }
}
