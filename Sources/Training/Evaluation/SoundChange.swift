// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// What is done to the sound of clips before a model hears it, to see whether it listens.
package enum SoundChange: String, Sendable, CaseIterable, Codable {
    case asRecorded = "as-recorded"
    /// No sound at all: nothing is to be marked.
    case mute
    /// White noise in its place, −30 dB: nothing is to be marked.
    case noise
    /// No sound, but the truth stays that of the real one: what a model scores that cannot hear.
    case off
    /// That of another clip, or in synthetic scenes of another object of the same scene.
    case swap

    /// Largest sample of noise whose effective level is −30 dB relative to full scale.
    private static let noiseRange: Float = 0.0548

    /// - Parameters:
    ///   - number: of the clip; noise differs from clip to clip, and is the same in each run.
    ///   - other: whose sound a swapped clip gets.
    func applied(to clip: AnnotatedClip, number: Int, other: AnnotatedClip?) -> AnnotatedClip {
        var clip = clip
        switch self {
        case .asRecorded: break
        case .mute:
            clip.replaceSound { [Float](repeating: 0, count: $0.count) }
        case .off: clip = clip.withoutSound
        case .noise:
            var random = SplitMix(seed: UInt64(number))
            clip.replaceSound { $0.map { _ in Self.noiseRange * (2 * random.unit() - 1) } }
        case .swap:
            guard let other, !other.frames.isEmpty else { break }
            for index in clip.frames.indices {
                clip.frames[index].sound = other.frames[min(index, other.frames.count - 1)].sound
            }
        }
        return clip
    }
}

extension AnnotatedClip {
    /// The same pictures and truth, with nothing to hear.
    var withoutSound: AnnotatedClip {
        var clip = self
        for index in frames.indices {
            clip.frames[index].sound = [Float](repeating: 0, count: frames[index].sound.count)
        }
        return clip
    }

    /// Puts something in the place of all sound that no object makes: the truth becomes empty.
    fileprivate mutating func replaceSound(_ change: ([Float]) -> [Float]) {
        for index in frames.indices {
            frames[index].sound = change(frames[index].sound)
            if let truth = frames[index].truth {
                frames[index].truth = [UInt8](repeating: 0, count: truth.count)
            }
        }
    }
}

/// Whether masks follow the sound from one object of a scene to another.
package struct FollowScores: Sendable {
    private var shares = Mean(), totals = Mean()
    /// Clips judged, and those of them on which neither object was marked.
    package private(set) var clips = 0, unmarked = 0

    package init() {}

    package var metrics: [String: Double] {
        [
            "follows": 100 * shares.value, "on_sounding": 100 * totals.value,
            "unmarked_clips": clips > 0 ? 100 * Double(unmarked) / Double(clips) : 0,
        ]
    }

    /// - Parameters:
    ///   - prediction: for the clip in which `sounding` is what sounds.
    ///   - silent: the same pictures with the truth of the other object.
    package mutating func add(_ prediction: [PredictedFrame], sounding: AnnotatedClip, silent: AnnotatedClip)
    {
        var (right, wrong, all) = (0, 0, 0)
        for (frame, found) in prediction.enumerated() {
            guard let new = sounding.frames[frame].labels(width: found.width, height: found.height),
                let old = silent.frames[frame].labels(width: found.width, height: found.height)
            else { continue }
            for i in found.logits.indices where found.logits[i] > 0 {
                all += 1
                if new[i] != 0 { right += 1 } else if old[i] != 0 { wrong += 1 }
            }
        }
        clips += 1
        guard right + wrong > 0 else {
            unmarked += 1
            return
        }
        shares.add(Double(right) / Double(right + wrong))
        totals.add(Double(right) / Double(all))
    }
}
