// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media
import Synchronization
import TensorEngine

/// The one thread that runs the model, for all live streams in turn.
///
/// One thread, because the model uses all cores by itself: two frames at a time would take twice as long each.
// `lanes` is used by the thread only; the rest is locked.
package final class SegmentWorker: @unchecked Sendable {
    /// Makes the model's state of one stream; called on the worker's thread.
    package typealias MakeSegmenter = @Sendable () throws -> any FrameSegmenter

    private enum Command: Sendable {
        case add(LiveStream, MakeSegmenter)
        case remove(String)
        case replace(String, MakeSegmenter)
        case forget(String)
    }

    private struct Orders: Sendable {
        var commands: [Command] = []
        var isStopped = false
    }

    /// Longest sleep: streams without frames still let objects end.
    private static let idleInterval = MediaTime.milliseconds(200)

    private let orders = Mutex(Orders())
    private let frameReady = Signal()
    private let ended = Signal()
    private let beat = Mutex(MediaClock.now)
    private var lanes: [SegmentLane] = []

    package init() {}

    package func start() {
        let thread = Thread { self.work() }
        // Convolutions keep scratch on the stack.
        thread.stackSize = 8 << 20
        thread.start()
        thread.name = "segment"
    }

    /// Ends after the frame in hand, within `timeout`.
    package func stop(timeout: MediaTime = .seconds(5)) {
        orders.withLock { $0.isStopped = true }
        frameReady.signal()
        if ended.wait(for: timeout) { ended.signal() }
    }

    /// When the worker was last seen alive.
    package var lastBeat: MediaTime { beat.withLock { $0 } }

    package func add(_ stream: LiveStream, _ make: @escaping MakeSegmenter) {
        order(.add(stream, make))
        stream.onFrame { [weak self] in self?.frameReady.signal() }
    }

    package func remove(_ stream: LiveStream) {
        stream.onFrame(nil)
        order(.remove(stream.settings.name))
    }

    /// Lets a stream go on with another model state, for example other classes.
    package func replace(_ name: String, _ make: @escaping MakeSegmenter) { order(.replace(name, make)) }
    package func forget(_ name: String) { order(.forget(name)) }

    private func order(_ command: Command) {
        orders.withLock { $0.commands.append(command) }
        frameReady.signal()
    }

    private func work() {
        // Masks may come late; pictures must keep their rate.
        ThreadPool.shared.giveWay()
        var isBusy = false
        while true {
            if !isBusy { frameReady.wait(for: Self.idleInterval) }
            let orders = orders.withLock { orders in
                defer { orders.commands = [] }
                return orders
            }
            if orders.isStopped { break }
            for command in orders.commands { obey(command) }
            // A frame for each stream in turn, so that none waits for another's second one.
            isBusy = false
            for lane in lanes {
                if lane.step() { isBusy = true }
                beat.withLock { $0 = MediaClock.now }
            }
            beat.withLock { $0 = MediaClock.now }
        }
        for lane in lanes { lane.close() }
        lanes = []
        ended.signal()
    }

    private func obey(_ command: Command) {
        switch command {
        case .add(let stream, let make): lanes.append(SegmentLane(stream, make))
        case .remove(let name):
            for lane in lanes where lane.name == name { lane.close() }
            lanes.removeAll { $0.name == name }
        case .replace(let name, let make): lanes.first { $0.name == name }?.replace(make)
        case .forget(let name): lanes.first { $0.name == name }?.forget()
        }
    }
}

/// A stream as the worker sees it: its model state, tracker and objects. Used by the worker's thread only.
final class SegmentLane {
    var name: String { stream.settings.name }

    private let stream: LiveStream
    private var make: SegmentWorker.MakeSegmenter
    private var segmenter: (any FrameSegmenter)?
    private var analyzer: FrameAnalyzer?
    private var aligner = LiveAligner()
    private var ladder: EconomyLadder
    private var ledger: ObjectLedger
    /// Frames taken, for leaving some out.
    private var frames = 0
    private var retryAt: MediaTime?
    /// How long the newest frame took.
    private var lastWork = MediaTime.zero

    /// After a failure of the model, frames go out unsegmented for this long.
    private static let retryInterval = MediaTime.seconds(2)

