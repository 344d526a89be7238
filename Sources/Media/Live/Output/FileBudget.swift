// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Keeps the files of one stream within a number of bytes by removing the oldest.
struct FileBudget: Sendable {
    let folder: String
    let stream: String
    let bytes: Int

    /// Removes what is too much; the newest file, which is being written, always stays.
    func enforce() {
        var files = files
        var total = files.reduce(0) { $0 + $1.size }
        while total > bytes, files.count > 1 {
            let oldest = files.removeFirst()
            guard unlink("\(folder)/\(oldest.name)") == 0 else { continue }
            total -= oldest.size
        }
    }

    /// Removes what a kill or a power cut left of files that had just begun: nothing. To be called while none is written.
    func removeEmpty() {
        for file in files where file.size == 0 { unlink("\(folder)/\(file.name)") }
    }

    /// Those that this stream's output has named, and no others, the oldest first.
    private var files: [(name: String, size: Int)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return StampedName.ordered(names.filter(isOwn), of: stream, at: Date()).map { name in
            var info = stat()
            return (name, stat("\(folder)/\(name)", &info) == 0 ? Int(info.st_size) : 0)
        }
    }

    private func isOwn(_ name: String) -> Bool {
        guard name.hasSuffix(".mp4") || name.hasSuffix(".mkv") else { return false }
        return StampedName.isOne(name.dropLast(4), of: stream)
    }
}
