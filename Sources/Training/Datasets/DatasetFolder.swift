// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A part of a dataset on disk, as a user names it.
package struct DatasetFolder: Sendable, Equatable {
    /// How the files lie in the folder.
    package enum Layout: String, Sendable, CaseIterable {
        /// AVSBench's single-source, multi-sources and semantic sets.
        case s4, ms3, avss
        /// Our own: see `RecordingFolder`.
        case recordings
    }
    package enum Split: String, Sendable, CaseIterable { case train, val, test }
    /// The parts of the semantic set.
    package enum Label: String, Sendable, CaseIterable { case v1s, v1m, v2 }

    package var path: String
    package var layout: Layout
    package var split: Split
    /// Of the semantic set.
    package var labels = Set(Label.allCases)
    /// Only clips with these classes, as AVSBench-OV parts the semantic set; to know them, all truth is read first.
    package var vocabulary: OpenVocabulary.Part?
    /// File of the names of clips, one on each line, for published lists: only these are used.
    package var list: String?
    /// Of recordings: also those whose masks are a model's.
    package var takesDrafts = false
    package var windows = FrameWindows.official(.toEnd)
    /// Frames of a clip at most, from the first on; all when nil. Recordings are cut into pieces of so many.
    package var frames: Int?

    package init(_ path: String, _ layout: Layout, _ split: Split) {
        (self.path, self.layout, self.split) = (path, layout, split)
    }

    /// For logs and reports.
    package var title: String {
        let parts = labels.count < Label.allCases.count ? labels.map(\.rawValue).sorted() : []
        return ([layout.rawValue, split.rawValue] + parts + (vocabulary.map { [$0.rawValue] } ?? []))
            .joined(separator: "-")
    }

    /// What the folder lists, whether the files are there or not.
    ///
    /// - Throws: `DatasetError` where there is no list, or it lacks a column.
    func clips() throws -> ClipList {
        var clips =
            switch layout {
            case .s4, .ms3, .avss: try AVSBenchFolder(self).list()
            case .recordings: try RecordingFolder(self).list()
            }
        if let names = try listedNames() { clips.clips.removeAll { !names.contains($0.name) } }
        return clips
    }

    private func listedNames() throws -> Set<String>? {
        guard let list else { return nil }
        guard let data = FileManager.default.contents(atPath: list),
            let text = String(validating: data, as: UTF8.self)
        else { throw DatasetError(.unreadable, list, "not a readable list of clips") }
        return Set(text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) })
    }
}

/// The clips of a folder. They are read when asked for.
package struct FolderDataset: ClipSource {
    package let classes: [String]
    package let namesClasses: Bool
    package var count: Int { clips.count }
    let clips: [PictureClip]
    private let frames: Int?
    private let windows: FrameWindows

    /// - Throws: `DatasetError` for a list that is missing, the first clip whose folder is missing or ambiguous, or
    ///   where no clip is left.
    package init(_ folder: DatasetFolder) throws {
        let list = try folder.clips()
        (classes, frames, windows) = (list.classes, folder.frames, folder.windows)
        var clips = try list.clips.map { try $0.files.get() }.filter { $0.usedCount(folder.frames) > 0 }
        if let part = folder.vocabulary { clips = try part.selection(of: clips, classes: list.classes.count) }
        guard !clips.isEmpty else { throw DatasetError.noClip(of: folder) }
        self.clips = clips
        namesClasses = clips.contains { $0.form == .classes }
    }

    package func clip(_ index: Int) throws -> AnnotatedClip {
        try clips[index].read(frames, windows, classes: classes.count)
    }
}
