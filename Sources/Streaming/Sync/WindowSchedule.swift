// SPDX-License-Identifier: Apache-2.0
package import Media

/// Which two seconds of sound belong to a frame.
package enum WindowSchedule: Sendable {
    /// The newest ones: [t − 2 s, t], ending at a whole 10 ms, taken anew once `hop` has passed.
    case causal(hop: MediaTime)
    /// The windows of the published evaluation: one for each second, spread evenly over the file, which may end up
    /// to about a second after the frame. `duration` is the sound's.
    case official(duration: MediaTime)

    /// Length of a window, in samples.
    package static let windowSamples = 2 * AudioTimeline.sampleRate
    /// The shortest sound that makes a spectrum: one frame of 25 ms.
    package static let shortestSamples = AudioTimeline.sampleRate / 40
    /// Windows end at multiples of the spectrogram's hop of 10 ms.
    package static let hopSamples = AudioTimeline.sampleRate / 100

    /// Samples of the window of a frame at `time`, which may begin before the first sample.
    package func window(at time: MediaTime) -> Range<Int> {
        switch self {
        case .causal:
            let end = Int((time.seconds * Double(AudioTimeline.sampleRate) + 1e-6).rounded(.down))
            let hops = (Double(end) / Double(Self.hopSamples)).rounded(.down)
            let aligned = Int(hops) * Self.hopSamples
            return aligned - Self.windowSamples..<aligned
        case .official(let duration):
            let start = Int(
                officialStart(at: time, duration: duration.seconds) * Double(AudioTimeline.sampleRate))
            return start..<start + Self.windowSamples
        }
    }

    /// Whether a frame whose newest window is `next` gets it, or keeps `current`.
    package func renews(_ current: Range<Int>, with next: Range<Int>) -> Bool {
        switch self {
        case .official: next != current
        case .causal(let hop):
            Double(next.upperBound - current.upperBound)
                >= max(1, (hop.seconds * Double(AudioTimeline.sampleRate)).rounded())
                || next.upperBound < current.upperBound
        }
    }

    /// Window i of n = whole seconds starts at i·(D − 2)/(n − 1), so that the last one touches the end. (An older
    /// release of the sampling library divided by n; the published evaluation most likely ran with this one.)
    private func officialStart(at time: MediaTime, duration: Double) -> Double {
        let count = max(1, duration.rounded())
        let index = max(0, min(count - 1, time.seconds.rounded(.down)))
        return index * max(0, duration - 2) / max(1, count - 1)
    }
}
