// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Media
import Synchronization
import TensorEngine

/// Writes synthetic clips to a folder, as AVSBench's semantic subset has them, and as videos.
///
///     metadata.csv  label2idx.json            uid, label (v1m), split; names of the classes
///     clips.csv                               what each clip holds: level, kind, classes seen and heard
///     v1m/{uid}/audio.wav                     5 s, 16 kHz, mono, 16 bits
///     v1m/{uid}/frames/{0…4}.png              at i + 15/16 s
///     v1m/{uid}/labels_rgb/{0…4}.png          what sounds on them, in the colours of `ClassPalette`
///     v1m/{uid}/clip.mp4                      25 frames per second with the sound
///     v1m/{uid}/truth/{000000…000124}.png     what sounds on each of its frames; a pixel's index is its class
///
/// The five frames have one truth by AVSBench's windows and by causal ones. The files are the same, byte for byte,
/// for the same options and versions of the encoders.
package struct SyntheticDataset: Sendable {
    package struct Options: Sendable {
        package var seed: UInt64 = 0
        package var clips = 10
        /// Nil mixes all levels.
        package var level: SyntheticLevel?
        package var width = 256
        package var height = 256
        package var writesFrames = true
        package var writesVideo = false

        package init() {}
    }

    package let path: String
    private let options: Options
    private let source: SyntheticClips

    package init(_ path: String, _ options: Options) {
        self.path = path
        self.options = options
        source = Self.clips(options)
    }

    /// The clips that are written, for looking at them beforehand.
    package static func clips(_ options: Options) -> SyntheticClips {
        var clips = SyntheticClips.Options(seed: options.seed, count: options.clips)
        if let level = options.level { clips.levels = [level: 1] }
        (clips.width, clips.height) = (options.width, options.height)
        clips.spacing = nil
        clips.isUnambiguous = true
        return SyntheticClips(clips)
    }

    /// Writes everything; what was begun is removed when something fails.
    ///
    /// - Parameter progress: gets the number of clips that are done, from any thread.
    /// - Throws: `MediaError`; `.notWritable` where there is something at the path already.
    package func write(progress: @Sendable (Int) -> Void = { _ in }) throws(MediaError) {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw MediaError(.notWritable, path, "exists already: choose another folder")
        }
        try Self.makeFolder(path)
        do {
            try writeClips(progress)
            try writeTables()
        } catch {
            try? FileManager.default.removeItem(atPath: path)
            throw error
        }
    }

    private func writeClips(_ progress: @Sendable (Int) -> Void) throws(MediaError) {
        let state = Mutex((done: 0, failure: MediaError?.none))
        ThreadPool.shared.run(options.clips) { index in
            guard state.withLock({ $0.failure == nil }) else { return }
            do throws(MediaError) {
                try write(index)
                progress(
                    state.withLock {
                        $0.done += 1; return $0.done
                    })
            } catch { state.withLock { $0.failure = $0.failure ?? error } }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    // MARK: One clip

    /// Names are as long as one another: none begins with another.
    private func uid(_ index: Int) -> String {
        "synth_\(options.seed)_" + String(repeating: "0", count: max(0, 6 - "\(index)".count)) + "\(index)"
    }

    private func write(_ index: Int) throws(MediaError) {
        let folder = "\(path)/v1m/\(uid(index))"
        try Self.makeFolder(folder)
        let sound = source.sound(index)
        let samples = sound.render()
        if options.writesFrames {
            try Self.save(
                WaveFile.bytes(samples, sampleRate: SyntheticSound.sampleRate), "\(folder)/audio.wav")
            try writeFrames(source.clip(index), folder)
        }
        if options.writesVideo { try writeVideo(source.scene(index), sound, samples, folder) }
    }

    private func writeFrames(_ clip: AnnotatedClip, _ folder: String) throws(MediaError) {
        for part in ["frames", "labels_rgb"] { try Self.makeFolder("\(folder)/\(part)") }
        for (number, frame) in clip.frames.enumerated() {
            let (width, height) = (frame.image.width, frame.image.height)
            let picture = PNGImage(width: width, height: height, kind: .rgb, pixels: frame.image.pixels)
            try Self.save(PNGWriter.encode(picture), "\(folder)/frames/\(number).png")
            let colors = (frame.truth ?? []).flatMap { id in
                let (red, green, blue) = ClassPalette.color(id)
                return [red, green, blue]
            }
            let labels = PNGImage(width: width, height: height, kind: .rgb, pixels: colors)
            try Self.save(PNGWriter.encode(labels), "\(folder)/labels_rgb/\(number).png")
        }
    }

    private func writeVideo(
        _ scene: SyntheticScene, _ sound: SyntheticSound, _ samples: [Float], _ folder: String
    ) throws(MediaError) {
        try Self.makeFolder("\(folder)/truth")
        let video = SyntheticVideo(width: options.width, height: options.height)
        try video.write(samples, to: "\(folder)/clip.mp4") { (frame, time) throws(MediaError) in
            let (image, visible) = scene.render(at: time, width: options.width, height: options.height)
            let labels = PNGImage(
                width: image.width, height: image.height, kind: .palette(Self.palette),
                pixels: sound.sounding(at: time).masking(visible))
            let number = String(repeating: "0", count: 6 - "\(frame)".count) + "\(frame)"
            try Self.save(PNGWriter.encode(labels), "\(folder)/truth/\(number).png")
            return image.pixels
        }
    }

    private static let palette = SyntheticClass.names.indices.flatMap { id in
        let (red, green, blue) = ClassPalette.color(UInt8(id))
        return [red, green, blue]
    }

    // MARK: Tables

    private func writeTables() throws(MediaError) {
        var metadata = "uid,label,split\n"
        var clips = "uid,level,kind,visible,sounding\n"
        for index in 0..<options.clips {
            metadata += "\(uid(index)),v1m,\(split(index))\n"
            let seen = source.scene(index).classes.map(\.name).joined(separator: " ")
            let heard = source.sound(index).scores.map(\.item.name).joined(separator: " ")
            clips += "\(uid(index)),\(source.level(index)),\(source.kind(index)),\(seen),\(heard)\n"
        }
        let ids = SyntheticClass.names.enumerated().map { "  \"\($1)\": \($0)" }.joined(separator: ",\n")
        try Self.save(Array("{\n\(ids)\n}\n".utf8), "\(path)/label2idx.json")
        try Self.save(Array(clips.utf8), "\(path)/clips.csv")
        try Self.save(Array(metadata.utf8), "\(path)/metadata.csv")
    }

    /// Eight in ten for training, then one each; the clips are random, so their order may tell.
    private func split(_ index: Int) -> String {
        let held = Int((Double(options.clips) / 10).rounded())
        if index >= options.clips - held { return "test" }
        return index >= options.clips - 2 * held ? "val" : "train"
    }

    // MARK: Files

    private static func makeFolder(_ path: String) throws(MediaError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch { throw failure(error, path) }
    }

    static func save(_ bytes: [UInt8], _ path: String) throws(MediaError) {
        do {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
        } catch { throw failure(error, path) }
    }

    private static func failure(_ error: any Error, _ path: String) -> MediaError {
        let isFull = (error as? CocoaError)?.code == .fileWriteOutOfSpace
        return MediaError(isFull ? .diskFull : .notWritable, path, "cannot be written", debug: "\(error)")
    }
}
