// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

extension PictureClip {
    /// Sound may end so much before the last frame: lengths of recordings differ a little.
    private static let missingSecondsAllowed = 0.25

    /// All that is wrong with the files, each of which is read.
    ///
    /// - Parameter classes: ids there are.
    func defects(classes: Int) -> [DatasetError] {
        let truths = masks.compactMap(\.self)
        let missing = [frames, truths].compactMap(Self.missing)
        return missing + surplusFrames + Self.present(frames).compactMap(Self.frameDefect)
            + Self.present(truths).compactMap { maskDefect($0, classes) } + soundDefects
    }

    /// One entry for each folder, not for each picture it lacks.
    private static func missing(_ files: [String]) -> DatasetError? {
        let absent = files.filter { !FileManager.default.fileExists(atPath: $0) }
        guard let first = absent.first else { return nil }
        let folder = URL(fileURLWithPath: first).deletingLastPathComponent().path
        guard FileManager.default.fileExists(atPath: folder) else {
            return DatasetError(.missing, folder, "expected a folder of \(files.count) pictures")
        }
        let names = absent.prefix(3).map { URL(fileURLWithPath: $0).lastPathComponent }
        return DatasetError(
            .wrongCount, folder,
            "\(files.count - absent.count) pictures, expected \(files.count): lacks "
                + names.joined(separator: ", ") + (absent.count > 3 ? ", …" : ""))
    }

    private var surplusFrames: [DatasetError] {
        guard let expectedFrames, let first = frames.first else { return [] }
        let folder = URL(fileURLWithPath: first).deletingLastPathComponent().path
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let found = names.count { name in ["png", "jpg", "jpeg"].contains { name.hasSuffix("." + $0) } }
        guard found > expectedFrames else { return [] }
        return [DatasetError(.wrongCount, folder, "\(found) pictures, expected \(expectedFrames)")]
    }

    private static func frameDefect(_ file: String) -> DatasetError? {
        failure(file) { _ = try ImageFile.read(file) }
    }

    private func maskDefect(_ file: String, _ classes: Int) -> DatasetError? {
        Self.failure(file) {
            if try LabelPicture(file, form, classes: classes).isEmpty {
                throw DatasetError(.emptyMask, file, "marks nothing")
            }
        }
    }

    private var soundDefects: [DatasetError] {
        guard FileManager.default.fileExists(atPath: audio) else {
            return [DatasetError(.missingAudio, audio, "no such file")]
        }
        let failure = Self.failure(audio) {
            let found = try ClipAudio(audio).seconds
            guard let last = times.last, found + Self.missingSecondsAllowed < last else { return }
            throw DatasetError(
                .shortAudio, audio,
                "\(Self.tenths(found)) s of sound; the last of \(frames.count) frames is at \(Self.tenths(last)) s"
            )
        }
        return failure.map { [$0] } ?? []
    }

    /// What `body` throws, as a defect of a file.
    private static func failure(_ path: String, _ body: () throws -> Void) -> DatasetError? {
        do {
            try body()
            return nil
        } catch let error as DatasetError {
            return error
        } catch let error as MediaError {
            return DatasetError(error.code == .noAudio ? .missingAudio : .unreadable, path, error.detail)
        } catch {
            return DatasetError(.unreadable, path, "\(error)")
        }
    }

    private static func tenths(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    private static func present(_ files: [String]) -> [String] {
        files.filter { FileManager.default.fileExists(atPath: $0) }
    }
}
