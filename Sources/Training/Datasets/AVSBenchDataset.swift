// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Models
import SwiftCSV

/// A split of AVSBench: S4, MS3 or the semantic set, in the folders its releases unpack to.
///
/// Source: `configs/sam_avs_adapter.yaml` and the loaders of the published code; AVSBench's own layout.
package struct AVSBenchDataset: ClipSource {
    package enum Subset: String, Sendable, CaseIterable { case s4, ms3, avss }
    package enum Split: String, Sendable, CaseIterable { case train, val, test }

    /// Files of one clip.
    struct Entry: Sendable {
        var name: String
        var frames: [String]
        /// As many as are annotated, from the first frame on.
        var masks: [String]
        var audio: String
        /// Audio windows of the clip.
        var windows: Int
    }

    package let classes: [String]
    package var count: Int { entries.count }
    let entries: [Entry]
    private let frames: Int

    /// Dropped from training by the published loader.
    private static let droppedFromS4 = "vhUM-UOKpSk"

    /// - Parameters:
    ///   - folder: holds `Single-source`, `Multi-sources` and `AVSSBench`, or is the semantic set itself.
    ///   - frames: annotated frames of each clip to use, from the first on.
    /// - Throws: `DatasetError` for a list of clips that is missing or lacks a column.
    package init(folder: String, subset: Subset, split: Split, frames: Int) throws {
        self.frames = frames
        let root = URL(fileURLWithPath: folder)
        let semantic =
            Self.exists(root.appending(path: "metadata.csv")) ? root : root.appending(path: "AVSSBench")
        classes = try Self.classNames(semantic)
        let all =
            switch subset {
            case .s4: try Self.singleSource(root, semantic, split)
            case .ms3: try Self.multiSources(root, semantic, split)
            case .avss: try Self.semanticSet(semantic, split)
            }
        entries = all.filter { $0.masks.count >= frames }
        guard !entries.isEmpty else {
            throw DatasetError(
                .empty, folder,
                "no clip of \(subset.rawValue), \(split.rawValue), has \(frames) annotated frames")
        }
    }

    // MARK: Clips

    package func clip(_ index: Int) throws -> AnnotatedClip {
        let entry = entries[index]
        let windows = try ClipAudio(entry.audio).windows(entry.windows)
        return AnnotatedClip(
            name: entry.name,
            frames: try (0..<frames).map { i in
                let image = try ImageFile.read(entry.frames[i])
                let truth = try LabelPicture(entry.masks[i], classes: classes.count)
                return AnnotatedFrame(
                    image: image, truth: truth.resized(image.width, image.height), sound: windows[i])
            })
    }

    // MARK: Lists

    private static func singleSource(_ root: URL, _ semantic: URL, _ split: Split) throws -> [Entry] {
        let rows = try table(
            root.appending(path: "Single-source/s4_meta_data.csv"), ["name", "category", "split"])
        let folders = try ClipFolders(semantic.appending(path: "v1s"))
        return try rows.filter { $0["split"] == split.rawValue }.compactMap { row in
            guard let name = row["name"], let category = row["category"] else { return nil }
            if split == .train, name == droppedFromS4 { return nil }
            let pictures = root.appending(
                path: "Single-source/s4_data/visual_frames/\(split.rawValue)/\(category)/\(name)")
            let truth = try folders.find(name)
            return Entry(
                name: name, frames: (1...5).map { pictures.appending(path: "\(name)_\($0).png").path },
                masks: labels(truth, split == .train ? 1 : 5), audio: truth.appending(path: "audio.wav").path,
                windows: 5)
        }
    }

    private static func multiSources(_ root: URL, _ semantic: URL, _ split: Split) throws -> [Entry] {
        let rows = try table(root.appending(path: "Multi-sources/ms3_meta_data.csv"), ["split"])
        let folders = try ClipFolders(semantic.appending(path: "v1m"))
        return try rows.filter { $0["split"] == split.rawValue }.compactMap { row in
            // The releases differ in what the first column is called.
            guard let name = row["name"] ?? row["video_id"] ?? row["uid"] else { return nil }
            let pictures = root.appending(path: "Multi-sources/ms3_data/visual_frames/\(name)")
            let truth = try folders.find(name)
            return Entry(
                name: name, frames: (1...5).map { pictures.appending(path: "\(name).mp4_\($0).png").path },
                masks: labels(truth, 5), audio: truth.appending(path: "audio.wav").path, windows: 5)
        }
    }

    private static func semanticSet(_ semantic: URL, _ split: Split) throws -> [Entry] {
        let rows = try table(semantic.appending(path: "metadata.csv"), ["uid", "label", "split"])
        return rows.filter { $0["split"] == split.rawValue }.compactMap { row in
            guard let uid = row["uid"], let label = row["label"] else { return nil }
            let clip = semantic.appending(path: "\(label)/\(uid)"), count = label == "v2" ? 10 : 5
            let isPNG = exists(clip.appending(path: "frames/0.png"))
            return Entry(
                name: uid,
                frames: (0..<count).map {
                    clip.appending(path: "frames/\($0).\(isPNG ? "png" : "jpg")").path
                },
                masks: labels(clip, label == "v1s" && split == .train ? 1 : count),
                audio: clip.appending(path: "audio.wav").path, windows: count)
        }
    }

    private static func labels(_ clip: URL, _ count: Int) -> [String] {
        (0..<count).map { clip.appending(path: "labels_rgb/\($0).png").path }
    }

    /// Rows of a list by column name.
    private static func table(_ file: URL, _ columns: [String]) throws -> [[String: String]] {
        let csv: CSV<Named>
        do { csv = try CSV<Named>(url: file, delimiter: .comma, loadColumns: false) } catch {
            throw DatasetError(.unreadable, file.path, "not a readable list of clips: \(error)")
        }
        for column in columns where !csv.header.contains(column) {
            throw DatasetError(
                .unreadable, file.path, "has no column \(column), but \(csv.header.joined(separator: ", "))")
        }
        return csv.rows
    }

    /// AVSBench's classes, or those of a `label2idx.json` beside the list.
    private static func classNames(_ folder: URL) throws -> [String] {
        let file = folder.appending(path: "label2idx.json")
        guard let data = FileManager.default.contents(atPath: file.path) else { return avsBenchClasses }
        guard let ids = try? JSONDecoder().decode([String: Int].self, from: data), !ids.isEmpty else {
            throw DatasetError(.unreadable, file.path, "expected an object of names and numbers")
        }
        // Copies count from 0 or from 1: the order is what they share.
        return ids.sorted { $0.value < $1.value }.map(\.key)
    }

    private static func exists(_ file: URL) -> Bool { FileManager.default.fileExists(atPath: file.path) }
}

