// SPDX-License-Identifier: Apache-2.0

/// Position and size of an object within a frame, in pixels.
package struct Box: Sendable, Equatable {
    package var x, y, width, height: Int

    package init(x: Int, y: Int, width: Int, height: Int) {
        (self.x, self.y, self.width, self.height) = (x, y, width, height)
    }
}

/// The pixels of one object in COCO's run-length form.
package struct RunLength: Sendable, Equatable {
    /// Runs down the columns, left to right, alternating unset and set; the first may be 0.
    package private(set) var counts: [Int] = []
    package let box: Box

    /// - Parameters:
    ///   - labels: one byte for each pixel, row-major.
    ///   - box: where `label` occurs; nothing outside is looked at.
    package init(of label: UInt8, in labels: [UInt8], width: Int, height: Int, box: Box) {
        self.box = box
        var run = box.x * height, isSet = false
        labels.withUnsafeBufferPointer { labels in
            for x in box.x..<box.x + box.width {
                if isSet, box.height < height {
                    counts.append(run)
                    (run, isSet) = (0, false)
                }
                run += box.y
                for y in box.y..<box.y + box.height {
                    if (labels[y * width + x] == label) != isSet {
                        counts.append(run)
                        (run, isSet) = (0, !isSet)
                    }
                    run += 1
                }
                let below = height - box.y - box.height
                if isSet, below > 0 {
                    counts.append(run)
                    (run, isSet) = (0, false)
                }
                run += below
            }
        }
        let right = (width - box.x - box.width) * height
        if isSet, right > 0 {
            counts.append(run)
            run = 0
        }
        run += right
        if run > 0 || counts.isEmpty { counts.append(run) }
    }

    package var area: Int { counts.indices.reduce(0) { $1 % 2 == 1 ? $0 + counts[$1] : $0 } }

    /// The text form that pycocotools reads: each count, from the fourth on as the difference to the last but one,
    /// in groups of five bits, lowest first, the sixth bit telling that more follow; 48 is added to each group.
    package var text: String {
        var out: [UInt8] = []
        for (index, count) in counts.enumerated() {
            var value = index > 2 ? count - counts[index - 2] : count
            var more = true
            while more {
                var group = value & 0x1f
                value >>= 5
                // The sign bit of the last group must say the sign of the value.
                more = group & 0x10 != 0 ? value != -1 : value != 0
                if more { group |= 0x20 }
                out.append(UInt8(group + 48))
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
