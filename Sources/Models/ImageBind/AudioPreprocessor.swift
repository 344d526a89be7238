// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// Where the windows of a recording lie.
///
/// Two versions of the reference's sampling library, both called 0.1.5, differ here.
public enum ClipSpacing: String, Codable, Sendable {
    /// The last window ends with the recording: starts at i · (D − 2) / (n − 1). Development versions since 2022.
    case toEnd
    /// Starts at i · (D − 2) / n, so that the end is never reached. The version on PyPI.
    case beforeEnd
}

/// A recording that cannot be cut into windows.
public enum AudioError: Error, CustomStringConvertible, Sendable {
    case tooShort(samples: Int)
    case noChannels
    case unequalChannels([Int])

    public var description: String {
        switch self {
        case .tooShort(let samples):
            "audio: expected at least \(LogMel.frameSamples) samples at 16 kHz, found \(samples)"
        case .noChannels: "audio: expected at least one channel, found none"
        case .unequalChannels(let counts): "audio: expected channels of one length, found \(counts)"
        }
    }
}

/// Recordings to inputs of ImageBind's audio tower: windows of 2 s as log-mel spectrograms.
/// Source: `imagebind/data.py`, `load_and_transform_audio_data`.
public struct AudioPreprocessor: Sendable {
    public static let clipSamples = 2 * LogMel.sampleRate

    private let logMel: LogMel

    public init(logMel: LogMel = LogMel()) { self.logMel = logMel }

    /// Sample ranges of `count` windows; recordings of up to 2 s give themselves each time.
    public static func clipRanges(samples: Int, count: Int, spacing: ClipSpacing) -> [Range<Int>] {
        guard samples > clipSamples else { return Array(repeating: 0..<samples, count: count) }
        let steps = spacing == .toEnd ? max(count - 1, 1) : count
        return (0..<count).map { i in
            let start = (samples - clipSamples) * i / steps
            return start..<start + clipSamples
        }
    }

    /// All windows of a recording.
    ///
    /// - Parameters:
    ///   - channels: 16 kHz, −1…1, of one length. Only the first is heard; the others count in the means.
    ///   - coupledMeans: as the reference does, subtract each window's mean in place, so that a later window sees the
    ///     part it shares already shifted. It matters in the few frames that lie across the end of an earlier window;
    ///     elsewhere each frame loses its own mean anyway.
    /// - Returns: `[count, 128, 204]`, normalised.
    public func clips(
        of channels: [[Float]], count: Int = 3, spacing: ClipSpacing = .beforeEnd, coupledMeans: Bool = true
    ) throws -> Tensor {
        guard let first = channels.first else { throw AudioError.noChannels }
        guard channels.allSatisfy({ $0.count == first.count }) else {
            throw AudioError.unequalChannels(channels.map(\.count))
        }
        guard first.count >= LogMel.frameSamples else { throw AudioError.tooShort(samples: first.count) }
        var channels = channels
        let ranges = Self.clipRanges(samples: first.count, count: count, spacing: spacing)
        return concat(
            ranges.map { range in
                if coupledMeans { Self.subtractMean(of: range, from: &channels) }
                return logMel(channels[0][range]).reshaped(1, LogMel.bins, LogMel.frames)
            })
    }

    private static func subtractMean(of range: Range<Int>, from channels: inout [[Float]]) {
        let sum = channels.map { $0[range].reduce(0.0) { $0 + Double($1) } }.reduce(0, +)
        let mean = Float(sum / Double(range.count * channels.count))
        for channel in channels.indices {
            for i in range { channels[channel][i] -= mean }
        }
    }
}
