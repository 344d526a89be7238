// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The clock that live streams are timed by: the machine's monotonic one, which GStreamer's system clock counts too.
///
/// Times of frames and sound of all live inputs lie on it, across reconnects, so that they can be compared with each
/// other and with now.
package enum MediaClock {
    package static var now: MediaTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MediaTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }
}

package enum LiveTrack: String, Sendable, CaseIterable { case video, audio }

/// Where a live input stands.
package enum LiveInputState: Sendable {
    /// Being opened, for the n-th time since data came last, counted from 1.
    case connecting(attempt: Int)
    /// Data comes.
    case up
    /// Nothing comes; opened anew once `retryIn` has passed.
    case down(MediaError, retryIn: MediaTime)
    /// For good: it was told to stop.
    case stopped
}

/// What a live input calls, from threads of its own. None of these may wait.
package struct LiveInputHandlers: Sendable {
    package var video: @Sendable (VideoFrame) -> Void
    package var audio: @Sendable (AudioBlock) -> Void
    package var state: @Sendable (LiveInputState) -> Void

    package init(
        video: @escaping @Sendable (VideoFrame) -> Void = { _ in },
        audio: @escaping @Sendable (AudioBlock) -> Void = { _ in },
        state: @escaping @Sendable (LiveInputState) -> Void = { _ in }
    ) {
        (self.video, self.audio, self.state) = (video, audio, state)
    }
}

/// Where overlaid frames and their sound go. Nothing here waits for a reader: what it cannot take is dropped and
/// counted.
package protocol LiveOutput: Sendable {
    /// A frame whose `pts` lies on `MediaClock`.
    func take(_ frame: VideoFrame)
    func take(_ block: AudioBlock)
    var status: LiveOutputStatus { get }
    /// Closes files and connections, within a few seconds. Nothing is taken afterwards.
    func stop()
}

package struct LiveOutputStatus: Sendable, Equatable {
    /// What it is and where, without secrets: `rtsp /door`, `files /var/lib/tavisd/door`.
    package var name: String
    /// Why it does not work at the moment; nil while it does.
    package var problem: String?
    package var framesWritten = 0
    package var framesDropped = 0
    package var audioDropped = 0
    /// Times that it was opened anew after an error or a change of the picture's size.
    package var restarts = 0
    /// Viewers, where it can tell.
    package var clients: Int?

    package init(name: String) { self.name = name }
}
