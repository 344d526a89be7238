// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media

/// Writes pictures and sound as H.264 and AAC in mp4, the same bytes each time.
struct SyntheticVideo {
    static let framesPerSecond = 25
    static let frameCount = Int(SyntheticSound.seconds) * framesPerSecond

    let width, height: Int

    /// - Parameters:
    ///   - samples: 5 s at 16 kHz, mono.
    ///   - picture: RGB of a frame by its number and its time in seconds, `[height, width, 3]`.
    func write(
        _ samples: [Float], to path: String,
        picture: (Int, Double) throws(MediaError) -> [UInt8]
    ) throws(MediaError) {
        let (pictures, sound) = (path + ".rgb", path + ".wav")
        defer {
            try? FileManager.default.removeItem(atPath: pictures)
            try? FileManager.default.removeItem(atPath: sound)
        }
        try save(picture, to: pictures)
        try SyntheticDataset.save(
            WaveFile.bytes(samples, sampleRate: SyntheticSound.sampleRate), sound)
        try encode(pictures, sound, to: path)
        try MovieDates.erase(path)
    }

    private func save(
        _ picture: (Int, Double) throws(MediaError) -> [UInt8], to path: String
    ) throws(MediaError) {
        try SyntheticDataset.save([], path)
        guard let file = FileHandle(forWritingAtPath: path) else {
            throw MediaError(.notWritable, path, "cannot be written")
        }
        defer { try? file.close() }
        for frame in 0..<Self.frameCount {
            let pixels = try picture(frame, Double(frame) / Double(Self.framesPerSecond))
            do { try file.write(contentsOf: Data(pixels)) } catch {
                throw MediaError(.diskFull, path, "cannot be written", debug: "\(error)")
            }
        }
    }

    /// One thread for the encoder: how it splits a picture among several shows in the file. At 48 kHz what AAC
    /// adds before the sound is only 21 ms.
    private func encode(_ pictures: String, _ sound: String, to path: String) throws(MediaError) {
        let pipeline = try Pipeline(
            text: """
                filesrc name=pictures ! rawvideoparse format=rgb width=\(width) height=\(height)
                framerate=\(Self.framesPerSecond)/1 ! videoconvert
                ! video/x-raw, format=\(width % 2 == 0 && height % 2 == 0 ? "I420" : "Y444")
                ! x264enc threads=1 pass=qual quantizer=18 speed-preset=veryfast bframes=0 ! h264parse ! queue ! mux.
                filesrc name=sound ! wavparse ! audioconvert ! audioresample ! audio/x-raw, rate=48000
                ! avenc_aac bitrate=96000 ! aacparse ! queue ! mux.
                mp4mux name=mux ! filesink name=out
                """)
        for (element, file) in [("pictures", pictures), ("sound", sound), ("out", path)] {
            try pipeline.set("location", of: element, to: file)
        }
        try pipeline.setState(.playing)
        while true {
            switch pipeline.nextMessage(timeout: .seconds(60)) {
            case .endOfStream: return try pipeline.setState(.null)
            case .error(let error), .missingPlugin(let error): throw error
            case nil: throw MediaError(.stalled, path, "the clip could not be written")
            default: continue
            }
        }
    }
}
