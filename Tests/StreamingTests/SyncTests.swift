// SPDX-License-Identifier: Apache-2.0
import Media
import Streaming
import Testing

/// Sound whose sample n has the value n / 16000, so that every sample tells its own time.
@Suite("Frames and sound")
struct SyncTests {
    @Test("a frame gets the two seconds before it, ending at a whole 10 ms")
    func newestWindow() throws {
        let aligner = aligner(frames: [3.456], blocks: ramp(seconds: 4))
        let window = try #require(try aligner.next()).window
        #expect(window.samples.count == 32_000)
        #expect(window.end == .seconds(3.45))
        #expect(window.samples.first == 1.45)
        #expect(window.samples.last == Float(3.45 - 1 / 16_000.0))
    }

    @Test("in the first two seconds a window begins with the stream")
    func startUp() throws {
        let aligner = aligner(frames: [0, 0.5], blocks: ramp(seconds: 2))
        #expect(try #require(try aligner.next()).window.samples.isEmpty)
        #expect(try #require(try aligner.next()).window.samples.count == 8_000)
    }

    @Test("a window serves all frames until the hop has passed")
    func hop() throws {
        let times = (0..<20).map { 2 + Double($0) * 0.04 }
        let aligner = aligner(frames: times, blocks: ramp(seconds: 4), hop: 0.25)
        var numbers: [Int] = []
        while let frame = try aligner.next() { numbers.append(frame.window.number) }
        #expect(numbers == [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2])
    }

