// SPDX-License-Identifier: Apache-2.0
// Source: `sam2/utils/misc.py` (`fill_holes_in_mask_scores`), `SAM2Base._apply_non_overlapping_constraints`,
// `sam2/csrc/connected_components.cu`.
public import TensorEngine

public enum MaskPostprocessing {
    /// Fills background specks: 8-connected parts of `logit ≤ 0` of at most `maxArea` pixels become 0.1.
    /// `[.., H, W]` in, and out.
    public static func fillingHoles(_ masks: Tensor, maxArea: Int, threshold: Float = 0, value: Float = 0.1)
        -> Tensor
    {
        replacingSpecks(masks, maxArea: maxArea, value: value) { $0 <= threshold }
    }

    /// Erases foreground specks: 8-connected parts of `logit > threshold` of at most `maxArea` pixels.
    public static func removingSprinkles(
        _ masks: Tensor, maxArea: Int, threshold: Float = 0, value: Float = -10
    ) -> Tensor {
        replacingSpecks(masks, maxArea: maxArea, value: value) { $0 > threshold }
    }

    private static func replacingSpecks(
        _ masks: Tensor, maxArea: Int, value: Float, _ isMember: (Float) -> Bool
    ) -> Tensor {
        let h = masks.shape[masks.rank - 2], w = masks.shape[masks.rank - 1]
        guard maxArea > 0, h * w > 0 else { return masks }
        var masks = masks
        masks.withMutableValues { values in
            for start in stride(from: 0, to: values.count, by: h * w) {
                let plane = UnsafeMutableBufferPointer(rebasing: values[start..<start + h * w])
                let parts = ConnectedComponents(plane.map(isMember), width: w)
                for i in plane.indices {
                    let label = parts.labels[i]
                    if label > 0, parts.areas[label] <= maxArea { plane[i] = value }
                }
            }
        }
        return masks
    }

    /// Lets each pixel belong to the object with the highest logit; the others' logits become at most −10.
    /// Ties go to the first object. `[N, .., H, W]` in, and out.
    public static func withoutOverlap(_ masks: Tensor) -> Tensor {
        guard masks.rank > 0, masks.shape[0] > 1 else { return masks }
        var masks = masks
        let objects = masks.shape[0], pixels = masks.count / objects
        masks.withMutableValues { values in
            for i in 0..<pixels {
                var best = 0
                for n in 1..<objects where values[n * pixels + i] > values[best * pixels + i] { best = n }
                for n in 0..<objects where n != best {
                    values[n * pixels + i] = min(values[n * pixels + i], -10)
                }
            }
        }
        return masks
    }
}

/// Labels of the 8-connected parts of a binary map: union-find over runs of the rows.
struct ConnectedComponents {
    /// 0 outside, otherwise 1, 2, …
    private(set) var labels: [Int]
    /// Pixels of each label; index 0 is unused.
    private(set) var areas: [Int] = [0]

    /// - Parameter members: rows of `width` pixels.
    init(_ members: [Bool], width: Int) {
        labels = Array(repeating: 0, count: members.count)
        var parent = [0]
        func root(_ label: Int) -> Int {
            var label = label
            while parent[label] != label {
                parent[label] = parent[parent[label]]
                label = parent[label]
            }
            return label
        }
        for i in members.indices where members[i] {
            let x = i % width
            // West, north-west, north, north-east: the neighbours that have a label already.
            var label = x > 0 ? labels[i - 1] : 0
            if i >= width {
                for dx in max(-1, -x)...min(1, width - 1 - x) {
                    let other = labels[i - width + dx]
                    guard other > 0, other != label else { continue }
                    guard label > 0 else {
                        label = other
                        continue
                    }
                    let (a, b) = (root(label), root(other))
                    parent[max(a, b)] = min(a, b)
                    label = min(a, b)
                }
            }
            if label == 0 {
                label = parent.count
                parent.append(label)
            }
            labels[i] = label
        }
        var compact = [Int](repeating: 0, count: parent.count)
        for i in labels.indices where labels[i] > 0 {
            let r = root(labels[i])
            if compact[r] == 0 {
                compact[r] = areas.count
                areas.append(0)
            }
            labels[i] = compact[r]
            areas[compact[r]] += 1
        }
    }
}
