// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Recordings in a layout of our own, which a program can write while it records:
///
///     label2idx.json                     names of the classes; without it AVSBench's
///     {train,val,test}/NAME/clip.json    {"fps": 5}; also "start": seconds of sound before frame 0, and
///                                        "masks": "binary" where truth does not tell classes, and
///                                        "drafts": true where masks are a model's that nobody has looked at
///     {train,val,test}/NAME/audio.wav    or another name given as "audio", of any kind that GStreamer reads
///     {train,val,test}/NAME/frames/000000.png, 000001.jpg, …
///     {train,val,test}/NAME/masks/000000.png, …     for frames whose truth is known
///
/// Frame n is what is seen at start + n / fps. Frames without a mask may be there or not: they are not read. Folders
/// without `clip.json` are passed over, so writing it last marks a recording as complete.
struct RecordingFolder {
    private let folder: DatasetFolder
    private let root: URL

    /// What `clip.json` says.
    struct Description: Codable {
        enum Masks: String, Codable { case classes, binary }
        var fps: Double
        var start: Double?
        var audio: String?
        var masks: Masks?
        var drafts: Bool?
    }

    init(_ folder: DatasetFolder) {
        self.folder = folder
        root = URL(fileURLWithPath: folder.path)
    }

    /// Each recording cut into pieces of as many annotated frames as the folder's `frames`; a rest is a piece too.
    func list() throws -> ClipList {
        var list = ClipList(classes: try AVSBenchFolder.classNames(root))
        let place = root.appending(path: folder.split.rawValue)
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() } catch {
            throw DatasetError(.missing, place.path, "expected a folder of recordings")
        }
        for name in names {
            let clip = place.appending(path: name), file = clip.appending(path: "clip.json")
            guard FileManager.default.fileExists(atPath: file.path) else { continue }
            do throws(DatasetError) {
                let description = try Self.description(file)
                guard folder.takesDrafts || description.drafts != true else {
                    list.drafts += 1
                    continue
                }
                for piece in try pieces(name, clip, description) { list.add(piece.name) { piece } }
            } catch {
                list.add(name) { () throws(DatasetError) in throw error }
            }
        }
        return list
    }

    private static func description(_ file: URL) throws(DatasetError) -> Description {
        guard let data = FileManager.default.contents(atPath: file.path),
            let found = try? JSONDecoder().decode(Description.self, from: data)
        else {
            throw DatasetError(.unreadable, file.path, "expected an object with a number fps")
        }
        guard found.fps.isFinite, found.fps > 0, (found.start ?? 0).isFinite, (found.start ?? 0) >= 0 else {
            throw DatasetError(
                .unreadable, file.path,
                "expected fps above 0 and start of at least 0, found \(found.fps) and \(found.start ?? 0)")
        }
        return found
    }

    private func pieces(
        _ name: String, _ clip: URL, _ description: Description
    ) throws(DatasetError) -> [PictureClip] {
        let frames = try Self.pictures(clip.appending(path: "frames"))
        let masks = try Self.pictures(clip.appending(path: "masks"))
        if let stray = masks.keys.filter({ frames[$0] == nil }).min() {
            throw DatasetError(.wrongCount, masks[stray] ?? clip.path, "there is no frame of this number")
        }
        let numbers = masks.keys.sorted(), length = folder.frames ?? max(1, numbers.count)
        return stride(from: 0, to: numbers.count, by: length).map { first in
            let part = numbers[first..<min(numbers.count, first + length)]
            return PictureClip(
                name: numbers.count > length ? "\(name)/\(part[first])" : name,
                frames: part.compactMap { frames[$0] }, masks: part.map { masks[$0] },
                form: description.masks == .binary ? .binary : .classes,
                audio: clip.appending(path: description.audio ?? "audio.wav").path,
                times: part.map { (description.start ?? 0) + Double($0) / description.fps })
        }
    }

    /// Paths of pictures by the number that is their name.
    private static func pictures(_ folder: URL) throws(DatasetError) -> [Int: String] {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() } catch {
            throw DatasetError(.missing, folder.path, "expected a folder of pictures")
        }
        var found: [Int: String] = [:]
        for name in names {
            let file = folder.appending(path: name)
            guard ["png", "jpg", "jpeg"].contains(file.pathExtension),
                let number = Int(file.deletingPathExtension().lastPathComponent), number >= 0
            else { continue }
            if let other = found.updateValue(file.path, forKey: number) {
                throw DatasetError(.ambiguous, other, "\(name) has the same number")
            }
        }
        return found
    }
}
