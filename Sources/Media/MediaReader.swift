// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Decodes a file or address: every video frame and all audio, pulled by the caller at its own speed.
///
/// Video and audio are decoded by two pipelines that open the input independently. So neither waits for the
/// other however the file interleaves them, each holds only its own few buffers, and each may be pulled from a
/// thread of its own. Both count time from the same zero: the start of the file, or `Options.start`.
package final class MediaReader: Sendable {
    package struct Options: Sendable {
        /// Where to start; times of frames and audio count from here.
        package var start: MediaTime
        /// How much to read; nil reads to the end.
        package var duration: MediaTime?
        /// Also decode audio, when there is any.
        package var readsAudio: Bool
        /// An error comes when nothing has been decoded for this long.
        package var stallTimeout: MediaTime

        package init(
            start: MediaTime = .zero, duration: MediaTime? = nil, readsAudio: Bool = true,
            stallTimeout: MediaTime = .seconds(30)
        ) {
            self.start = start
            self.duration = duration
            self.readsAudio = readsAudio
            self.stallTimeout = stallTimeout
        }
    }

    package let source: MediaSource
    package let options: Options
    package let info: MediaInfo

    private let video: Mutex<VideoTrack>
    private let audio: Mutex<AudioTrack?>
    private let isCancelled: CancelFlag

    /// Opens `input`, a path or an address, looks at what it holds and starts decoding.
    ///
    /// - Throws: `MediaError`; `.noVideo` when there is only sound.
    package init(_ input: String, options: Options = Options()) throws(MediaError) {
        source = try MediaSource(input)
        self.options = options
        info = try MediaInfo(probing: source, timeout: options.stallTimeout)
        isCancelled = CancelFlag()
        guard info.hasVideo else { throw MediaError(.noVideo, source.name, "has no video stream") }
        try Self.check(options, info, source)
        let range = DecodeRange(start: options.start, duration: options.duration)
        video = Mutex(
            VideoTrack(
                try DecodeTrack(
                    .fileInVideo, sink: "video_in", source, range, options.stallTimeout, isCancelled),
                frameRate: info.video?.frameRate))
        guard options.readsAudio, info.hasAudio else {
            audio = Mutex(nil)
            return
        }
        let track = try DecodeTrack(
            .fileInAudio, sink: "audio_in", source, range, options.stallTimeout, isCancelled)
        audio = Mutex(AudioTrack(track))
    }

    private static func check(_ options: Options, _ info: MediaInfo, _ source: MediaSource) throws(MediaError)
    {
        guard options.start >= .zero else { throw MediaError(.pastEnd, source.name, "the start is negative") }
        if let duration = options.duration, duration <= .zero {
            throw MediaError(.noFrames, source.name, "a duration of \(duration.seconds) s holds no frames")
        }
        if let whole = info.duration, options.start >= whole, options.start > .zero {
            throw MediaError(
                .pastEnd, source.name,
                "the start, \(options.start.seconds) s, is past the end, \(whole.seconds) s")
        }
        if options.start > .zero || options.duration != nil, !info.isSeekable {
            throw MediaError(.unsupported, source.name, "cannot start or stop within it: it is not seekable")
        }
    }

    /// How long what is read should be, as far as the file tells.
    package var expectedDuration: MediaTime? {
        guard let whole = info.duration else { return options.duration }
        let rest = whole - options.start
        return options.duration.map { min($0, rest) } ?? rest
    }

    /// The next frame in order of presentation; nil after the last.
    package func nextVideoFrame() throws(MediaError) -> VideoFrame? {
        try video.withLock { track throws(MediaError) in try track.next() }
    }

    /// The next block of audio; nil after the last, and at once when there is no audio.
    package func nextAudioBlock() throws(MediaError) -> AudioBlock? {
        try audio.withLock { track throws(MediaError) in try track?.next() }
    }

    /// Makes every present and later read throw `.cancelled`, within a fraction of a second. From any thread.
    package func cancel() { isCancelled.set() }
}

/// Set once, read from any thread.
final class CancelFlag: Sendable {
    private let flag = Atomic(false)
    func set() { flag.store(true, ordering: .relaxed) }
    var isSet: Bool { flag.load(ordering: .relaxed) }
}
