// SPDX-License-Identifier: Apache-2.0
import Models

/// What can be scored on synthetic clips without hearing or without seeing: the marks that a model has to leave
/// behind it to show that it does both. Mean M_J over the frames on which something sounds, 0…1.
package struct SyntheticBaselines: Sendable, Equatable {
    /// Without hearing: all objects, with perfect masks.
    package var everything: Double
    /// Without hearing: the class that covers most of the frame, with a perfect mask.
    package var largest: Double
    /// Without seeing: the whole picture.
    package var wholePicture: Double
    /// Without seeing: the best mask that is the same for all frames, chosen with the truth in hand.
    package var bestConstant: Double
    /// Frames that count, and the share of them that the truth covers.
    package var frames: Int
    package var coverage: Double

    private static let thresholds = stride(from: 0.1, to: 1, by: 0.1)

    /// - Parameter count: clips to look at, from the first; all their masks are held in memory.
    package init(_ clips: SyntheticClips, count: Int) {
        let frames = (0..<min(count, clips.count)).flatMap { Self.frames(clips, $0) }
        self.frames = frames.count
        coverage = Self.mean(frames) { Double($0.truth.count { $0 }) / Double($0.truth.count) }
        everything = Self.mean(frames) { Self.overlap($0.visible.map { $0 != 0 }, $0.truth) }
        largest = Self.mean(frames) { frame in
            let top = Self.largest(in: frame.visible)
            return Self.overlap(frame.visible.map { $0 == top }, frame.truth)
        }
        wholePicture = Self.mean(frames) { Self.overlap($0.truth.map { _ in true }, $0.truth) }
        bestConstant = Self.bestConstant(frames)
    }

    private struct Frame {
        var visible: [UInt8]
        var truth: [Bool]
    }

    private static func frames(_ clips: SyntheticClips, _ index: Int) -> [Frame] {
        zip(clips.visible(index), clips.clip(index).frames).compactMap { visible, frame in
            guard let truth = frame.truth, truth.contains(where: { $0 != 0 }) else { return nil }
            return Frame(visible: visible, truth: truth.map { $0 != 0 })
        }
    }

    private static func largest(in visible: [UInt8]) -> UInt8 {
        var counts = [Int](repeating: 0, count: 256)
        for id in visible where id != 0 { counts[Int(id)] += 1 }
        return UInt8(counts.indices.max { counts[$0] < counts[$1] } ?? 0)
    }

    /// The mean of all truths, cut at the level that scores best.
    private static func bestConstant(_ frames: [Frame]) -> Double {
        guard let first = frames.first else { return 0 }
        var heat = [Double](repeating: 0, count: first.truth.count)
        for frame in frames { for (i, isSet) in frame.truth.enumerated() where isSet { heat[i] += 1 } }
        let peak = heat.max() ?? 0
        return thresholds.map { level in
            let mask = heat.map { $0 >= level * peak }
            return mean(frames) { overlap(mask, $0.truth) }
        }.max() ?? 0
    }

    private static func overlap(_ mask: [Bool], _ truth: [Bool]) -> Double {
        Double(Metrics.overlap(mask.map { $0 ? 1 : -1 }, truth: truth))
    }

    private static func mean(_ frames: [Frame], _ score: (Frame) -> Double) -> Double {
        frames.isEmpty ? 0 : frames.reduce(0) { $0 + score($1) } / Double(frames.count)
    }
}
