// SPDX-License-Identifier: Apache-2.0

/// What was found on one frame of a clip.
package struct PredictedFrame: Sendable {
    /// One of the things found.
    package struct Object: Sendable {
        /// 0 is the background: a slot that shows nothing.
        package var classIndex: Int
        /// Row-major, as many as the frame has pixels.
        package var mask: [Bool]
        /// Where it was asked for: ImageBind's embeddings of its sound and of its looks.
        package var embeddings: (audio: [Float], image: [Float])?

        package init(classIndex: Int, mask: [Bool], embeddings: (audio: [Float], image: [Float])? = nil) {
            (self.classIndex, self.mask, self.embeddings) = (classIndex, mask, embeddings)
        }
    }

    package var width, height: Int
    /// Logits of "something sounds here", row-major.
    package var logits: [Float]
    /// Class of each pixel; 0 is the background.
    package var labels: [UInt8]
    package var objects: [Object]

    package init(width: Int, height: Int, logits: [Float], labels: [UInt8], objects: [Object]) {
        (self.width, self.height, self.logits) = (width, height, logits)
        (self.labels, self.objects) = (labels, objects)
    }
}

/// A model with all that is done around it, as an evaluation sees it.
package protocol ClipPredictor {
    /// One for each frame of the clip; the truth is not looked at.
    func predict(_ clip: AnnotatedClip) throws -> [PredictedFrame]
}

extension AnnotatedFrame {
    /// The truth at another size, by the nearest pixel; nil where there is none.
    func labels(width: Int, height: Int) -> [UInt8]? {
        truth.map {
            nearestLabels(
                $0, width: image.width, height: image.height, toWidth: width, toHeight: height)
        }
    }
}