/// Folders of clips by the names that lists use: a folder may carry a suffix.
private struct ClipFolders {
    private let folder: URL
    private let names: [String]

    init(_ folder: URL) throws {
        self.folder = folder
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() } catch {
            throw DatasetError(.missing, folder.path, "expected a folder of clips")
        }
    }

    /// The folder of this name, else the only one that begins with it and an underscore.
    func find(_ name: String) throws -> URL {
        if names.contains(name) { return folder.appending(path: name) }
        let similar = names.filter { $0.hasPrefix(name + "_") }
        guard similar.count < 2 else {
            throw DatasetError(
                .ambiguous, folder.appending(path: name).path, "could be \(similar.joined(separator: " or "))"
            )
        }
        guard let only = similar.first else {
            throw DatasetError(.missing, folder.appending(path: name).path, "no folder of this name")
        }
        return folder.appending(path: only)
    }
}

extension LabelPicture {
    /// The nearest label at each pixel of another size.
    func resized(_ newWidth: Int, _ newHeight: Int) -> [UInt8] {
        guard newWidth != width || newHeight != height else { return labels }
        return (0..<newWidth * newHeight).map { i in
            let (y, x) = (i / newWidth, i % newWidth)
            return labels[y * height / newHeight * width + x * width / newWidth]
        }
    }
}
