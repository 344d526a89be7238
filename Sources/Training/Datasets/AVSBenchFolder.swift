// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import SwiftCSV

/// AVSBench's folders as its releases unpack: `Single-source`, `Multi-sources` and `AVSSBench`, or the last alone.
///
/// Pictures of S4 and MS3 come from the object release, truth and sound from the semantic one; where that is not
/// there, the object release's own masks are used, which do not say what sounds.
/// Source: `configs/sam_avs_adapter.yaml` and the loaders of the published code; AVSBench's own layout.
struct AVSBenchFolder {
    private let folder: DatasetFolder
    private let root, semantic: URL
    private let classes: [String]

    /// Dropped from training by the published loader.
    private static let droppedFromS4 = "vhUM-UOKpSk"
    /// Sides to which the published loaders first bring pictures.
    private static let objectSide = 1024, semanticSide = 512

    init(_ folder: DatasetFolder) throws {
        self.folder = folder
        root = URL(fileURLWithPath: folder.path)
        semantic =
            Self.exists(root.appending(path: "metadata.csv")) ? root : root.appending(path: "AVSSBench")
        classes = try Self.classNames(semantic)
    }

    func list() throws -> ClipList {
        switch folder.layout {
        case .s4: try objectSet("Single-source", "s4", columns: ["name", "category", "split"])
        case .ms3: try objectSet("Multi-sources", "ms3", columns: ["split"])
        default: try semanticSet()
        }
    }

    // MARK: S4 and MS3

    private func objectSet(_ release: String, _ set: String, columns: [String]) throws -> ClipList {
        let base = root.appending(path: release)
        let rows = try Self.table(base.appending(path: "\(set)_meta_data.csv"), columns)
        let data = base.appending(path: "\(set)_data")
        let truth = semantic.appending(path: set == "s4" ? "v1s" : "v1m")
        let isObjectOnly =
            !Self.exists(truth) && Self.exists(data.appending(path: "gt_masks"))
        var list = ClipList(classes: classes)
        let folders = isObjectOnly ? nil : try ClipFolders(truth)
        for row in rows where row["split"] == folder.split.rawValue {
            // The releases differ in what the first column is called.
            guard let name = row["name"] ?? row["video_id"] ?? row["uid"] else { continue }
            if set == "s4", folder.split == .train, name == Self.droppedFromS4 { continue }
            let place = ObjectClip(
                name: name, category: set == "s4" ? row["category"] : nil, split: folder.split.rawValue)
            list.add(name) { () throws(DatasetError) in
                var clip = place.files(data)
                clip.publishedSide = Self.objectSide
                if let folders { Self.take(try folders.find(name), into: &clip) }
                if set == "s4", folder.split == .train {
                    clip.masks.replaceSubrange(1..., with: Self.noTruth(4))
                }
                return clip
            }
        }
        return list
    }

    /// Truth and sound of the semantic release.
    private static func take(_ truth: URL, into clip: inout PictureClip) {
        clip.masks = labels(truth, 5)
        clip.audio = truth.appending(path: "audio.wav").path
        clip.form = .classes
    }

    /// Where the object release has a clip.
    private struct ObjectClip {
        var name: String
        /// Of the single-source set.
        var category: String?
        var split: String

        func files(_ data: URL) -> PictureClip {
            let inner = category.map { "\(split)/\($0)" } ?? split
            let pictures = "visual_frames/\(category == nil ? name : "\(inner)/\(name)")"
            let ending = category == nil ? ".mp4" : ""
            return PictureClip(
                name: name,
                frames: (1...5).map { data.appending(path: "\(pictures)/\(name)\(ending)_\($0).png").path },
                masks: (1...5).map {
                    data.appending(path: "gt_masks/\(inner)/\(name)/\(name)_\($0).png").path
                },
                form: .binary, audio: data.appending(path: "audio_wav/\(inner)/\(name).wav").path,
                times: AVSBenchFolder.times(5), expectedFrames: 5)
        }
    }

    // MARK: The semantic set

