// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Streaming

/// Tells how far a run is, on the error output: a bar on a terminal, otherwise a line every few seconds.
final class ProgressDisplay {
    private static let barCells = 24
    private static let barInterval = Duration.milliseconds(100)
    private static let lineInterval = Duration.seconds(5)

    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var shown: ContinuousClock.Instant
    private var frames = 0

    init() {
        start = clock.now
        shown = start
    }

    var elapsed: Duration { clock.now - start }
    var framesPerSecond: Double { Self.rate(frames, elapsed) }

    func show(_ progress: StreamSession.Progress) {
        frames = progress.frames
        guard clock.now - shown >= (isTerminal ? Self.barInterval : Self.lineInterval) else { return }
        shown = clock.now
        let text = Self.text(progress, elapsed: elapsed)
        // A bar is drawn over the one before; what is left of that is erased.
        Self.write(isTerminal ? "\r\(Self.bar(progress))\(text)\u{1b}[K" : "\(text)\n")
    }

    /// Leaves the line of the bar.
    func end() { if isTerminal { Self.write("\r\u{1b}[K") } }

    static func text(_ progress: StreamSession.Progress, elapsed: Duration) -> String {
        let rate = rate(progress.frames, elapsed)
        var parts = ["\(progress.frames)\(progress.expectedFrames.map { " of \($0)" } ?? "") frames"]
        parts.append("\(decimal(rate)) frames/s")
        if let expected = progress.expectedFrames, expected > progress.frames, rate > 0 {
            parts.append("\(clockText(Double(expected - progress.frames) / rate)) left")
        }
        return parts.joined(separator: ", ")
    }

    private static func bar(_ progress: StreamSession.Progress) -> String {
        guard let expected = progress.expectedFrames, expected > 0 else { return "" }
        let full = min(barCells, barCells * progress.frames / expected)
        return "[" + String(repeating: "#", count: full) + String(repeating: "-", count: barCells - full)
            + "] "
    }

    private static func rate(_ frames: Int, _ elapsed: Duration) -> Double {
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        return seconds > 0 ? Double(frames) / seconds : 0
    }

    static func decimal(_ value: Double) -> String {
        let tenths = Int((min(value, 1e9) * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func clockText(_ seconds: Double) -> String {
        let whole = Int(min(seconds, 1e7).rounded(.up))
        let rest = whole % 60
        return "\(whole / 60):\(rest < 10 ? "0" : "")\(rest)"
    }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