    init(_ stream: LiveStream, _ make: @escaping SegmentWorker.MakeSegmenter) {
        (self.stream, self.make) = (stream, make)
        ladder = EconomyLadder(stream.settings.ladder, base: stream.settings.economy)
        ledger = ObjectLedger(stream.settings.ledger)
    }

    /// Segments the frame that lies ready, or passes it over.
    ///
    /// - Returns: false where there is none.
    func step() -> Bool {
        let now = MediaClock.now
        guard let arrival = stream.nextArrival(at: now, work: lastWork) else {
            rest(at: now)
            return false
        }
        frames += 1
        if let retryAt, now < retryAt {
            stream.count(.failed)
        } else if !frames.isMultiple(of: ladder.economy.everyFrames) {
            stream.count(.economy)
        } else {
            do {
                try segment(arrival)
                retryAt = nil
            } catch {
                fail(error)
            }
        }
        return true
    }

    func replace(_ make: @escaping SegmentWorker.MakeSegmenter) {
        self.make = make
        (segmenter, analyzer, retryAt) = (nil, nil, nil)
    }

    func forget() { segmenter?.forget() }

    func close() { tell(ledger.close(at: MediaClock.now)) }

    private func segment(_ arrival: LiveStream.Arrival) throws {
        let analyzer = try readyAnalyzer()
        let economy = ladder.economy
        let aligned = stream.sound.timeline.withLock {
            aligner.align(arrival.frame, with: $0, hop: economy.audioHop)
        }
        let start = MediaClock.now
        var analysis = try analyzer.analyze(aligned)
        let done = MediaClock.now
        lastWork = done - start
        analysis.logits = nil
        tell(ledger.take(&analysis))
        stream.found.put(analysis)
        let hearing = analyzer.hearingTime
        if let hearing { stream.stages.hear.add(hearing.seconds) }
        stream.stages.segment.add((done - start - (hearing ?? .zero)).seconds)
        stream.stages.maskDelay.add((done - arrival.time).seconds)
        note(analysis, at: done)
        let rate = stream.numbers.withLock { $0.arrivals.rate(at: done) }
        let seen = EconomyLadder.Note(delay: done - arrival.time, work: done - start, sourceRate: rate)
        if ladder.note(seen, at: done) { climb() }
    }

    private func readyAnalyzer() throws -> FrameAnalyzer {
        if let analyzer { return analyzer }
        let made = try make()
        let fresh = FrameAnalyzer(
            made, tracker: ObjectTracker(stream.settings.tracker), economy: ladder.economy)
        (segmenter, analyzer) = (made, fresh)
        stream.numbers.withLock {
            $0.classes = Array(made.classNames.dropFirst())
            $0.economy = ladder.status
        }
        stream.recorder?.setClasses(made.classNames)
        return fresh
    }

    private func climb() {
        analyzer?.use(ladder.economy)
        let status = ladder.status
        stream.numbers.withLock { $0.economy = status }
        stream.report(.stream, nil, "economy level \(status.level): \(status.text)")
    }

    private func note(_ analysis: FrameAnalysis, at now: MediaTime) {
        let bytes = segmenter?.memoryBytes ?? 0
        let objects = ledger.objects(at: analysis.time)
        stream.numbers.withLock {
            $0.framesSegmented += 1
            $0.segmented.add(1, at: now)
            $0.skew = analysis.gate == .absent ? nil : (analysis.time - analysis.windowEnd).seconds
            $0.level = analysis.level.map(Double.init)
            $0.gate = analysis.gate
            $0.memoryBytes = bytes
            $0.objects = objects
            $0.problem = nil
        }
    }

    private func fail(_ error: any Error) {
        let isNew = stream.numbers.withLock { numbers in
            defer { numbers.problem = "\(error)" }
            return numbers.problem != "\(error)"
        }
        stream.count(.failed)
        retryAt = MediaClock.now + Self.retryInterval
        // What is left of a failed model may be anything.
        (segmenter, analyzer) = (nil, nil)
        stream.found.put(nil)
        if isNew { stream.report(.stream, nil, "the model fails: \(error)") }
    }

    private func rest(at now: MediaTime) {
        let changes = ledger.rest(at: now)
        tell(changes)
        let objects = ledger.objects(at: now)
        stream.numbers.withLock { $0.objects = objects }
    }

    private func tell(_ changes: [ObjectLedger.Change]) {
        for change in changes { stream.report(change.kind, change.object, nil) }
    }
}
