// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A folder with one file for each frame: `000000.png`, `000001.png`, …
struct FrameFolder {
    private let path: String
    private let suffix: String

    /// Makes the folder where it is not there.
    ///
    /// - Parameter overwrites: takes a folder that is not empty, whose files `clear()` then removes.
    /// - Throws: where the folder cannot be made or written, or is not empty: files of a longer run would stay among
    ///   those of this one.
    init(path: String, suffix: String, overwrites: Bool) throws {
        (self.path, self.suffix) = (path, suffix)
        try makeFolder(path)
        guard !overwrites, let entry = try entries().min() else { return }
        throw StreamError(
            .cannotWrite, path,
            "is not empty (\(entry)): name another folder, or let --overwrite remove its "
                + "\(String(repeating: "0", count: Self.digits)).\(suffix) and so on")
    }

    /// Removes what an earlier run wrote, and nothing else.
    func clear() throws {
        for name in try entries() where isFrame(name) {
            guard unlink("\(path)/\(name)") != 0, errno != ENOENT else { continue }
            throw StreamError(.cannotWrite, "\(path)/\(name)", "cannot be removed: \(lastSystemError())")
        }
    }

    func file(_ number: Int) -> String {
        let digits = String(number)
        let zeros = String(repeating: "0", count: max(0, Self.digits - digits.count))
        return "\(path)/\(zeros)\(digits).\(suffix)"
    }

    private static let digits = 6

    private func isFrame(_ name: String) -> Bool {
        guard name.hasSuffix(".\(suffix)") else { return false }
        let stem = name.dropLast(suffix.count + 1)
        return stem.count >= Self.digits && stem.utf8.allSatisfy { (48...57).contains($0) }
    }

    private func entries() throws -> [String] {
        guard let folder = opendir(path) else {
            throw StreamError(.cannotWrite, path, "cannot be read: \(lastSystemError())")
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }
}
