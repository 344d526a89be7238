// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TensorEngine

/// One stage's times and what it used.
struct StageResult: Encodable {
    let name: String
    /// The median; of streams the median of the runs' means, as frames with new sound take longer than those between.
    let seconds: Double
    let bestSeconds: Double
    /// Median, and 99th percentile by nearest rank, of single frames; of whole frames and streams.
    var p50Seconds, p99Seconds: Double?
    let runs: Int
    /// Multiply-accumulates in 10⁹ of the published model, without savings; 0 where they are not counted.
    let gmac: Double
    /// Those that matrix products really did, in one run.
    let doneGmac, doneInt8Gmac: Double
    /// Of the products that were done, over the whole time.
    let gflopPerSecond: Double
    /// Time that the products would take at the machine's peak, by the time that was taken.
    let shareOfPeak: Double
    /// Operands and results of products, in one run; much of it comes from caches.
    let bytes: Double
    /// In one run: buffers that the system had to supply, and pages of any memory.
    let allocations, faults: Double
    let peakBytes: Double
    /// Of the whole frame, for its parts.
    var shareOfFrame: Double?
    /// From the file given to `--compare`: the peer's median, and how many times as fast we are.
    var peerSeconds, timesAsFast: Double?
}

/// How often a stage runs.
enum StageKind {
    /// Runs one after the other.
    case single
    /// The same, more of them, so that the slowest say something.
    case frame
    /// Spans of frames that each take what has passed since the last one into account.
    case stream
}

/// Runs stages and collects their times.
struct Bench {
    let machine = Machine.measured()
    let peer: PeerReport?
    private let runs: Int
    private let wanted: Set<String>?
    private(set) var results: [StageResult] = []

    static let framesPerRun = 4
    static let spanSeconds = 2.0

    init(runs: Int, wanted: Set<String>?, peer: PeerReport?) {
        self.runs = runs
        self.wanted = wanted
        self.peer = peer
    }

    func wants(_ name: String) -> Bool { wanted?.contains(name) ?? true }

    /// One untimed run goes before the timed ones.
    ///
    /// - Parameters:
    ///   - whole: name of the stage, timed before, that this one is a part of.
    ///   - peerName: what the peer calls what this is compared with.
    mutating func time(
        _ name: String, kind: StageKind = .single, gmac: Double, partOf whole: String? = nil,
        peerName: String? = nil, _ body: () -> Void
    ) {
        PeakMemory.reset()
        body()
        let before = Usage.now
        let (means, singles) = times(kind, body)
        let after = Usage.now
        let count = Double(singles.count), seconds = means.quantile(0.5)
        let floats = Double(after.work.float_macs - before.work.float_macs) / count / 1e9
        let bytes8 = Double(after.work.int8_macs - before.work.int8_macs) / count / 1e9
        var ideal = 2 * floats / machine.peakFloat32
        if machine.peakInt8 > 0 { ideal += 2 * bytes8 / machine.peakInt8 }
        var result = StageResult(
            name: name, seconds: seconds, bestSeconds: means.min() ?? 0, runs: singles.count, gmac: gmac,
            doneGmac: floats, doneInt8Gmac: bytes8, gflopPerSecond: 2 * (floats + bytes8) / seconds,
            shareOfPeak: ideal / seconds, bytes: Double(after.work.bytes - before.work.bytes) / count,
            allocations: Double(after.allocations - before.allocations) / count,
            faults: Double(after.faults - before.faults) / count, peakBytes: PeakMemory.bytes)
        if kind != .single {
            (result.p50Seconds, result.p99Seconds) = (singles.quantile(0.5), singles.quantile(0.99))
        }
        result.shareOfFrame = results.first { $0.name == whole }.map { seconds / $0.seconds }
        if let theirs = peer?.seconds(peerName ?? name) {
            (result.peerSeconds, result.timesAsFast) = (theirs, theirs / seconds)
        }
        results.append(result)
        print(BenchTable.row(result))
    }

    /// - Returns: what medians are taken of, and each single time.
    private func times(_ kind: StageKind, _ body: () -> Void) -> (means: [Double], singles: [Double]) {
        switch kind {
        case .single, .frame:
            let singles = (0..<(kind == .frame ? Self.framesPerRun : 1) * runs).map { _ in
                Stopwatch.seconds(body)
            }
            return (singles, singles)
        case .stream:
            let spans = (0..<runs).map { _ in
                var span: [Double] = [], total = 0.0
                while total < Self.spanSeconds {
                    span.append(Stopwatch.seconds(body))
                    total += span[span.count - 1]
                }
                return span
            }
            return (spans.map { $0.reduce(0, +) / Double($0.count) }, spans.flatMap(\.self))
        }
    }

    func json(precision: Precision) throws -> Data {
        struct Report: Encodable {
            let program = "tavisbench"
            let date: String
            let machine: Machine
            let precision: String
            let runs: Int
            let comparedWith: String?
            let stages: [StageResult]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(
            Report(
                date: Date.now.ISO8601Format(), machine: machine, precision: precision.rawValue, runs: runs,
                comparedWith: peer?.program, stages: results))
    }
}

extension [Double] {
    /// By nearest rank; the mean of the two in the middle for the median of an even number. 0 of nothing.
    fileprivate func quantile(_ share: Double) -> Double {
        guard !isEmpty else { return 0 }
        let ordered = sorted(), middle = count / 2
        if share == 0.5 {
            return count % 2 == 1 ? ordered[middle] : (ordered[middle - 1] + ordered[middle]) / 2
        }
        return ordered[Swift.min(count, Int((share * Double(count)).rounded(.up))) - 1]
    }
}
