// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media
import Synchronization

/// One live stream between its sources and its outputs.
///
/// Frames take two ways at once. All go, in order, through the *composer*, a thread of the stream's own, which draws
/// the newest masks onto them and hands them to the outputs. The newest few also lie ready for the `SegmentWorker`,
/// which all streams share and which leaves its masks here. So the output keeps the source's rate however slow the
/// model is. Nothing waits for a reader: what there is no time for is dropped and counted by reason.
package final class LiveStream: Sendable {
    package struct Settings: Sendable, Equatable {
        package var name: String
        package var hasAudio = true
        /// What each frame's masks are made of while there is time for it.
        package var economy = Economy()
        /// Added to the sound's times: positive where it comes too early.
        package var audioOffset = MediaTime.zero
        /// How long after its arrival a frame waits for masks of its own before it goes out with the newest ones.
        package var maskWait = MediaTime.milliseconds(100)
        /// Older masks than this are not drawn.
        package var oldestMask = MediaTime.seconds(1)
        /// A frame that could only go out later than this after its arrival is dropped.
        package var latencyCeiling = MediaTime.milliseconds(500)
        package var ladder = EconomyLadder.Settings()
        package var ledger = ObjectLedger.Settings()
        package var tracker = TrackerSettings()
        /// Clips for training; nil for none.
        package var recording: ClipRecorder.Settings?

        package init(name: String) { self.name = name }
    }

    /// What the stream has to say as it goes on. Called from its threads; must not wait.
    package typealias Report = @Sendable (LiveEvent.Kind, LiveObject?, _ detail: String?) -> Void

    package let settings: Settings
    let report: Report
    let composerQueue = BoundedQueue<Arrival>(limit: LiveStream.queuedFrames)
    let found = FoundBox()
    /// Frames to be segmented, the oldest first.
    private let waiting = Mutex<[Arrival]>([])
    let sound = LiveSound()
    let recorder: ClipRecorder?
    let numbers = Mutex(LiveNumbers())
    let inputs: Mutex<[LiveTrack: InputStatus]>
    let outputs: Mutex<[StreamOutput]>
    private let shown = Mutex<Shown?>(nil)
    private let phase = Mutex(Phase.running)
    private let wake = Mutex(Wake())
    package let stages = LiveStages()

    private enum Phase: Sendable { case running, paused, stopped }

    /// A structure, since Swift wraps a bare function in a generic type anew with each access: memory and the depth of
    /// its calls would grow with every frame.
    private struct Wake: Sendable { var action: (@Sendable () -> Void)? }

    /// A frame and when it came.
    struct Arrival: Sendable {
        var frame: VideoFrame
        var time: MediaTime
    }

    /// What is on a picture that went out.
    private struct Shown: Sendable {
        var frame: VideoFrame
        var analysis: FrameAnalysis?
        /// What the viewer should know of it.
        var note: String?

        func picture(_ kind: StreamOutput.Picture) -> VideoFrame {
            switch kind {
            case .overlay: frame.overlaid(with: analysis, note: note)
            case .clean: frame
            case .masks: frame.masks(of: analysis)
            }
        }
    }

    struct InputStatus: Sendable {
        var track = StreamStatus.Track()
        var hasBeenUp = false
    }

    private static let queuedFrames = 4
    private static let waitingFrames = 3
    /// Younger masks pass for the frame's own.
    private static let tellingAge = MediaTime.milliseconds(150)

    package init(
        _ settings: Settings, outputs: [StreamOutput] = [],
        report: @escaping Report = { _, _, _ in }
    ) {
        (self.settings, self.report) = (settings, report)
        self.outputs = Mutex(outputs)
        recorder = settings.recording.map { [sound] in ClipRecorder($0, stream: settings.name, sound: sound) }
        inputs = Mutex(settings.hasAudio ? [.video: .init(), .audio: .init()] : [.video: .init()])
        let composer = Thread { [weak self] in LiveStream.compose { self } }
        composer.start()
        composer.name = "compose-\(settings.name)"
    }

    deinit { composerQueue.close() }

    // MARK: Sources

    /// A frame has come; its time lies on `MediaClock`.
    package func take(_ frame: VideoFrame) {
        guard phase.withLock({ $0 }) == .running else { return }
        let arrival = Arrival(frame: frame, time: MediaClock.now)
        inputs.withLock { $0[.video]?.track.received += 1 }
        numbers.withLock { $0.arrivals.add(1, at: arrival.time) }
        stages.receive.add(max(0, (arrival.time - frame.pts).seconds))
        if composerQueue.put(arrival) != nil { count(.outputBehind) }
        let isFull = waiting.withLock { waiting in
            waiting.append(arrival)
            guard waiting.count > Self.waitingFrames else { return false }
            waiting.removeFirst()
            return true
        }
        if isFull { count(.newerFrame) }
        wake.withLock { $0.action }?()
    }

    /// Sound has come; its time lies on `MediaClock`.
    package func take(_ block: AudioBlock) {
        guard phase.withLock({ $0 }) == .running else { return }
        var block = block
        block.pts += settings.audioOffset
        inputs.withLock { $0[.audio]?.track.received += 1 }
        sound.timeline.withLock { $0.append(block.firstChannel, rate: block.sampleRate, at: block.pts) }
        for output in outputs.withLock({ $0 }) { output.output.take(block) }
    }

    /// A source has changed its state.
    package func note(_ track: LiveTrack, _ state: LiveInputState) {
        let said: String? = inputs.withLock { inputs in
            guard var input = inputs[track] else { return nil }
            defer { inputs[track] = input }
            return input.take(state, of: track)
        }
        if let said { report(.stream, nil, said) }
    }

    // MARK: Control

    /// A paused stream takes nothing and shows that it is paused. Its sources are the caller's to close.
    package func setPaused(_ isPaused: Bool) {
        let isChanged = phase.withLock { phase in
            guard phase != .stopped else { return false }
            defer { phase = isPaused ? .paused : .running }
            return (phase == .paused) != isPaused
        }
        guard isChanged else { return }
        waiting.withLock { $0 = [] }
        found.put(nil)
        // What was true when it was paused must not pass for now.
        numbers.withLock { ($0.level, $0.gate, $0.maskAge, $0.skew) = (nil, .absent, nil, nil) }
        report(.stream, nil, isPaused ? "paused" : "resumed")
    }

    package var isPaused: Bool { phase.withLock { $0 } == .paused }

    /// Ends the stream and closes its outputs.
    package func stop() {
        phase.withLock { $0 = .stopped }
        waiting.withLock { $0 = [] }
        composerQueue.close()
        found.close()
        let all = outputs.withLock { outputs in
            defer { outputs = [] }
            return outputs
        }
        for output in all { output.output.stop() }
        recorder?.stop()
    }

    /// Records what comes, and what was shortly before.
    ///
    /// - Returns: false where the stream has no recording set up.
    package func record(for time: MediaTime) -> Bool {
        recorder?.record(for: time)
        return recorder != nil
    }

    /// The newest picture; nil before the first.
    package func picture(overlaid: Bool) -> VideoFrame? {
        shown.withLock { $0 }?.picture(overlaid ? .overlay : .clean)
    }

    /// The next frame to be segmented: the oldest whose masks can still be ready while it waits for them, so that a model
    /// that is fast enough misses none when one frame takes longer; otherwise the newest. Those before it are counted as
    /// dropped.
    ///
    /// - Parameter work: how long it will take.
    func nextArrival(at now: MediaTime, work: MediaTime) -> Arrival? {
        let taken = waiting.withLock { waiting -> (arrival: Arrival, passed: Int)? in
            guard let newest = waiting.indices.last else { return nil }
            let index = waiting.firstIndex { now + work - $0.time <= settings.maskWait } ?? newest
            defer { waiting.removeFirst(index + 1) }
            return (waiting[index], index)
        }
        for _ in 0..<(taken?.passed ?? 0) { count(.newerFrame) }
        return taken?.arrival
    }

    /// Called, from any thread, when a frame lies ready.
    func onFrame(_ action: (@Sendable () -> Void)?) { wake.withLock { $0.action = action } }

    func count(_ reason: DropReason) { numbers.withLock { $0.dropped[reason, default: 0] += 1 } }

    // MARK: Composer

    /// How often a stream without pictures says so.
    private static let cardInterval = MediaTime.milliseconds(200)
    private static let pausedCardInterval = MediaTime.seconds(1)

    /// Holds the stream only while there is something to do, so that a stream nobody wants any more goes away.
    private static func compose(_ stream: () -> LiveStream?) {
        guard let queue = stream()?.composerQueue else { return }
        while true {
            let wait = stream()?.isPaused ?? false ? pausedCardInterval : cardInterval
            let arrival = queue.take(timeout: wait)
            guard let stream = stream(), stream.phase.withLock({ $0 }) != .stopped else { return }
            stream.numbers.withLock { $0.composerBeat = MediaClock.now }
            if let arrival { stream.send(arrival) } else { stream.sendCard() }
        }
    }

    private func send(_ arrival: Arrival) {
        let deadline = arrival.time + settings.maskWait
        var analysis = found.newest(for: arrival.frame.pts, until: deadline)
        let now = MediaClock.now
        guard now - arrival.time <= settings.latencyCeiling else {
            count(.late)
            return
        }
        recorder?.take(arrival.frame, analysis)
        let age = analysis.map { arrival.frame.pts - $0.time }
        if let age, age > settings.oldestMask || !isSameSize(analysis, arrival.frame) { analysis = nil }
        let note = note(age: age, isDrawn: analysis != nil)
        push(Shown(frame: arrival.frame, analysis: analysis, note: note))
        let done = MediaClock.now
        stages.overlay.add((done - now).seconds)
        stages.latency.add((done - arrival.frame.pts).seconds)
        numbers.withLock {
            $0.latencies.add((done - arrival.frame.pts).seconds, at: done)
            $0.maskAge = analysis == nil ? nil : max(0, age?.seconds ?? 0)
            $0.framesSent += 1
        }
    }

    private func isSameSize(_ analysis: FrameAnalysis?, _ frame: VideoFrame) -> Bool {
        analysis?.width == frame.width && analysis?.height == frame.height
    }

    /// Words about masks that are not of this frame, and about quality given up for speed.
    private func note(age: MediaTime?, isDrawn: Bool) -> String? {
        var words: [String] = []
        if let age, age > Self.tellingAge {
            let seconds = (age.seconds * 10).rounded() / 10
            words.append(isDrawn ? "masks \(seconds) s old" : "masks too old")
        }
        let economy = numbers.withLock { $0.economy }
        if economy.level > 0 { words.append("economy \(economy.level) of \(economy.lastLevel)") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    private func push(_ new: Shown) {
        shown.withLock { $0 = new }
        var pictures: [StreamOutput.Picture: VideoFrame] = [:]
        for output in outputs.withLock({ $0 }) {
            let picture = pictures[output.picture] ?? new.picture(output.picture)
            pictures[output.picture] = picture
            output.output.take(picture)
        }
    }

    /// Without pictures from the source, outputs get one that says so: what was seen last must not pass for live.
    private func sendCard() {
        let isPaused = isPaused
        guard isPaused || !(inputs.withLock { $0[.video]?.track.isUp } ?? false) else { return }
        let last = shown.withLock { $0?.frame }
        let card = SignalCard.frame(
            like: last, lines: [settings.name, isPaused ? "PAUSED" : "NO PICTURE"], at: MediaClock.now)
        push(Shown(frame: card))
    }
}

/// Where a stream goes, and what of it.
package struct StreamOutput: Sendable {
    package enum Picture: String, CaseIterable, Sendable {
        /// With what was found drawn onto it.
        case overlay
        case clean
        /// What was found alone, on black.
        case masks
    }

    package var output: any LiveOutput
    package var picture: Picture

    package init(_ output: any LiveOutput, picture: Picture = .overlay) {
        (self.output, self.picture) = (output, picture)
    }
}

/// Why a frame was not segmented, or did not go out.
package enum DropReason: String, Sendable, CaseIterable {
    /// A newer one came before the model was free. It still went out.
    case newerFrame = "newer_frame"
    /// Left out on purpose, to keep up. It still went out.
    case economy
    /// Outputs, or drawing, did not keep up.
    case outputBehind = "output_behind"
    /// It would have gone out later than the ceiling allows.
    case late
    /// The model failed on it. It still went out.
    case failed
}

/// How long the stages of a stream take.
package struct LiveStages: Sendable {
    /// From a frame's time to its way out.
    package let latency = Histogram()
    /// From a frame's arrival until its masks are there.
    package let maskDelay = Histogram()
    /// From a frame's time until it has come: the source's buffers, and decoding.
    package let receive = Histogram()
    package let hear = Histogram()
    package let segment = Histogram()
    package let overlay = Histogram()
}

/// What a stream counts.
struct LiveNumbers: Sendable {
    var dropped: [DropReason: Int] = [:]
    var framesSent = 0
    var framesSegmented = 0
    var arrivals = RecentValues(.seconds(3))
    var segmented = RecentValues(.seconds(3))
    var latencies = RecentValues(.seconds(60))
    var maskAge: Double?
    var skew: Double?
    var level: Double?
    var gate = SoundGate.absent
    var economy = EconomyStatus()
    var memoryBytes = 0
    var classes: [String] = []
    var objects: [LiveObject] = []
    /// Why the model cannot be used.
    var problem: String?
    var composerBeat = MediaClock.now
}

extension LiveStream.InputStatus {
    /// - Returns: what the user should hear of it.
    fileprivate mutating func take(_ state: LiveInputState, of name: LiveTrack) -> String? {
        switch state {
        case .connecting: return nil
        case .up:
            if hasBeenUp, !track.isUp { track.reconnects += 1 }
            defer { (track.isUp, track.problem, hasBeenUp) = (true, nil, true) }
            return track.isUp ? nil : "\(name.rawValue) is up"
        case .down(let error, _):
            let isNew = track.isUp || track.problem != error.description
            (track.isUp, track.problem) = (false, error.description)
            return isNew ? "\(name.rawValue) is down: \(error.description)" : nil
        case .stopped:
            (track.isUp, track.problem) = (false, nil)
            return nil
        }
    }
}
