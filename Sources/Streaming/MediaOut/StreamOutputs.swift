// SPDX-License-Identifier: Apache-2.0
import Glibc
import Media

/// What a run writes, and where. Every output that is nil is left out.
package struct OutputPaths: Sendable, Equatable {
    /// The video with its overlay; its container is told by the name: mp4, mkv or webm.
    package var video: String?
    /// Folder for one mask picture per frame.
    package var masks: String?
    /// Folder for the mask logits of each frame.
    package var logits: String?
    /// JSON Lines.
    package var events: String?
    /// Removes masks and logits of an earlier run from their folders; otherwise folders that are not empty are refused.
    package var overwrites = false

    package init(video: String? = nil, masks: String? = nil, logits: String? = nil, events: String? = nil) {
        (self.video, self.masks, self.logits, self.events) = (video, masks, logits, events)
    }

    package var isEmpty: Bool { video == nil && masks == nil && logits == nil && events == nil }
}

/// All outputs of a run. Video and events get their names when the run ends well or is stopped by the user; dropped
/// before, they leave nothing behind. Mask pictures and logits are complete one by one.
final class StreamOutputs {
    /// What is done with the input's sound; nil without a video output.
    var audio: AudioHandling? { video?.audio }

    private let video: MediaWriter?
    private let masks: MaskFolder?
    private let logits: LogitsFolder?
    private let events: EventFile?

    init(_ paths: OutputPaths, of reader: MediaReader) throws {
        for file in [paths.video, paths.events].compactMap(\.self) { try requireFolder(above: file) }
        masks = try paths.masks.map { try MaskFolder(path: $0, overwrites: paths.overwrites) }
        logits = try paths.logits.map { try LogitsFolder(path: $0, overwrites: paths.overwrites) }
        events = try paths.events.map { try EventFile(path: $0) }
        video = try reader.info.video.flatMap { shown in
            try paths.video.map { try MediaWriter(path: $0, video: .init(shown), audioOf: reader) }
        }
    }

    /// Removes what an earlier run wrote where this is wanted. Only now: what can fail before should cost nothing.
    func begin() throws {
        for folder in [masks?.folder, logits?.folder].compactMap(\.self) { try folder.clear() }
    }

    /// - Parameter frame: as it is to be shown.
    func write(_ frame: VideoFrame, _ analysis: FrameAnalysis) throws {
        try video?.write(frame)
        try masks?.write(analysis)
        try logits?.write(analysis)
        try events?.write(analysis)
    }

    /// Closes everything and gives it its name.
    ///
    /// - Parameter isEarly: stops the sound with the last frame.
    func finish(isEarly: Bool) throws {
        if isEarly { try video?.finishEarly() } else { try video?.finish() }
        try events?.finish()
    }
}

/// Makes a folder, and those above it, where it is not there.
package func makeFolder(_ path: String) throws {
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
        made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
        guard mkdir(made, 0o777) != 0, errno != EEXIST else { continue }
        throw StreamError(.cannotWrite, path, "cannot be made: \(lastSystemError())")
    }
    guard opendir(path).map(closedir) != nil, access(path, W_OK) == 0 else {
        throw StreamError(.cannotWrite, path, "cannot be written: \(lastSystemError())")
    }
}

/// Files are put into folders that are there; only folders of files are made.
private func requireFolder(above file: String) throws {
    guard let slash = file.lastIndex(of: "/"), slash != file.startIndex else { return }
    let folder = String(file[..<slash])
    if let handle = opendir(folder) {
        closedir(handle)
    } else if errno == ENOENT || errno == ENOTDIR {
        throw StreamError(.cannotWrite, folder, "is not a folder; \(file) was to go there")
    }
}

/// What the last call to the system complained of.
func lastSystemError() -> String { String(cString: strerror(errno)).lowercased() }
