// SPDX-License-Identifier: Apache-2.0
import Foundation
import Streaming

/// A text file of class names: one on each line; empty lines and those that begin with # are left out.
enum ClassFile {
    /// Every name costs a pass through the text tower, and every window a comparison.
    static let mostNames = 10_000
    /// The text tower reads 75 tokens at most; a longer name would be cut without a word.
    static let longestName = 200
    private static let largestFile = 1 << 20
    /// Some editors begin a file with a byte order mark.
    private static let blanks = CharacterSet.whitespaces.union(["\u{feff}"])

    /// - Throws: `StreamError` with the file's name where it is not such a list.
    static func names(in path: String) throws -> [String] {
        let text = try text(of: path)
        let names = text.split(whereSeparator: \.isNewline)
            .map { $0.trimmingCharacters(in: blanks) }
            .filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard names.contains(where: { $0 != "background" }) else {
            throw refusal(path, "holds no class names")
        }
        guard names.count <= mostNames else {
            throw refusal(path, "holds \(names.count) class names, at most \(mostNames) are read")
        }
        if let long = names.first(where: { $0.utf8.count > longestName }) {
            throw refusal(
                path, "has a class name of \(long.utf8.count) bytes, at most \(longestName) are read")
        }
        if let twice = Dictionary(grouping: names, by: \.self).first(where: { $0.value.count > 1 })?.key {
            throw refusal(path, "has the class \(twice) twice")
        }
        return names
    }

    private static func text(of path: String) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue,
            let file = FileHandle(forReadingAtPath: path)
        else { throw refusal(path, "cannot be read as a text file of class names") }
        // One byte more than allowed tells a file that is too large, also where it has no size, as a pipe.
        guard let data = try file.read(upToCount: largestFile + 1) else {
            throw refusal(path, "holds no class names")
        }
        guard data.count <= largestFile else {
            throw refusal(path, "is larger than \(largestFile >> 20) MiB: not a list of class names")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw refusal(path, "is not UTF-8 text")
        }
        return text
    }

    private static func refusal(_ path: String, _ detail: String) -> StreamError {
        StreamError(.badOption, path, detail)
    }
}
