// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Models
import TensorEngine
import Testing

@testable import Streaming

/// What a stream asks of the system once it runs.
@Suite("Steady state")
struct SteadyStateTests {
    @Test("frames, windows of sound and memory take no memory from the system after the first ones")
    func allocations() async {
        // In a process of its own: other tests use the same pool.
        await #expect(processExitsWith: .success) {
            var config = TAViSConfig.mini
            config.sam2.trunk.stages = [1, 1, 1, 1]
            config.sam2.trunk.globalAttentionBlocks = [2]
            let bundle = try ModelBundle.seeded(
                BundleInfo(
                    name: "mini", architecture: config, classes: ["background", "dog", "cat"], licences: [],
                    provenance: []))
            for memory in [nil, MemorySettings()] {
                var economy = EconomyProfile.realtime.economy
                (economy.memoryHop, economy.spreads) = (.milliseconds(80), true)
                let segmenter = TAViSSegmenter(
                    bundle.model, bank: try #require(bundle.labelBank), side: 224, memory: memory)
                let analyzer = FrameAnalyzer(segmenter, alwaysRuns: true, economy: economy)
                let frame = VideoFrame(
                    width: 160, height: 90, pts: .zero, duration: nil,
                    pixels: (0..<160 * 90 * 3).map { UInt8($0 % 251) })
                let samples = (0..<32_000).map { 0.5 * sin(Float($0) * 0.2) }
                // Warm once memory is full, and once the threads have all needed theirs at the same moment.
                var found: [Int] = []
                for stretch in 0..<6 where found.dropFirst().last != 0 {
                    let before = BufferPool.shared.systemAllocations
                    for number in stretch * 50..<stretch * 50 + 50 {
                        var shown = frame
                        shown.pts = .milliseconds(40 * Int64(number))
                        _ = try analyzer.analyze(
                            AlignedFrame(
                                number: number, frame: shown,
                                window: AudioWindow(number: number * 2 / 25, samples: samples, end: shown.pts)
                            ))
                    }
                    found.append(BufferPool.shared.systemAllocations - before)
                }
                #expect(
                    found[0] > 0 && found.last == 0, "\(found) in 50 frames each, memory: \(memory != nil)")
            }
        }
    }

    @Test("quantiles are those of the newest frames")
    func frameTimes() {
        var times = FrameTimes()
        #expect(times.quantile(0.5) == nil)
        for number in 0..<100 { times.add(.milliseconds(Int64(number))) }
        #expect(times.quantile(0.5) == .milliseconds(50) && times.quantile(0.99) == .milliseconds(98))
        for _ in 0..<5000 { times.add(.milliseconds(7)) }
        #expect(times.quantile(0) == .milliseconds(7) && times.quantile(1) == .milliseconds(7))
    }
}
