// SPDX-License-Identifier: Apache-2.0

/// The clips that a folder lists, with the names of their classes.
struct ClipList: Sendable {
    var classes: [String]
    var clips: [Listed] = []
    /// Recordings passed over, because nobody has looked at their masks.
    var drafts = 0

    /// A clip's files, or why they cannot be named.
    struct Listed: Sendable {
        var name: String
        var files: Result<PictureClip, DatasetError>
    }

    mutating func add(_ name: String, _ files: () throws(DatasetError) -> PictureClip) {
        do throws(DatasetError) {
            clips.append(Listed(name: name, files: .success(try files())))
        } catch {
            clips.append(Listed(name: name, files: .failure(error)))
        }
    }
}
