// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Why a checkpoint could not be read, matched against a model, or written.
///
/// `description` is one line: file, key (if one tensor is to blame), what was expected and what was found.
package struct CheckpointError: Error, CustomStringConvertible, Equatable {
    package enum Code: String, Sendable {
        case cannotOpen, cannotWrite, outputExists
        case unknownFormat, unsupportedFormat, unsupportedType
        case corruptFile, forbiddenPickle, limitExceeded
        case missingTensor, unusedTensor, duplicateTensor, shapeMismatch
    }

    package var code: Code
    package var path: String
    /// Dotted key of the tensor; empty when the file as a whole is meant.
    package var key: String
    package var detail: String

    package init(_ code: Code, path: String = "", key: String = "", _ detail: String) {
        self.code = code
        self.path = path
        self.key = key
        self.detail = detail
    }

    package var description: String {
        [path, key, detail].filter { !$0.isEmpty }.map(Self.oneLine).joined(separator: ": ")
    }

    /// Keys and names come from the file: no control characters and no endless lines in a message.
    private static func oneLine(_ text: String) -> String {
        let clean = String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(400).map { $0.value < 0x20 ? "\u{FFFD}" : $0 }))
        return clean.unicodeScalars.count < text.unicodeScalars.count ? clean + "…" : clean
    }

    /// The reason of a failed system call, for `detail`.
    static func systemReason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
