// SPDX-License-Identifier: Apache-2.0
import Media
import Models

/// The sound of a clip, cut into the windows of its frames as the published loader does.
struct ClipAudio {
    /// 16 kHz; of several channels the first.
    let samples: [Float]

    /// - Throws: `DatasetError.shortAudio` below one 25 ms frame; what reading throws.
    init(_ path: String) throws {
        let clip = try AudioFile.read(path)
        let first = clip.channels.first ?? []
        samples = Resampler.resampled(first, from: clip.sampleRate, to: LogMel.sampleRate)
        guard samples.count >= LogMel.frameSamples else {
            throw DatasetError(
                .shortAudio, path, "\(samples.count) samples at 16 kHz, at least 400 are needed")
        }
    }

    /// Windows of 2 s, evenly spaced from the start to the end (Δ = n − 1).
    func windows(_ count: Int) -> [[Float]] {
        AudioPreprocessor.clipRanges(samples: samples.count, count: count, spacing: .toEnd)
            .map { Array(samples[$0]) }
    }
}
