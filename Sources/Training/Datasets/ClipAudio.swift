// SPDX-License-Identifier: Apache-2.0
import Media
package import Models

/// Which two seconds of a clip's sound go with a frame.
package enum FrameWindows: Sendable, Equatable {
    /// The published loader's: spread evenly over the clip by the number of the frame, looking ahead of early ones.
    case official(ClipSpacing)
    /// The newest at the time of the frame, as a stream has them.
    case causal
}

/// The sound of a clip, cut into the windows of its frames.
struct ClipAudio {
    /// 16 kHz; of several channels the first.
    let samples: [Float]

    /// Longer recordings are refused: clips are held in memory.
    private static let longest = MediaTime.seconds(600)

    /// - Throws: `DatasetError.shortAudio` below one 25 ms frame; what reading throws.
    init(_ path: String) throws {
        let clip = try AudioFile.read(path, limit: Self.longest)
        let first = clip.channels.first ?? []
        samples = Resampler.resampled(first, from: clip.sampleRate, to: LogMel.sampleRate)
        guard samples.count >= LogMel.frameSamples else {
            throw DatasetError(
                .shortAudio, path, "\(samples.count) samples at 16 kHz, at least 400 are needed")
        }
    }

    var seconds: Double { Double(samples.count) / Double(LogMel.sampleRate) }

    /// - Parameter times: of all frames of the clip, in seconds.
    /// - Returns: one window for each, of 2 s where the sound is as long.
    func windows(_ rule: FrameWindows, times: [Double]) -> [[Float]] {
        ranges(rule, times).map { Array(samples[$0]) }
    }

    private func ranges(_ rule: FrameWindows, _ times: [Double]) -> [Range<Int>] {
        switch rule {
        case .official(let spacing):
            return AudioPreprocessor.clipRanges(samples: samples.count, count: times.count, spacing: spacing)
        case .causal:
            return times.map { time in
                // The first frames hear at least what a spectrogram needs.
                let end = min(
                    samples.count, max(LogMel.frameSamples, Int(time * Double(LogMel.sampleRate))))
                return max(0, end - AudioPreprocessor.clipSamples)..<end
            }
        }
    }
}
