// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Keeps the files of one stream within a number of bytes by removing the oldest.
struct FileBudget: Sendable {
    let folder: String
    let stream: String
    let bytes: Int

    /// Removes what is too much; the newest file, which is being written, always stays.
    func enforce() {
        var files = files.sorted { $0.name < $1.name }
        var total = files.reduce(0) { $0 + $1.size }
        while total > bytes, files.count > 1 {
            let oldest = files.removeFirst()
            guard unlink("\(folder)/\(oldest.name)") == 0 else { continue }
            total -= oldest.size
        }
    }

    /// Those that this stream's output has named, and no others.
    private var files: [(name: String, size: Int)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter(isOwn).map { name in
            var info = stat()
            return (name, stat("\(folder)/\(name)", &info) == 0 ? Int(info.st_size) : 0)
        }
    }

    /// `NAME-YYYYmmdd-HHMMSS.mp4`, or with `_1` and so on before the dot.
    private func isOwn(_ name: String) -> Bool {
        guard name.hasPrefix("\(stream)-"), name.hasSuffix(".mp4") || name.hasSuffix(".mkv") else {
            return false
        }
        let stamp = name.dropFirst(stream.count + 1).dropLast(4)
        let parts = stamp.split(omittingEmptySubsequences: false) { "-_".contains($0) }
        let areNumbers = parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isASCII && $0.isNumber } }
        return areNumbers && (2...3).contains(parts.count) && parts[0].count == 8 && parts[1].count == 6
    }
}
