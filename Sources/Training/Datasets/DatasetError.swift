// SPDX-License-Identifier: Apache-2.0

/// What a dataset's folder lacks or has wrong: the path, what was expected and what was found.
package struct DatasetError: Error, CustomStringConvertible, Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        case missing, unreadable, ambiguous, unknownColor, wrongCount, shortAudio, empty
    }
    package var kind: Kind
    package var path: String
    package var detail: String
    package var description: String { "\(path): \(detail)" }

    package init(_ kind: Kind, _ path: String, _ detail: String) {
        (self.kind, self.path, self.detail) = (kind, path, detail)
    }
}
