// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TensorEngine

/// AVSBench-OV: training sees 40 of the 70 classes, the other 30 are for evaluation. Source: OV-AVSS's evaluation.
package enum OpenVocabulary {
    package static let seen = Set(
        [2, 4] + Array(6...12) + Array(16...21) + Array(26...29) + [31] + Array(35...38) + [
            40, 41, 43, 44, 46, 47, 48, 52, 55, 58, 59, 60, 62, 63, 67, 70,
        ])
    package static let unseen = Set(1...70).subtracting(seen)

    package enum Part: String, Sendable, CaseIterable {
        /// Clips in which only seen classes sound.
        case seen
        /// Clips in which at least one unseen class does.
        case unseen

        func holds(_ ids: Set<UInt8>) -> Bool {
            let hasUnseen = ids.contains { OpenVocabulary.unseen.contains(Int($0)) }
            return self == .unseen ? hasUnseen : !hasUnseen
        }
    }
}

extension OpenVocabulary.Part {
    /// Reads the truth of all clips on all cores.
    ///
    /// - Throws: `DatasetError` where the classes are not AVSBench's; what reading throws.
    func selection(of clips: [PictureClip], classes: Int) throws -> [PictureClip] {
        guard classes == 71 else {
            throw DatasetError(
                .unknownColor, "label2idx.json",
                "seen and unseen are parts of AVSBench's 71 classes; there are \(classes)")
        }
        let results = Mutex([Result<Set<UInt8>, any Error>?](repeating: nil, count: clips.count))
        ThreadPool.shared.run(clips.count) { index in
            let ids = Result { try clips[index].markedClasses(classes) }
            results.withLock { $0[index] = ids }
        }
        let found = try results.withLock { try $0.map { try $0?.get() ?? [] } }
        return zip(clips, found).filter { holds($1) }.map(\.0)
    }
}
