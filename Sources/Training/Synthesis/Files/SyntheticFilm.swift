// SPDX-License-Identifier: Apache-2.0
package import Media

/// One synthetic scene as a video whose truth is known on every frame.
package struct SyntheticFilm {
    package static let frameCount = SyntheticVideo.frameCount

    package let width, height: Int
    private let scene: SyntheticScene
    private let sound: SyntheticSound

    /// A scene in which something sounds; each seed gives another.
    package init(seed: UInt64, level: SyntheticLevel, width: Int, height: Int) {
        var options = SyntheticClips.Options(seed: seed, count: 1)
        (options.levels, options.kinds) = ([level: 1], [.sounding: 1])
        let clips = SyntheticClips(options)
        (self.width, self.height) = (width, height)
        (scene, sound) = (clips.scene(0), clips.sound(0))
    }

    /// Names of the classes that can be seen, and that can be heard, at any time.
    package var seen: [String] { scene.classes.map(\.name) }
    package var heard: [String] { sound.scores.map(\.item.name) }

    /// Class of what sounds at each pixel of a frame; 0 is background.
    package func truth(frame: Int) -> [UInt8] {
        let time = Double(frame) / Double(SyntheticVideo.framesPerSecond)
        return sound.sounding(at: time).masking(scene.render(at: time, width: width, height: height).visible)
    }

    /// A frame's picture, RGB, `[height, width, 3]`.
    package func picture(frame: Int) -> [UInt8] {
        let time = Double(frame) / Double(SyntheticVideo.framesPerSecond)
        return scene.render(at: time, width: width, height: height).image.pixels
    }

    /// 5 s at 16 kHz, mono.
    package var samples: [Float] { sound.render() }

    /// As mp4.
    package func write(to path: String) throws(MediaError) {
        let video = SyntheticVideo(width: width, height: height)
        try video.write(sound.render(), to: path) { (_, time) throws(MediaError) in
            scene.render(at: time, width: width, height: height).image.pixels
        }
    }
}
