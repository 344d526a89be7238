// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// Which object each pixel of a frame belongs to.
struct LabelMap {
    /// For each pixel 0, or 1 + index among the objects that have a pixel.
    private(set) var labels: [UInt8]
    /// Where each object is; nil where every pixel of it belongs to another one.
    private(set) var extents: [(box: Box, area: Int)?]

    /// Logits, not masks, are brought to the frame's size, each direction by its own factor: the model saw the
    /// picture stretched to a square. A pixel is that of the largest logit above 0.
    ///
    /// - Parameter logits: of the objects only, `[objects, h, w]`.
    init(logits: Tensor, width: Int, height: Int) {
        let count = logits.shape[0]
        let sized = resizeBilinear(
            logits.permuted(1, 2, 0).reshaped(1, logits.shape[1], logits.shape[2], count), height: height,
            width: width)
        var labels = [UInt8](repeating: 0, count: width * height)
        var bounds = [Bounds](repeating: Bounds(), count: count)
        sized.withValues { values in
            labels.withUnsafeMutableBufferPointer { labels in
                for y in 0..<height {
                    for x in 0..<width {
                        let pixel = y * width + x
                        var (best, top) = (-1, Float(0))
                        for object in 0..<count where values[pixel * count + object] > top {
                            (best, top) = (object, values[pixel * count + object])
                        }
                        guard best >= 0 else { continue }
                        labels[pixel] = UInt8(best + 1)
                        bounds[best].include(x, y)
                    }
                }
            }
        }
        self.labels = labels
        extents = bounds.map(\.extent)
        closeGaps()
    }

    /// Renumbers the labels where objects without a pixel are left out.
    private mutating func closeGaps() {
        guard extents.contains(where: { $0 == nil }) else { return }
        var numbers: [UInt8] = [0], next: UInt8 = 1
        for extent in extents {
            numbers.append(extent == nil ? 0 : next)
            if extent != nil { next += 1 }
        }
        for index in labels.indices { labels[index] = numbers[Int(labels[index])] }
    }

    private struct Bounds {
        var left = Int.max, right = Int.min, top = Int.max, bottom = Int.min, area = 0

        mutating func include(_ x: Int, _ y: Int) {
            (left, right, top, bottom) = (min(left, x), max(right, x), min(top, y), max(bottom, y))
            area += 1
        }

        var extent: (box: Box, area: Int)? {
            guard area > 0 else { return nil }
            return (Box(x: left, y: top, width: right - left + 1, height: bottom - top + 1), area)
        }
    }
}
