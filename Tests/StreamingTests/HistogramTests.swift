// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Streaming

@Suite("Histograms")
struct HistogramTests {
    @Test("durations are counted in their buckets, and quantiles lie within them")
    func counts() throws {
        let histogram = Histogram()
        for milliseconds in 1...100 { histogram.add(Double(milliseconds) / 1000) }
        histogram.add(1e6)
        let counts = histogram.counts
        #expect(counts.count == 101 && counts.buckets.last == 1)
        let median = try #require(counts.quantile(0.5))
        #expect((0.032...0.064).contains(median))
        #expect(Histogram.Counts().quantile(0.5) == nil)
        let samples = histogram.samples([("stage", "all")])
        #expect(samples.last?.suffix == "_count" && samples.last?.value == 101)
        let buckets = samples.filter { $0.suffix == "_bucket" }.map(\.value)
        #expect(buckets == buckets.sorted() && buckets.last == 101)
    }

    @Test("what happened between two readings is their difference")
    func difference() {
        let histogram = Histogram()
        histogram.add(0.01)
        let before = histogram.counts
        histogram.add(0.5)
        let counts = histogram.counts - before
        #expect(counts.count == 1 && counts.sum == 0.5)
    }
}
