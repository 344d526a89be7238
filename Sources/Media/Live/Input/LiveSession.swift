// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// One connection to a live source, from its pipeline's start to its end. For one thread.
struct LiveSession {
    enum Event {
        /// Data has begun to come.
        case first
        case frame(VideoFrame)
        case block(AudioBlock)
        /// A time that cannot be believed was replaced.
        case discontinuity
    }

    private let settings: LiveInput.Settings
    private let pipeline: Pipeline
    private let video: Element?
    private let audio: Element?
    private var videoTimes = LiveTimes()
    private var audioTimes = LiveTimes()

    /// How long a look for new data may take.
    private static let pollNanoseconds: UInt = 20_000_000

    init(_ settings: LiveInput.Settings) throws(MediaError) {
        self.settings = settings
        pipeline = try settings.source.pipeline(settings.tracks, latency: settings.latency)
        video = settings.tracks.contains(.video) ? try Self.sink("video_in", pipeline) : nil
        audio = settings.tracks.contains(.audio) ? try Self.sink("audio_in", pipeline) : nil
        try pipeline.setState(.playing)
    }

    private static func sink(_ name: String, _ pipeline: Pipeline) throws(MediaError) -> Element {
        let element = try pipeline.element(name)
        guard tavis_is_app_sink(element.raw) != 0 else {
            throw MediaError(.badPipeline, name, "expected an appsink, found another element")
        }
        return element
    }

    /// Hands out what comes until the source ends.
    ///
    /// - Throws: what went wrong, also when nothing came for too long.
    mutating func run(isStopped: () -> Bool, _ take: (Event) -> Void) throws(MediaError) {
        var lastData: MediaTime?
        let start = MediaClock.now
        while !isStopped() {
            let hasData = try poll(isFirst: lastData == nil, take)
            let now = MediaClock.now
            if hasData { lastData = now }
            if let error = pipeline.firstError(waiting: .zero) { throw error }
            if isAtEnd { return }
            try checkStall(lastData, start: start, now: now)
        }
    }

    private func checkStall(_ lastData: MediaTime?, start: MediaTime, now: MediaTime) throws(MediaError) {
        if let lastData {
            guard now - lastData > settings.stallTimeout else { return }
            throw MediaError(
                .stalled, settings.source.name, "nothing came for \(settings.stallTimeout.seconds) s")
        }
        guard now - start > settings.connectTimeout else { return }
        throw MediaError(
            .stalled, settings.source.name,
            "nothing has come within \(settings.connectTimeout.seconds) s of connecting")
    }

    /// At the end of its pictures, or of its sound where it has only that.
    private var isAtEnd: Bool {
        (video ?? audio).map { tavis_app_sink_is_eos($0.raw) != 0 } ?? true
    }

    /// Whether there was something.
    private mutating func poll(isFirst: Bool, _ take: (Event) -> Void) throws(MediaError) -> Bool {
        var found = false
        func say(_ event: Event) {
            if isFirst, !found { take(.first) }
            found = true
            take(event)
        }
        if let video, let raw = tavis_app_sink_pull(video.raw, Self.pollNanoseconds) {
            let frame = try frame(Sample(adopting: raw), say)
            say(.frame(frame))
        }
        if let audio {
            var wait = video == nil ? Self.pollNanoseconds : 0
            while let raw = tavis_app_sink_pull(audio.raw, wait) {
                wait = 0
                let block = try block(Sample(adopting: raw), say)
                if block.frameCount > 0 { say(.block(block)) }
            }
        }
        return found
    }

    private mutating func frame(_ sample: Sample, _ say: (Event) -> Void) throws(MediaError) -> VideoFrame {
        var frame = try sample.videoFrame(about: settings.source.name)
        frame.duration = sample.duration
        frame.pts = time(of: sample, &videoTimes, say)
        return frame
    }

    private mutating func block(_ sample: Sample, _ say: (Event) -> Void) throws(MediaError) -> AudioBlock {
        var block = try sample.audioBlock(about: settings.source.name)
        block.pts = time(of: sample, &audioTimes, say)
        return block
    }

    private func time(of sample: Sample, _ times: inout LiveTimes, _ say: (Event) -> Void) -> MediaTime {
        let (time, isBelieved) = times.place(
            sample.runningTime.map { $0 + pipeline.baseTime }, at: MediaClock.now)
        if !isBelieved { say(.discontinuity) }
        return time
    }
}

/// Puts the times of one track onto `MediaClock`.
struct LiveTimes: Sendable {
    /// Times further than this from their arrival are the source's mistake: a clock that jumped.
    static let largestDistance = MediaTime.seconds(2)

    private var last: MediaTime?

    /// - Parameter time: as the pipeline has it; nil where it has none.
    /// - Returns: a time later than the one before, and whether it is the pipeline's.
    mutating func place(_ time: MediaTime?, at now: MediaTime) -> (time: MediaTime, isBelieved: Bool) {
        var placed = time ?? now
        let distance = placed < now ? now - placed : placed - now
        let isBelieved = time != nil && distance <= Self.largestDistance
        if !isBelieved { placed = now }
        if let last, placed <= last { placed = last + MediaTime(nanoseconds: 1_000_000) }
        last = placed
        return (placed, isBelieved)
    }
}
