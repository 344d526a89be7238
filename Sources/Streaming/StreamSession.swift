// SPDX-License-Identifier: Apache-2.0
package import Media
import Synchronization

/// One file or address from its first frame to its last, through five stages: see `run`.
///
/// Every frame is segmented, none is dropped: each stage waits for the one after it.
package final class StreamSession {
    package struct Settings: Sendable {
        package enum Windows: String, Sendable, CaseIterable { case causal, official }

        package var start = MediaTime.zero
        package var duration: MediaTime?
        package var windows = Windows.causal
        /// What each frame's masks are made of. Its hop of sound counts with causal windows.
        package var economy = Economy()
        /// Frames per second of work that are to be reached: where they are not, the economy becomes stricter.
        package var frameRate: Double?
        package var drawsOverlay = true
        package var outputs = OutputPaths()

        package init() {}
    }

    /// Where a run stands after a frame.
    package struct Progress: Sendable {
        package var frames: Int
        /// As far as the file tells; not fewer than there were already.
        package var expectedFrames: Int?
        package var time: MediaTime
    }

    package struct Summary: Sendable {
        package var frames = 0
        /// Frames on which something was marked.
        package var markedFrames = 0
        /// Highest object id.
        package var objects = 0
        package var audioGaps = 0
        /// Largest distance between a frame and the end of its window of sound.
        package var largestSkew = MediaTime.zero
        package var wasStopped = false
        /// Time that the model, and all that makes its masks, took for each of the newest frames.
        package var frameTimes = FrameTimes()
        /// Where the economy stood at the end; nil where no frame rate was asked for.
        package var economy: EconomyStatus?

        package init() {}
    }

    package let info: MediaInfo
    /// What is done with the input's sound in the output video.
    package var audio: AudioHandling? { outputs.audio }

    private let settings: Settings
    private let reader: MediaReader
    private let aligner: FrameAligner
    private let outputs: StreamOutputs
    private let stop: StopFlag

    /// Opens input and outputs.
    package init(_ input: String, _ settings: Settings, stop: StopFlag = StopFlag()) throws {
        let reader = try MediaReader(
            input, options: .init(start: settings.start, duration: settings.duration))
        let schedule: WindowSchedule =
            switch settings.windows {
            case .causal: .causal(hop: settings.economy.audioHop)
            case .official: .official(duration: reader.expectedDuration ?? .zero)
            }
        aligner = FrameAligner(
            schedule: schedule, nextFrame: reader.nextVideoFrame, nextAudio: reader.nextAudioBlock)
        outputs = try StreamOutputs(settings.outputs, of: reader)
        (self.settings, self.reader, self.stop, info) = (settings, reader, stop, reader.info)
        stop.onRequest { reader.cancel() }
    }

    /// - Parameters:
    ///   - report: called after each frame with what was found on it.
    ///   - noteEconomy: called when the economy changes, with the time of the frame after which it does.
    /// - Throws: what went wrong with the input, the model or an output. Then no output has its final name.
    package func run(
        _ segmenter: any FrameSegmenter, report: (Progress, FrameAnalysis) -> Void = { _, _ in },
        noteEconomy: (EconomyStatus, MediaTime) -> Void = { _, _ in }
    ) throws -> Summary {
        let analyzer = FrameAnalyzer(
            segmenter, tracker: ObjectTracker(settings.windows == .official ? .independentWindows : .init()),
            alwaysRuns: settings.outputs.logits != nil, economy: settings.economy)
        var summary = Summary()
        var pace = settings.frameRate.map { FramePace(frameRate: $0, settings.economy) }
        try outputs.begin()
        while let aligned = try nextFrame() {  // MediaIn, Sync
            let start = MediaClock.now
            let analysis = try analyzer.analyze(aligned)  // Segment
            summary.frameTimes.add(MediaClock.now - start)
            let shown = overlaid(aligned.frame, analysis)  // Overlay
            try outputs.write(shown, analysis)  // MediaOut
            summary.count(analysis)
            report(
                Progress(
                    frames: summary.frames, expectedFrames: expectedFrames.map { max($0, summary.frames) },
                    time: aligned.frame.pts),
                analysis)
            if let status = pace?.frameDone() {
                use(status.economy, analyzer)
                noteEconomy(status, aligned.frame.pts)
            }
        }
        summary.economy = pace?.status
        summary.wasStopped = stop.isRequested
        (summary.audioGaps, summary.largestSkew) = (aligner.audioGaps, aligner.largestSkew)
        guard summary.frames > 0 || !summary.wasStopped else { return summary }
        try outputs.finish(isEarly: summary.wasStopped)
        return summary
    }

    private func use(_ economy: Economy, _ analyzer: FrameAnalyzer) {
        analyzer.use(economy)
        if settings.windows == .causal { aligner.schedule = .causal(hop: economy.audioHop) }
    }

    private func overlaid(_ frame: VideoFrame, _ analysis: FrameAnalysis) -> VideoFrame {
        settings.drawsOverlay ? frame.overlaid(with: analysis) : frame
    }

    /// Nil after the last frame, and once a stop is requested.
    private func nextFrame() throws -> AlignedFrame? {
        guard !stop.isRequested else { return nil }
        do {
            return try aligner.next()
        } catch let error as MediaError where error.code == .cancelled {
            return nil
        }
    }

    private var expectedFrames: Int? {
        guard let rate = info.video?.frameRate, let duration = reader.expectedDuration else { return nil }
        return Int(exactly: (duration.seconds * rate.value).rounded())
    }
}

extension StreamSession.Summary {
    fileprivate mutating func count(_ analysis: FrameAnalysis) {
        frames += 1
        if !analysis.objects.isEmpty { markedFrames += 1 }
        objects = max(objects, analysis.objects.map(\.id).max() ?? 0)
    }
}

/// Asks a run to stop, from any thread.
package final class StopFlag: Sendable {
    private struct State {
        var isRequested = false
        var action: (@Sendable () -> Void)?
    }
    private let state = Mutex(State())

    package init() {}

    package var isRequested: Bool { state.withLock { $0.isRequested } }

    /// What was written so far is closed and kept.
    package func request() {
        let action = state.withLock { state in
            state.isRequested = true
            return state.action
        }
        action?()
    }

    func onRequest(_ action: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.action = action
            return state.isRequested
        }
        if isLate { action() }
    }
}