    private func semanticSet() throws -> ClipList {
        let rows = try Self.table(semantic.appending(path: "metadata.csv"), ["uid", "label", "split"])
        var list = ClipList(classes: classes)
        for row in rows where row["split"] == folder.split.rawValue {
            guard let uid = row["uid"], let name = row["label"] else { continue }
            guard let label = DatasetFolder.Label(rawValue: name) else {
                list.add(uid) { () throws(DatasetError) in
                    throw DatasetError(
                        .unreadable, semantic.appending(path: "metadata.csv").path,
                        "\(uid): expected v1s, v1m or v2 as its label, found \(name)")
                }
                continue
            }
            if folder.labels.contains(label) { list.add(uid) { semanticClip(uid, label) } }
        }
        return list
    }

    private func semanticClip(_ uid: String, _ label: DatasetFolder.Label) -> PictureClip {
        let clip = semantic.appending(path: "\(label.rawValue)/\(uid)"), count = label == .v2 ? 10 : 5
        let isPNG = Self.exists(clip.appending(path: "frames/0.png"))
        let annotated = label == .v1s && folder.split == .train ? 1 : count
        return PictureClip(
            name: uid,
            frames: (0..<count).map { clip.appending(path: "frames/\($0).\(isPNG ? "png" : "jpg")").path },
            masks: Self.labels(clip, annotated) + Self.noTruth(count - annotated),
            audio: clip.appending(path: "audio.wav").path, times: Self.times(count), expectedFrames: count,
            publishedSide: Self.semanticSide)
    }

    /// AVSBench takes the last of 16 pictures of each second.
    private static func times(_ count: Int) -> [Double] { (0..<count).map { Double($0) + 15 / 16 } }

    private static func noTruth(_ count: Int) -> [String?] { Array(repeating: nil, count: count) }

    private static func labels(_ clip: URL, _ count: Int) -> [String?] {
        (0..<count).map { clip.appending(path: "labels_rgb/\($0).png").path }
    }

    // MARK: Lists

    /// Rows of a list by column name.
    private static func table(_ file: URL, _ columns: [String]) throws -> [[String: String]] {
        guard exists(file) else { throw DatasetError(.missing, file.path, "expected a list of clips") }
        guard
            let text = FileManager.default.contents(atPath: file.path).flatMap({
                String(validating: $0, as: UTF8.self)
            })
        else { throw DatasetError(.unreadable, file.path, "not a readable list of clips") }
        let csv: CSV<Named>
        do { csv = try CSV<Named>(string: text, delimiter: .comma, loadColumns: false) } catch {
            throw DatasetError(
                .unreadable, file.path, "a quotation mark is not the first or last of its field")
        }
        for column in columns where !csv.header.contains(column) {
            throw DatasetError(
                .unreadable, file.path, "has no column \(column), but \(csv.header.joined(separator: ", "))")
        }
        return csv.rows
    }

    /// AVSBench's classes, or those of a `label2idx.json` in the folder.
    static func classNames(_ folder: URL) throws -> [String] {
        let file = folder.appending(path: "label2idx.json")
        guard let data = FileManager.default.contents(atPath: file.path) else { return avsBenchClasses }
        guard let ids = try? JSONDecoder().decode([String: Int].self, from: data), !ids.isEmpty else {
            throw DatasetError(.unreadable, file.path, "expected an object of names and numbers")
        }
        guard ids.count <= 256, Set(ids.values).count == ids.count else {
            throw DatasetError(
                .unreadable, file.path,
                "\(ids.count) names with \(Set(ids.values).count) numbers; at most 256, each its own")
        }
        // Copies count from 0 or from 1: the order is what they share.
        return ids.sorted { $0.value < $1.value }.map(\.key)
    }

    private static func exists(_ file: URL) -> Bool { FileManager.default.fileExists(atPath: file.path) }
}

/// Folders of clips by the names that lists use: a folder may carry a suffix.
private struct ClipFolders {
    private let folder: URL
    private let names: Set<String>
    private let sorted: [String]

    init(_ folder: URL) throws {
        self.folder = folder
        do { sorted = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() } catch {
            throw DatasetError(.missing, folder.path, "expected a folder of clips")
        }
        names = Set(sorted)
    }

    /// The folder of this name, else the only one that begins with it and an underscore.
    func find(_ name: String) throws(DatasetError) -> URL {
        if names.contains(name) { return folder.appending(path: name) }
        let similar = sorted.filter { $0.hasPrefix(name + "_") }
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
