// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// Keeps the clips of one stream within a number of bytes by removing the oldest.
struct ClipBudget {
    private let place: String
    private let bytes: Int
    /// In the order of time.
    private var clips: [(name: String, size: Int)]

    /// Counts what earlier runs have left, and removes what they could not complete.
    init(folder: String, stream: String, bytes: Int) {
        (place, self.bytes) = ("\(folder)/\(RecordedClip.split)", bytes)
        let files = FileManager.default
        clips = []
        let own = ((try? files.contentsOfDirectory(atPath: place)) ?? []).filter {
            StampedName.isOne($0, of: stream)
        }
        for name in StampedName.ordered(own, of: stream, at: Date()) {
            let path = "\(place)/\(name)"
            if files.fileExists(atPath: "\(path)/\(RecordedClip.description)") {
                clips.append((name, Self.size(path)))
            } else {
                try? files.removeItem(atPath: path)
            }
        }
        enforce()
    }

    /// Counts a clip that is complete.
    mutating func add(_ name: String) {
        clips.append((name, Self.size("\(place)/\(name)")))
        enforce()
    }

    /// The newest one stays.
    private mutating func enforce() {
        var total = clips.reduce(0) { $0 + $1.size }
        while total > bytes, clips.count > 1 {
            let oldest = clips.removeFirst()
            try? FileManager.default.removeItem(atPath: "\(place)/\(oldest.name)")
            total -= oldest.size
        }
    }

    /// What it takes of the disk, in whole blocks.
    private static func size(_ path: String) -> Int {
        guard let all = FileManager.default.enumerator(atPath: path) else { return 0 }
        return all.reduce(0) { sum, file in
            var info = stat()
            return stat("\(path)/\(file)", &info) == 0 ? sum + Int(info.st_blocks) * 512 : sum
        }
    }
}
