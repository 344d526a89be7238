// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The little of the ISO base media format (ISO/IEC 14496-12) that we read ourselves: whether a file is whole,
/// and the edit list of the audio track, which tells players to skip an encoder's first samples.
enum MP4File {
    struct Box {
        var type: String
        /// Where the contents lie in the file.
        var body: Range<UInt64>
    }

    /// Refuses a file whose boxes say more than it holds, or that lost its index. Of one in fragments the last may be
    /// cut off: what is before can be read. Other formats pass.
    static func checkComplete(_ path: String, _ name: String) throws(MediaError) {
        guard let file = try? RandomAccessFile(path, name, writable: false) else { return }
        guard let first = try header(file, at: 0, end: file.size), first.type == "ftyp" else { return }
        var offset: UInt64 = 0
        var hasIndex = false, hasFragments = false
        while let box = try header(file, at: offset, end: .max) {
            if box.body.upperBound > file.size {
                if hasFragments { return }
                throw MediaError(
                    .truncated, name,
                    "the file is cut off: its '\(box.type)' part ends at byte "
                        + "\(box.body.upperBound), the file at \(file.size)")
            }
            hasFragments = hasFragments || box.type == "moof"
            hasIndex = hasIndex || hasFragments || box.type == "moov"
            offset = box.body.upperBound
        }
        if !hasIndex { throw MediaError(.truncated, name, "the file is cut off: it has no index ('moov')") }
    }

    /// Makes players skip the first `priming` of the audio track: what they show then starts at zero.
    static func skipAudioPriming(_ path: String, priming: MediaTime) throws(MediaError) {
        let file = try RandomAccessFile(path, path, writable: true)
        guard let movie = try child("moov", of: 0..<file.size, in: file) else { return }
        let movieScale = try timescale(of: "mvhd", in: movie, file)
        for track in try children(of: movie.body, in: file) where track.type == "trak" {
            guard let media = try child("mdia", of: track.body, in: file),
                let handler = try child("hdlr", of: media.body, in: file),
                try file.bytes(at: handler.body.lowerBound + 8, count: 4) == Array("soun".utf8),
                let edits = try child("edts", of: track.body, in: file),
                let list = try child("elst", of: edits.body, in: file)
            else { continue }
            let mediaScale = try timescale(of: "mdhd", in: media, file)
            try shift(list, by: priming, mediaScale: mediaScale, movieScale: movieScale, file)
        }
    }

    /// Moves the one edit of a version-0 list; anything else is left as it is.
    private static func shift(
        _ list: Box, by priming: MediaTime, mediaScale: UInt32, movieScale: UInt32, _ file: RandomAccessFile
    ) throws(MediaError) {
        let entry = list.body.lowerBound + 8
        guard list.body.count >= 20, try file.bytes(at: list.body.lowerBound, count: 1) == [0],
            try file.uint32(at: list.body.lowerBound + 4) == 1
        else { return }
        let duration = try file.uint32(at: entry)
        let start = try file.uint32(at: entry + 4)
        let skippedMedia = UInt32((priming.seconds * Double(mediaScale)).rounded())
        let skippedMovie = UInt32((priming.seconds * Double(movieScale)).rounded())
        guard start == 0, duration > skippedMovie else { return }
        try file.write(duration - skippedMovie, at: entry)
        try file.write(skippedMedia, at: entry + 4)
    }

    private static func timescale(of type: String, in parent: Box, _ file: RandomAccessFile)
        throws(MediaError)
        -> UInt32
    {
        guard let box = try child(type, of: parent.body, in: file) else { return 0 }
        let isLong = try file.bytes(at: box.body.lowerBound, count: 1) == [1]
        return try file.uint32(at: box.body.lowerBound + (isLong ? 20 : 12))
    }

    private static func child(
        _ type: String, of range: Range<UInt64>, in file: RandomAccessFile
    ) throws(MediaError) -> Box? {
        for box in try children(of: range, in: file) where box.type == type { return box }
        return nil
    }

    private static func children(
        of range: Range<UInt64>, in file: RandomAccessFile
    ) throws(MediaError) -> [Box] {
        var result: [Box] = []
        var offset = range.lowerBound
        while let box = try header(file, at: offset, end: range.upperBound) {
            result.append(box)
            offset = box.body.upperBound
        }
        return result
    }

    /// The box at `offset`; nil at the end, or when what follows is too short or too odd to be one.
    private static func header(
        _ file: RandomAccessFile, at offset: UInt64, end: UInt64
    ) throws(MediaError) -> Box? {
        guard offset < file.size, file.size - offset >= 8 else { return nil }
        var size = UInt64(try file.uint32(at: offset))
        let type = String(decoding: try file.bytes(at: offset + 4, count: 4), as: UTF8.self)
        var headerSize: UInt64 = 8
        if size == 1 {
            guard file.size - offset >= 16 else { return nil }
            size = UInt64(try file.uint32(at: offset + 8)) << 32 | UInt64(try file.uint32(at: offset + 12))
            headerSize = 16
        } else if size == 0 {
            size = file.size - offset
        }
        let (boxEnd, overflow) = offset.addingReportingOverflow(size)
        guard size >= headerSize, !overflow, boxEnd <= end else { return nil }
        return Box(type: type, body: (offset + headerSize)..<boxEnd)
    }
}

/// Reads and writes at positions of a file, with every length checked.
final class RandomAccessFile {
    let size: UInt64
    private let descriptor: Int32
    private let name: String

    init(_ path: String, _ name: String, writable: Bool) throws(MediaError) {
        descriptor = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC)
        guard descriptor >= 0 else { throw MediaError(.unreadable, name, systemMessage(errno)) }
        self.name = name
        size = UInt64(max(0, lseek(descriptor, 0, SEEK_END)))
    }
    deinit { close(descriptor) }

    func bytes(at offset: UInt64, count: Int) throws(MediaError) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        guard let position = Int(exactly: offset), pread(descriptor, &result, count, position) == count else {
            throw MediaError(.truncated, name, "the file is cut off")
        }
        return result
    }

    func uint32(at offset: UInt64) throws(MediaError) -> UInt32 {
        try bytes(at: offset, count: 4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    func write(_ value: UInt32, at offset: UInt64) throws(MediaError) {
        var bigEndian = value.bigEndian
        guard pwrite(descriptor, &bigEndian, 4, Int(offset)) == 4 else {
            throw MediaError(.notWritable, name, systemMessage(errno))
        }
    }
}
