// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TensorEngine

/// What is wrong with a dataset on disk, found by reading every file of it.
package struct DatasetCheck: Sendable {
    /// Defects of one kind.
    package struct Finding: Sendable {
        package var kind: DatasetError.Kind
        package private(set) var count = 0
        /// The first ones.
        package private(set) var examples: [DatasetError] = []

        fileprivate mutating func add(_ error: DatasetError, limit: Int) {
            count += 1
            if examples.count < limit { examples.append(error) }
        }
    }

    package let title: String
    /// Clips that are listed, and frames of them whose truth was looked for.
    package private(set) var clips = 0, frames = 0
    /// Recordings that are passed over as drafts.
    package private(set) var drafts = 0
    /// Nil where the folder could not be listed.
    package private(set) var classes: [String]?
    private var byKind: [DatasetError.Kind: Finding] = [:]
    private let exampleLimit: Int
    /// Clips that are read at once; bounds what is held of their defects.
    private static let portion = 64

    /// Kinds that were found, in a fixed order.
    package var findings: [Finding] { DatasetError.Kind.allCases.compactMap { byKind[$0] } }
    /// Whether nothing was found that keeps a run from training.
    package var isUsable: Bool { findings.allSatisfy(\.kind.isHarmless) }

    /// Scenes made on the fly, with which nothing can be wrong.
    init(title: String, clips: Int, classes: [String]) {
        (self.title, self.clips, self.classes, exampleLimit) = (title, clips, classes, 0)
    }

    /// Reads everything, on all cores.
    ///
    /// - Parameters:
    ///   - examples: defects of each kind to keep at most.
    ///   - progress: gets the number of clips done and of all.
    package init(_ folder: DatasetFolder, examples: Int, progress: (Int, Int) -> Void = { _, _ in }) {
        var folder = folder
        // Pieces of a recording would read its sound again and again.
        if folder.layout == .recordings { folder.frames = nil }
        (title, exampleLimit) = ("\(folder.title) (\(folder.path))", examples)
        do {
            let list = try folder.clips()
            classes = list.classes
            (clips, drafts) = (list.clips.count, list.drafts)
            walk(list, progress)
            try requireClips(of: folder, list)
        } catch { add([DatasetError(wrapping: error, folder.path)]) }
    }

    private mutating func walk(_ list: ClipList, _ progress: (Int, Int) -> Void) {
        for first in stride(from: 0, to: list.clips.count, by: Self.portion) {
            let part = list.clips[first..<min(list.clips.count, first + Self.portion)]
            let found = Mutex([[DatasetError]](repeating: [], count: part.count))
            ThreadPool.shared.run(part.count) { index in
                let defects = Self.defects(part[first + index], classes: list.classes.count)
                found.withLock { $0[index] = defects }
            }
            for errors in found.withLock({ $0 }) { add(errors) }
            for case .success(let clip) in part.map(\.files) { frames += clip.annotatedCount }
            progress(first + part.count, list.clips.count)
        }
    }

    private static func defects(_ clip: ClipList.Listed, classes: Int) -> [DatasetError] {
        switch clip.files {
        case .success(let files): files.defects(classes: classes)
        case .failure(let error): [error]
        }
    }

    /// A list may be right, but leave nothing to learn from.
    private mutating func requireClips(of folder: DatasetFolder, _ list: ClipList) throws {
        guard isUsable else { return }
        var usable = list.clips.compactMap { try? $0.files.get() }.filter { $0.annotatedCount > 0 }
        if let part = folder.vocabulary {
            usable = try part.selection(of: usable, classes: list.classes.count)
        }
        if usable.isEmpty { throw DatasetError.noClip(of: folder) }
    }

    mutating func add(_ errors: [DatasetError]) {
        for error in errors {
            byKind[error.kind, default: Finding(kind: error.kind)].add(error, limit: exampleLimit)
        }
    }

    /// For people: what there is, then each kind of defect with its count, and paths below it.
    package var text: String {
        let head =
            "\(title): \(clips) clips" + (frames > 0 ? ", \(frames) frames with truth" : "")
            + (drafts > 0 ? "; \(drafts) recordings are drafts that nobody has looked at, passed over" : "")
        return ([head] + findings.flatMap(Self.lines)).joined(separator: "\n")
    }

    private static func lines(_ finding: Finding) -> [String] {
        let rest = finding.count - finding.examples.count
        return ["  \(finding.count) \(finding.kind.words)" + (finding.kind.isHarmless ? " (harmless)" : "")]
            + finding.examples.map { "    \($0)" } + (rest > 0 ? ["    … and \(rest) more"] : [])
    }
}

extension DatasetError {
    /// An error of any type as a defect of a path.
    init(wrapping error: any Error, _ path: String) {
        self = error as? DatasetError ?? DatasetError(.unreadable, path, "\(error)")
    }
}
