// SPDX-License-Identifier: Apache-2.0
import Media

/// Files of a clip whose frames are pictures.
struct PictureClip: Sendable {
    var name: String
    /// All pictures, in the order of time.
    var frames: [String]
    /// For each frame its truth; nil where it has none.
    var masks: [String?]
    var form = LabelPicture.Form.classes
    var audio: String
    /// Of each frame, in seconds from the start of the sound.
    var times: [Double]
    /// How many pictures their folder should hold; nil where any number is right.
    var expectedFrames: Int?
    /// See `AnnotatedClip`.
    var publishedSide: Int?

    var annotatedCount: Int { masks.count { $0 != nil } }

    /// Frames to read when at most `limit` are asked for: nothing is learnt from those after the last truth.
    func usedCount(_ limit: Int?) -> Int {
        let last = masks.prefix(max(1, limit ?? masks.count)).lastIndex { $0 != nil }
        return last.map { $0 + 1 } ?? 0
    }

    /// - Parameters:
    ///   - limit: frames to read at most, from the first on; all when nil.
    ///   - classes: ids there are.
    /// - Throws: `DatasetError`; what reading files throws.
    func read(_ limit: Int?, _ rule: FrameWindows, classes: Int) throws -> AnnotatedClip {
        let windows = try ClipAudio(audio).windows(rule, times: times)
        var clip = AnnotatedClip(
            name: name,
            frames: try (0..<usedCount(limit)).map { i in
                let image = try ImageFile.read(frames[i])
                let truth = try masks[i].map { try LabelPicture($0, form, classes: classes) }
                return AnnotatedFrame(
                    image: image, truth: truth?.resized(image.width, image.height), sound: windows[i])
            })
        (clip.namesClasses, clip.publishedSide) = (form == .classes, publishedSide)
        return clip
    }

    /// Classes that the truth of any frame marks.
    func markedClasses(_ classes: Int) throws -> Set<UInt8> {
        try masks.compactMap(\.self).reduce(into: Set()) {
            $0.formUnion(try LabelPicture($1, form, classes: classes).labels)
        }.subtracting([0])
    }
}