    @Test("every frame gets its own window when the hop is zero")
    func noHop() throws {
        let aligner = aligner(frames: [2, 2.04, 2.08], blocks: ramp(seconds: 4), hop: 0)
        for number in 0..<3 { #expect(try aligner.next()?.window.number == number) }
    }

    @Test("sound is pulled no further than the frame needs")
    func backPressure() throws {
        var pulled = 0
        let blocks = ramp(seconds: 10)
        var frames = [2.0, 2.5].map(Self.frame).makeIterator()
        let aligner = FrameAligner(schedule: .causal(hop: .zero)) {
            frames.next()
        } nextAudio: {
            defer { pulled += 1 }
            return pulled < blocks.count ? blocks[pulled] : nil
        }
        _ = try aligner.next()
        #expect(pulled == 20)
        _ = try aligner.next()
        #expect(pulled == 25)
    }

    @Test("a gap in the sound is silence, and is counted")
    func gap() throws {
        var blocks = ramp(seconds: 4)
        blocks.removeSubrange(25..<28)
        let aligner = aligner(frames: [3], blocks: blocks)
        let samples = try #require(try aligner.next()).window.samples
        #expect(aligner.audioGaps == 1)
        #expect(samples[24_000 - 1] == Float(2.5 - 1 / 16_000.0))
        #expect(samples[24_000..<28_800].allSatisfy { $0 == 0 })
        #expect(samples[28_800] == 2.8)
    }

    @Test("sound that comes twice is dropped, and is counted")
    func overlap() throws {
        var blocks = ramp(seconds: 4)
        blocks.insert(blocks[20], at: 21)
        let aligner = aligner(frames: [3], blocks: blocks)
        let samples = try #require(try aligner.next()).window.samples
        #expect(aligner.audioOverlaps == 1)
        #expect(samples == (16_000..<48_000).map { Float(Double($0) / 16_000) })
    }

    @Test("timestamps that jitter by milliseconds change nothing")
    func jitter() throws {
        var blocks = ramp(seconds: 4)
        for index in blocks.indices { blocks[index].pts += .milliseconds(index % 2 == 0 ? 3 : -3) }
        blocks[0].pts = .zero
        let aligner = aligner(frames: [3], blocks: blocks)
        #expect(try #require(try aligner.next()).window.samples[0] == 1)
        #expect(aligner.audioGaps + aligner.audioOverlaps == 0)
    }

    @Test("after a gap of hours the sound has its place")
    func longGap() throws {
        var blocks = ramp(seconds: 3)
        let late = MediaTime.seconds(7200)
        blocks += ramp(seconds: 3).map {
            AudioBlock(pts: $0.pts + late, sampleRate: 16_000, channels: 1, samples: $0.samples)
        }
        let aligner = aligner(frames: [7202.5], blocks: blocks)
        let samples = try #require(try aligner.next()).window.samples
        #expect(samples.count == 32_000)
        #expect(samples[0] == 0.5)
    }

    @Test("sound that ends before the frames is followed by silence")
    func shortSound() throws {
        let aligner = aligner(frames: [3, 6], blocks: ramp(seconds: 2))
        let samples = try #require(try aligner.next()).window.samples
        #expect(samples.count == 32_000)
        #expect(samples[15_999] != 0)
        #expect(samples[16_000...].allSatisfy { $0 == 0 })
        #expect(try #require(try aligner.next()).window.samples.allSatisfy { $0 == 0 })
    }

    @Test("without sound every frame comes with an empty window")
    func noSound() throws {
        let aligner = aligner(frames: [0, 1, 2], blocks: [])
        for _ in 0..<3 { #expect(try #require(try aligner.next()).window.samples.isEmpty) }
        #expect(try aligner.next() == nil)
    }

    @Test("only the first channel is heard")
    func firstChannel() throws {
        let stereo = ramp(seconds: 3).map { block in
            AudioBlock(
                pts: block.pts, sampleRate: 16_000, channels: 2, samples: block.samples.flatMap { [$0, -1] })
        }
        let aligner = aligner(frames: [2], blocks: stereo)
        #expect(try #require(try aligner.next()).window.samples[1] == Float(1 / 16_000.0))
    }

    @Test("official windows of a 5 s clip start 0.75 s apart, one for each second")
    func official() {
        let schedule = WindowSchedule.official(duration: .seconds(5))
        let starts = (0..<5).map { schedule.window(at: .seconds(Double($0) + 0.9375)).lowerBound }
        #expect(starts == [0, 12_000, 24_000, 36_000, 48_000])
        #expect(schedule.window(at: .seconds(9)).upperBound == 80_000)
    }

    @Test("official windows of a 10 s clip end with the clip")
    func officialLong() {
        let schedule = WindowSchedule.official(duration: .seconds(10))
        #expect(schedule.window(at: .seconds(9.9)) == 128_000..<160_000)
        #expect(schedule.window(at: .seconds(1)).lowerBound == 14_222)
    }

    @Test("all official windows of a clip shorter than a window are the same")
    func officialShort() {
        let schedule = WindowSchedule.official(duration: .seconds(1.5))
        #expect(schedule.window(at: .seconds(1.2)) == 0..<32_000)
    }

    @Test("an official window waits for the sound after the frame")
    func officialWaits() throws {
        var frames = [0.9375].map(Self.frame).makeIterator()
        var blocks = ramp(seconds: 5).makeIterator()
        let aligner = FrameAligner(schedule: .official(duration: .seconds(5))) {
            frames.next()
        } nextAudio: {
            blocks.next()
        }
        let window = try #require(try aligner.next()).window
        #expect(window.samples.count == 32_000)
        #expect(window.samples[0] == 0)
        #expect(aligner.largestSkew == .seconds(1.0625))
    }

    private func aligner(frames: [Double], blocks: [AudioBlock], hop: Double = 0) -> FrameAligner {
        var (frames, blocks) = (frames.map(Self.frame).makeIterator(), blocks.makeIterator())
        return FrameAligner(schedule: .causal(hop: .seconds(hop))) {
            frames.next()
        } nextAudio: {
            blocks.next()
        }
    }

    private static func frame(at seconds: Double) -> VideoFrame {
        VideoFrame(width: 1, height: 1, pts: .seconds(seconds), duration: nil, pixels: [0, 0, 0])
    }

    /// Blocks of 0.1 s.
    private func ramp(seconds: Int) -> [AudioBlock] {
        (0..<seconds * 10).map { (block: Int) -> AudioBlock in
            let samples = (0..<1600).map { Float(Double(block * 1600 + $0) / 16_000) }
            return AudioBlock(
                pts: .milliseconds(Int64(block) * 100), sampleRate: 16_000, channels: 1, samples: samples)
        }
    }
}
