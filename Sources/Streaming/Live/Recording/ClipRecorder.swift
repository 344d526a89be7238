// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media
import Synchronization

/// Writes clips of a stream for `tavisd train`: pictures, sound, and the masks that were found, as drafts of truth.
///
/// All disk work is done by a thread of its own. What it has no time for is dropped and counted.
package final class ClipRecorder: Sendable {
    package struct Settings: Sendable, Equatable {
        package enum Occasion: String, CaseIterable, Sendable {
            case always
            /// While something sounds.
            case events
            /// Only when asked to.
            case request
        }

        package var folder: String
        package var occasion = Occasion.events
        /// Length of a clip.
        package var length = MediaTime.seconds(10)
        /// Of what was before, as part of the length. At most 5 s.
        package var before = MediaTime.seconds(2)
        package var framesPerSecond = 5
        /// Pictures are made smaller than this.
        package var maxWidth = 640
        /// In bytes: the stream's oldest clips are removed to stay below it.
        package var diskBudget: Int

        package init(folder: String, diskBudget: Int) {
            (self.folder, self.diskBudget) = (folder, diskBudget)
        }
    }

    /// A picture to keep.
    struct Picture: Sendable {
        var frame: VideoFrame
        /// What was found on this very frame; nil where it was not segmented.
        var analysis: FrameAnalysis?
        var isSounding: Bool
    }

    private let settings: Settings
    private let stream: String
    private let sound: LiveSound
    private let queue = BoundedQueue<Picture>(limit: ClipRecorder.queuedPictures)
    private let nextTime = Mutex<MediaTime?>(nil)
    private let classes = Mutex<[String]>([])
    private let asked = Mutex<MediaTime?>(nil)
    private let told: Mutex<LiveOutputStatus>
    private let hasOpenClip = Mutex(false)
    private let isStopped = Mutex(false)
    private let ended = Signal()

    private static let queuedPictures = 8
    private static let tick = MediaTime.milliseconds(250)
    private static let stopTimeout = MediaTime.seconds(5)

    init(_ settings: Settings, stream: String, sound: LiveSound) {
        (self.settings, self.stream, self.sound) = (settings, stream, sound)
        told = Mutex(LiveOutputStatus(name: "clips \(settings.folder)"))
        let thread = Thread { self.work() }
        thread.start()
        thread.name = "clips-\(stream)"
    }

    var status: LiveOutputStatus { told.withLock { $0 } }
    var isRecording: Bool { hasOpenClip.withLock { $0 } }

    /// - Parameter names: of the model, background first. Nothing is recorded before they are known.
    func setClasses(_ names: [String]) { classes.withLock { $0 = names } }

    /// - Parameter analysis: the newest one, whichever frame it is of.
    func take(_ frame: VideoFrame, _ analysis: FrameAnalysis?) {
        let isDue = nextTime.withLock { next in
            guard next.map({ frame.pts >= $0 }) ?? true else { return false }
            let period = 1 / Double(settings.framesPerSecond)
            let planned = (next ?? frame.pts) + MediaTime(seconds: period)
            // After a pause of the source the grid begins anew.
            next = planned > frame.pts ? planned : frame.pts + MediaTime(seconds: period)
            return true
        }
        guard isDue else { return }
        let picture = Picture(
            frame: frame, analysis: analysis?.time == frame.pts ? analysis : nil,
            isSounding: !(analysis?.objects.isEmpty ?? true))
        if queue.put(picture) != nil { told.withLock { $0.framesDropped += 1 } }
    }

    /// Records from now on for so long, and what was shortly before.
    func record(for time: MediaTime) {
        let end = MediaClock.now + time
        asked.withLock { $0 = max($0 ?? end, end) }
    }

    /// Completes the clip in hand.
    func stop() {
        guard
            isStopped.withLock({ wasStopped in
                defer { wasStopped = true }
                return !wasStopped
            })
        else { return }
        queue.close()
        ended.wait(for: Self.stopTimeout)
    }

    private func work() {
        var clips = ClipSequence(settings, stream: stream, sound: sound)
        while !isStopped.withLock({ $0 }) {
            let picture = queue.take(timeout: Self.tick)
            let names = classes.withLock { $0 }
            do {
                if let picture {
                    try clips.take(picture, until: asked.withLock { $0 }, classes: names)
                    told.withLock { $0.framesWritten = clips.framesWritten }
                }
                try clips.rest(at: MediaClock.now)
                if clips.isWell { told.withLock { $0.problem = nil } }
            } catch {
                clips.fail(at: MediaClock.now)
                told.withLock { ($0.problem, $0.restarts) = ("\(error)", $0.restarts + 1) }
            }
            hasOpenClip.withLock { $0 = clips.isOpen }
        }
        do { try clips.close() } catch { told.withLock { $0.problem = "\(error)" } }
        ended.signal()
    }
}

/// The sound of a stream, shared by who hears and who records it.
final class LiveSound: Sendable {
    let timeline = Mutex(AudioTimeline())
}
