// SPDX-License-Identifier: Apache-2.0
import Streaming
import TensorEngine
import Testing

/// Strings made by `pycocotools.mask.encode` 2.0.
@Suite("Run lengths")
struct RunLengthTests {
    @Test("masks are written as pycocotools writes them")
    func golden() {
        #expect(text(width: 7, height: 5) { _, _ in false } == "S1")
        #expect(text(width: 3, height: 4) { _, _ in true } == "0<")
        #expect(text(width: 7, height: 5) { x, y in (2..<5).contains(x) && (1..<4).contains(y) } == ";320009")
        #expect(text(width: 4, height: 3) { x, y in x == 0 && y == 0 } == "01;")
        #expect(text(width: 4, height: 3) { x, y in x == 3 && y == 2 } == ";1")
        #expect(
            text(width: 64, height: 48) { x, y in (x - 30) * (x - 30) + (y - 20) * (y - 20) < 225 }
                == "_h0;S14M2M4M2O0O2N2O0O2O00000000000000000001N101N2N101N3L3N3LSl0")
        #expect(
            text(width: 8, height: 9) { x, y in (x * 7 + y * 13) % 11 < 4 } == "0240O010O010O010O010O010O01")
        let big = text(width: 640, height: 360) { x, y in
            Double((x - 300) * (x - 300)) / 4 + Double((y - 200) * (y - 200)) < 14_400 && (x + y) % 37 > 5
        }
        #expect(big.count == 7113)
        #expect(big.hasPrefix("Vde086OX:5hE1P:1PF3j9OVF5d9M\\F7_9JaF9[9HeF;W9FiF:V9GjF9U9HkF"))
    }

    @Test("the box makes no difference to the runs")
    func boxes() {
        var random = SplitMix(seed: 3)
        for _ in 0..<40 {
            let (width, height) = (Int(random.next() % 9) + 1, Int(random.next() % 9) + 1)
            let labels = (0..<width * height).map { _ in UInt8(random.next() % 2) }
            let whole = RunLength(
                of: 1, in: labels, width: width, height: height,
                box: Box(x: 0, y: 0, width: width, height: height))
            let tight = RunLength(
                of: 1, in: labels, width: width, height: height,
                box: box(labels, width: width, height: height))
            #expect(whole.counts == tight.counts)
            #expect(whole.area == labels.count { $0 == 1 })
        }
    }

    private func text(width: Int, height: Int, _ isSet: (Int, Int) -> Bool) -> String {
        let labels = (0..<width * height).map { isSet($0 % width, $0 / width) ? UInt8(1) : 0 }
        return RunLength(
            of: 1, in: labels, width: width, height: height, box: box(labels, width: width, height: height)
        ).text
    }

    private func box(_ labels: [UInt8], width: Int, height: Int) -> Box {
        let set = labels.indices.filter { labels[$0] == 1 }
        let (xs, ys) = (set.map { $0 % width }, set.map { $0 / width })
        guard let left = xs.min(), let right = xs.max(), let top = ys.min(), let bottom = ys.max() else {
            return Box(x: 0, y: 0, width: 0, height: 0)
        }
        return Box(x: left, y: top, width: right - left + 1, height: bottom - top + 1)
    }
}
