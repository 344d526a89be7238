// SPDX-License-Identifier: Apache-2.0

/// What a dataset's folder lacks or has wrong: the path, what was expected and what was found.
package struct DatasetError: Error, CustomStringConvertible, Sendable {
    package enum Kind: String, Sendable, CaseIterable, Codable {
        case missing, unreadable, ambiguous, unknownColor, wrongCount, missingAudio, shortAudio, emptyMask,
            empty,
            otherClasses

        /// Right in some clips: nothing that is seen sounds.
        package var isHarmless: Bool { self == .emptyMask }

        /// For people.
        package var words: String {
            switch self {
            case .missing: "missing files or folders"
            case .unreadable: "unreadable files"
            case .ambiguous: "ambiguous directories"
            case .unknownColor: "label pictures with unknown colours or classes"
            case .wrongCount: "wrong numbers of frames"
            case .missingAudio: "clips without audio"
            case .shortAudio: "clips with short audio"
            case .emptyMask: "frames on which nothing is marked"
            case .empty: "lists without a usable clip"
            case .otherClasses: "data with other classes than the first"
            }
        }
    }
    package var kind: Kind
    package var path: String
    package var detail: String
    package var description: String { "\(path): \(detail)" }

    package init(_ kind: Kind, _ path: String, _ detail: String) {
        (self.kind, self.path, self.detail) = (kind, path, detail)
    }

    static func noClip(of folder: DatasetFolder) -> DatasetError {
        DatasetError(
            .empty, folder.path,
            "no clip of \(folder.title) has truth" + (folder.list.map { " and is in \($0)" } ?? ""))
    }

    static func otherClasses(_ classes: [String], than first: [String], _ path: String) -> DatasetError {
        let place = zip(first, classes).enumerated().first { $1.0 != $1.1 }
        let difference = place.map { "class \($0.offset) is \($0.element.1), not \($0.element.0)" }
        return DatasetError(
            .otherClasses, path,
            "all data of a run needs the same classes; there are \(classes.count) beside \(first.count)"
                + (difference.map { ", and \($0)" } ?? ""))
    }
}
