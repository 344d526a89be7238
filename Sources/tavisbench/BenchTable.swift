// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What is printed: one line for each stage.
enum BenchTable {
    private static var columns: [(title: String, width: Int, text: (StageResult) -> String)] {
        [
            ("stage", 27, \.name),
            ("ms", -10, { String(format: "%.2f", $0.seconds * 1000) }),
            ("best", -10, { String(format: "%.2f", $0.bestSeconds * 1000) }),
            ("p99/p50", -8, { ratio($0.p99Seconds, $0.p50Seconds) }),
            ("GFLOP/s", -8, { String(format: "%.0f", $0.gflopPerSecond) }),
            ("of peak", -8, { String(format: "%.0f %%", $0.shareOfPeak * 100) }),
            ("of frame", -9, { $0.shareOfFrame.map { String(format: "%.1f %%", $0 * 100) } ?? "" }),
            ("MB", -8, { String(format: "%.1f", $0.bytes / 1e6) }),
            ("alloc", -6, { String(format: "%.0f", $0.allocations) }),
            ("faults", -8, { String(format: "%.0f", $0.faults) }),
            ("peak MB", -8, { String(format: "%.0f", $0.peakBytes / 1e6) }),
            ("× peer", -7, { ratio($0.peerSeconds, $0.seconds) }),
        ]
    }

    static var heading: String { columns.map { pad($0.title, $0.width) }.joined() }

    static func row(_ result: StageResult) -> String {
        columns.map { pad($0.text(result), $0.width) }.joined()
    }

    /// How many times as fast as the peer each stage is that both have.
    static func comparison(_ results: [StageResult], peer: PeerReport) -> String {
        let shared = results.compactMap { result in
            result.peerSeconds.map { theirs in
                pad(result.name, 27) + pad(String(format: "%.2f", result.seconds * 1000), -10)
                    + pad(String(format: "%.2f", theirs * 1000), -10)
                    + pad(ratio(theirs, result.seconds), -8)
            }
        }
        guard !shared.isEmpty else { return "no stage of \(peer.program) has the name of one of these" }
        let heading = pad("stage", 27) + pad("ms", -10) + pad("peer ms", -10) + pad("× peer", -8)
        return ([heading] + shared).joined(separator: "\n")
    }

    private static func ratio(_ a: Double?, _ b: Double?) -> String {
        guard let a, let b else { return "" }
        return String(format: "%.2f", a / b)
    }

    /// Left-aligned to a width, or right-aligned to a negative one.
    private static func pad(_ text: String, _ width: Int) -> String {
        let spaces = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? spaces + text : text + spaces
    }
}
