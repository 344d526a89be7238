// SPDX-License-Identifier: Apache-2.0
import Dispatch
import Hummingbird
import Media
import Synchronization

/// JPEGs of newest pictures: one for all who look at the same, made on a thread of its own.
final class PictureCache: Sendable {
    struct Key: Hashable, Sendable {
        var stream: String
        var isOverlaid: Bool
        var maxWidth: Int?
    }

    struct Picture: Sendable {
        var jpeg: ByteBuffer
        /// Stands for these bytes; never given twice.
        var tag: String
    }

    private struct Entry {
        var picture: Picture
        var pts: MediaTime
        var width, height: Int
        var madeAt, askedAt: ContinuousClock.Instant

        func isOf(_ frame: VideoFrame) -> Bool {
            pts == frame.pts && width == frame.width && height == frame.height
        }
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var made = 0
    }

    /// Streams and widths that are looked at, at once.
    private static let maxEntries = 32
    /// A picture of the same time is made anew after so long: a stream that was set up anew may count from zero again.
    private static let maxAge = Duration.seconds(2)

    private let control: any DaemonControl
    private let jpeg: HTTPServer.JPEGEncoder
    private let fresh: Duration
    private let boot = String(UInt32.random(in: .min ... .max), radix: 36)
    private let queue = DispatchQueue(label: "tavis-pictures")
    /// Touched on the queue alone; the lock says so to the compiler.
    private let state = Mutex(State())

    /// - Parameter freshSeconds: so long the daemon is not asked for a newer picture.
    init(_ control: any DaemonControl, jpeg: @escaping HTTPServer.JPEGEncoder, freshSeconds: Double) {
        (self.control, self.jpeg, fresh) = (control, jpeg, .seconds(freshSeconds))
    }

    /// The newest picture of a stream; nil before the first.
    func newest(_ key: Key) async throws -> Picture? {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try self.look(key) }) }
        }
    }

    private func look(_ key: Key) throws -> Picture? {
        let now = ContinuousClock.now
        let known = state.withLock { $0.entries[key] }
        if let known, now - known.askedAt < fresh { return known.picture }
        // Drawing costs: the clean picture tells whether there is a new one.
        let clean = control.picture(key.stream, overlaid: false)
        if var known, let clean, known.isOf(clean), now - known.madeAt < Self.maxAge {
            known.askedAt = now
            state.withLock { $0.entries[key] = known }
            return known.picture
        }
        guard let frame = key.isOverlaid ? control.picture(key.stream, overlaid: true) : clean else {
            state.withLock { $0.entries[key] = nil }
            return nil
        }
        return try make(key, frame, now)
    }

    private func make(_ key: Key, _ frame: VideoFrame, _ now: ContinuousClock.Instant) throws -> Picture {
        let jpeg = ByteBuffer(bytes: try jpeg(frame, key.maxWidth))
        return state.withLock { state in
            state.made += 1
            let picture = Picture(jpeg: jpeg, tag: "\"\(boot)-\(state.made)\"")
            state.entries[key] = Entry(
                picture: picture, pts: frame.pts, width: frame.width, height: frame.height, madeAt: now,
                askedAt: now)
            while state.entries.count > Self.maxEntries,
                let oldest = state.entries.min(by: { $0.value.askedAt < $1.value.askedAt })
            { state.entries[oldest.key] = nil }
            return picture
        }
    }
}
