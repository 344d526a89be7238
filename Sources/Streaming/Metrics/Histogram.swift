// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Counts of durations by size; added to from any thread.
package final class Histogram: Sendable {
    /// Upper bounds in seconds: half a millisecond to about half a minute, each twice the one before.
    package static let bounds: [Double] = (0..<17).map { 0.0005 * Double(1 << $0) }

    package struct Counts: Sendable {
        /// Of each bound, and of what is larger than all.
        package var buckets = [Int](repeating: 0, count: Histogram.bounds.count + 1)
        package var sum = 0.0
        package var count: Int { buckets.reduce(0, +) }

        /// Where a share (0…1) of the durations lies below, by interpolation within its bucket; nil without any.
        package func quantile(_ share: Double) -> Double? {
            guard count > 0 else { return nil }
            let wanted = share * Double(count)
            var below = 0.0
            for (index, bucket) in buckets.enumerated() where bucket > 0 {
                defer { below += Double(bucket) }
                guard below + Double(bucket) >= wanted else { continue }
                let lower = index == 0 ? 0 : Histogram.bounds[index - 1]
                let upper = index < Histogram.bounds.count ? Histogram.bounds[index] : 2 * lower
                return lower + (upper - lower) * (wanted - below) / Double(bucket)
            }
            return nil
        }

        package static func - (a: Counts, b: Counts) -> Counts {
            var result = a
            for index in result.buckets.indices { result.buckets[index] -= b.buckets[index] }
            result.sum -= b.sum
            return result
        }
    }

    private let state = Mutex(Counts())

    package init() {}

    package func add(_ seconds: Double) {
        let index = Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count
        state.withLock {
            $0.buckets[index] += 1
            $0.sum += seconds
        }
    }

    package var counts: Counts { state.withLock { $0 } }

    /// As Prometheus wants it: counts of all durations up to each bound.
    package func samples(_ labels: [(name: String, value: String)]) -> [MetricFamily.Sample] {
        let counts = counts
        var (samples, sum) = ([MetricFamily.Sample](), 0)
        for (bound, bucket) in zip(Self.bounds.map { "\($0)" } + ["+Inf"], counts.buckets) {
            sum += bucket
            samples.append(.init(Double(sum), labels: labels + [("le", bound)], suffix: "_bucket"))
        }
        samples.append(.init(counts.sum, labels: labels, suffix: "_sum"))
        samples.append(.init(Double(sum), labels: labels, suffix: "_count"))
        return samples
    }
}
