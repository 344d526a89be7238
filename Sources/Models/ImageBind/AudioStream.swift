// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// What the audio tower hears at one moment of a stream.
public struct AudioWindow: Sendable {
    /// Normalised, right-padded. `[128, 204]`
    public let mel: Tensor
    /// First sample after the window; a multiple of the 10 ms hop.
    public let endSample: Int
    /// Frames that are not padding.
    public let frames: Int
    /// Whether 2 s had been heard by then.
    public var isComplete: Bool { frames == AudioStream.windowFrames }
}

/// The newest seconds of 16 kHz audio as log-mel frames, each computed once.
///
/// A window is causal: it ends at the newest complete 10 ms hop and spans 2 s. Before 2 s have been heard it spans
/// what there is and is padded at the right, as the reference pads short recordings.
public struct AudioStream: Sendable {
    static let windowFrames = LogMel.frameCount(samples: AudioPreprocessor.clipSamples)

    private let logMel: LogMel
    private let keptFrames: Int
    /// Samples from which the next frame starts.
    private var pending: [Float] = []
    /// Frames, one after the other; `frames[0]` belongs to frame `firstFrame`.
    private var frames: [Float] = []
    private var firstFrame = 0
    /// Samples taken so far.
    public private(set) var samples = 0

    /// Frames in memory.
    var keptFrameCount: Int { frames.count / LogMel.bins }

    /// - Parameter keptSeconds: how far back a window may end; at least 0.
    public init(logMel: LogMel = LogMel(), keptSeconds: Double = 4) {
        self.logMel = logMel
        keptFrames =
            Self.windowFrames
            + Int(max(0, keptSeconds) * Double(LogMel.sampleRate) / Double(LogMel.hopSamples))
    }

    /// Takes the next samples of the only channel heard, 16 kHz, −1…1.
    public mutating func append(_ new: some Collection<Float>) {
        samples += new.count
        pending += new
        let count = LogMel.frameCount(samples: pending.count)
        guard count > 0 else { return }
        frames += logMel.raw(pending[..<((count - 1) * LogMel.hopSamples + LogMel.frameSamples)])
        pending.removeFirst(count * LogMel.hopSamples)
        let surplus = frames.count / LogMel.bins - keptFrames
        // Dropping in large pieces keeps the cost per frame constant.
        if surplus > keptFrames {
            frames.removeFirst(surplus * LogMel.bins)
            firstFrame += surplus
        }
    }

    /// The window that ends at the newest complete hop up to `sample`, counted from the start of the stream.
    ///
    /// A moment that is still to come gives the newest window, one that is no longer kept the oldest.
    public func audioWindow(endingAt sample: Int) -> AudioWindow {
        let oldest = firstFrame > 0 ? firstFrame * LogMel.hopSamples + AudioPreprocessor.clipSamples : 0
        let end = max(min(sample, samples), oldest) / LogMel.hopSamples * LogMel.hopSamples
        let start = max(0, end - AudioPreprocessor.clipSamples)
        let count = LogMel.frameCount(samples: end - start)
        let first = (start / LogMel.hopSamples - firstFrame) * LogMel.bins
        return AudioWindow(
            mel: LogMel.normalized(frames[first..<first + count * LogMel.bins]), endSample: end, frames: count
        )
    }
}
