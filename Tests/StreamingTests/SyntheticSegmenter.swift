// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import Streaming
import TensorEngine

/// Stands in for the model: slot 0 marks the brighter half of a frame, slot 1 the darker one. Class 1 is heard above
/// an amplitude of 0.5, class 2 below; zeros are background.
final class SyntheticSegmenter: FrameSegmenter {
    let classNames = ["background", "loud", "quiet"]
    private(set) var heard = 0
    private(set) var segmented = 0
    static let side = 56
    /// Slots that were looked at, and what is then seen of them.
    private(set) var looked: [[Int]] = []
    var looks: ([Int]) -> [[Float]]? = { _ in nil }
    /// Slots that were asked for with each frame; nil for all.
    private(set) var asked: [[Int]?] = []
    var remembers = false
    /// Probability of the class that is heard.
    var sureness: Float = 0.9
    private(set) var economies: [Economy] = []
    /// Added to every score or logit, to play damaged weights.
    var scoreDefect: Float = 0, logitDefect: Float = 0

    func hear(_ samples: [Float]) -> HeardSound {
        heard += 1
        let peak = samples.map { abs($0) }.max() ?? 0
        let best = peak == 0 ? 0 : peak > 0.5 ? 1 : 2
        var probabilities = [Float](repeating: (1 - sureness) / 2, count: 3)
        probabilities[best] = sureness
        let parts = (0..<5).map { slot in
            var token = [Float](repeating: 0, count: 5)
            token[slot] = 1
            return HeardSound.Part(probabilities: slot < 2 ? probabilities : [0.9, 0.05, 0.05], token: token)
        }
        return HeardSound(parts: parts, scene: probabilities.map { $0 + scoreDefect })
    }

    /// Steps that a window of sound is worked on in.
    var steps = 1

    func hearing(_ samples: [Float]) -> Stepwise<HeardSound> {
        func step(_ left: Int) -> Stepwise<HeardSound> {
            left == 0
                ? .done(hear(samples))
                : .next(left: Float(left)) { [self] in
                    stepsDone += 1
                    return step(left - 1)
                }
        }
        return step(steps)
    }
    private(set) var stepsDone = 0

    func look(at slots: [Int]) -> [[Float]]? {
        looked.append(slots)
        return looks(slots)
    }

    func use(_ economy: Economy) { economies.append(economy) }

    func segment(_ frame: VideoFrame, slots: [Int]? = nil) -> Tensor {
        segmented += 1
        asked.append(slots)
        let side = Self.side
        let all = Tensor(shape: [6, side, side]) { out in
            out.update(repeating: -1 + logitDefect)
            for y in 0..<side {
                for x in 0..<side {
                    let at = (y * frame.height / side) * frame.width + x * frame.width / side
                    let value = Float(frame.pixels[3 * at]) / 128 - 1
                    out[y * side + x] = value
                    out[side * side + y * side + x] = -value
                    out[5 * side * side + y * side + x] = value
                }
            }
        }
        return slots.map(all.gathered) ?? all
    }
}
