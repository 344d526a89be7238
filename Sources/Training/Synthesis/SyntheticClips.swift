// SPDX-License-Identifier: Apache-2.0
import Media

/// Scenes with truth, made on the fly: the same options and index give the same clip, on any thread.
package struct SyntheticClips: ClipSource {
    /// What is heard: now this and now that, or always the same kind.
    package enum Sounds: String, CaseIterable, Sendable {
        case mixed, sounding, silent
        case offScreen = "off-screen"

        /// How likely each kind is.
        package var kinds: [SyntheticSound.Kind: Float] {
            switch self {
            case .mixed: [.sounding: 0.78, .silent: 0.06, .roomNoise: 0.07, .offScreen: 0.09]
            case .sounding: [.sounding: 1]
            case .silent: [.silent: 1]
            case .offScreen: [.offScreen: 1]
            }
        }
    }

    package struct Options: Sendable {
        package var seed: UInt64
        package var count: Int
        /// How likely each level is.
        package var levels: [SyntheticLevel: Float] = [.easy: 1, .medium: 1, .hard: 1]
        /// How likely each kind of sound is.
        package var kinds = Sounds.mixed.kinds
        package var width = 128
        package var height = 128
        /// Frames of a clip.
        package var frames = 5
        /// Seconds between frames, the same within a clip; nil takes AVSBench's five frames, one a second.
        package var spacing: ClosedRange<Double>? = 0.1...1
        package var window = SoundWindow.causal
        /// Starts and stops of sounds only where all window rules agree on AVSBench's frames.
        package var isUnambiguous = false
        /// So many clips in a row show the same scene at the same times, with different sounds.
        package var soundsPerScene = 1

        package init(seed: UInt64, count: Int) {
            self.seed = seed
            self.count = count
        }
    }

    package let options: Options

    /// - Precondition: at least one level and one kind has a weight; counts and sizes are positive.
    package init(_ options: Options) {
        precondition(
            options.count >= 0 && options.frames > 0 && options.width > 0 && options.height > 0
                && options.soundsPerScene > 0, "SyntheticClips: \(options)")
        precondition(
            options.levels.values.contains { $0 > 0 } && options.kinds.values.contains { $0 > 0 },
            "SyntheticClips: no level or no kind is wanted")
        precondition(
            options.frames <= 5 || options.spacing != nil && options.window == .causal,
            "SyntheticClips: AVSBench's times and windows are for five frames")
        self.options = options
    }

    package var classes: [String] { SyntheticClass.names }
    package var count: Int { options.count }

    // MARK: What a clip is made of

    /// Numbers of one index for one purpose; clips that share a scene share those of the scene.
    private func random(_ index: Int, _ stream: UInt64, ofScene: Bool) -> SeededRandom {
        let number = ofScene ? index / options.soundsPerScene : index
        return SeededRandom(
            options.seed &+ UInt64(bitPattern: Int64(number)) &* 0x2545_F491_4F6C_DD1D, stream: stream)
    }

    package func level(_ index: Int) -> SyntheticLevel {
        var random = random(index, 11, ofScene: true)
        return SyntheticLevel.allCases[
            random.index(weights: SyntheticLevel.allCases.map { options.levels[$0] ?? 0 })]
    }

    package func kind(_ index: Int) -> SyntheticSound.Kind {
        var random = random(index, 12, ofScene: false)
        let kinds = SyntheticSound.Kind.allCases
        return kinds[random.index(weights: kinds.map { options.kinds[$0] ?? 0 })]
    }

    package func scene(_ index: Int) -> SyntheticScene {
        var random = random(index, 13, ofScene: true)
        return SyntheticScene(seed: random.next(), level: level(index))
    }

    package func sound(_ index: Int) -> SyntheticSound { sound(index, of: scene(index)) }

    private func sound(_ index: Int, of scene: SyntheticScene) -> SyntheticSound {
        SyntheticSound(
            scene: scene, seed: soundSeed(index), kind: kind(index), isUnambiguous: options.isUnambiguous)
    }

    private func soundSeed(_ index: Int) -> UInt64 {
        var random = random(index, 14, ofScene: false)
        return random.next()
    }

    /// When the frames are taken, in seconds.
    package func times(_ index: Int) -> [Double] {
        guard let spacing = options.spacing else {
            return Array(SoundWindow.officialTimes.prefix(options.frames))
        }
        var random = random(index, 15, ofScene: true)
        let earliest = 0.3
        let gaps = Double(options.frames - 1)
        let longest = (SyntheticSound.seconds - earliest) / max(gaps, 1)
        // Short gaps are as likely as long ones.
        let (least, most) = (min(spacing.lowerBound, longest), min(spacing.upperBound, longest))
        let gap = random.chance(0.5) ? random.double(least...(least + most) / 2) : random.double(least...most)
        // Most frames have a whole window behind them.
        let last = SyntheticSound.seconds - gaps * gap
        let first = last > 2 && random.chance(0.8) ? random.double(2...last) : random.double(earliest...last)
        return (0..<options.frames).map { first + Double($0) * gap }
    }

    // MARK: Clips

    package func clip(_ index: Int) -> AnnotatedClip {
        let scene = scene(index)
        let shots = shots(index, of: scene)
        return clip("synth-\(options.seed)-\(index)", shots, sound(index, of: scene))
    }

    /// Class of the topmost object at each pixel of each frame, whether it sounds or not.
    package func visible(_ index: Int) -> [[UInt8]] { shots(index, of: scene(index)).map(\.visible) }

    /// One scene heard twice: each time a single class sounds throughout, and both are seen on every frame. Nil
    /// where the scene has no two such classes.
    package func swapped(_ index: Int) -> (first: AnnotatedClip, second: AnnotatedClip)? {
        let scene = scene(index)
        let shots = shots(index, of: scene)
        // At least 0.3 % of the picture: what is smaller is hardly seen.
        let least = options.width * options.height * 3 / 1000
        let seen = scene.classes.filter { item in
            shots.allSatisfy { $0.visible.count { $0 == item.rawValue } > least }
        }
        guard seen.count >= 2 else { return nil }
        var random = random(index, 16, ofScene: false)
        let pair = random.shuffled(seen)
        let clips = pair.prefix(2).map { item in
            clip(
                "synth-\(options.seed)-\(index)-\(item.name)", shots,
                SyntheticSound(scene: scene, seed: soundSeed(index), only: item))
        }
        return (clips[0], clips[1])
    }

    private struct Shot {
        var time: Double
        var image: RGBImage
        var visible: [UInt8]
    }

    private func shots(_ index: Int, of scene: SyntheticScene) -> [Shot] {
        times(index).map { time in
            let (image, visible) = scene.render(at: time, width: options.width, height: options.height)
            return Shot(time: time, image: image, visible: visible)
        }
    }

    private func clip(_ name: String, _ shots: [Shot], _ sound: SyntheticSound) -> AnnotatedClip {
        let samples = sound.render()
        let frames = shots.enumerated().map { frame, shot in
            let sounding = options.window.sounding(sound, at: shot.time, frame: frame)
            let span = options.window.range(at: shot.time, frame: frame)
            let first = Int(span.lowerBound * Double(SyntheticSound.sampleRate))
            let end = min(samples.count, Int(span.upperBound * Double(SyntheticSound.sampleRate)))
            return AnnotatedFrame(
                image: shot.image, truth: sounding.masking(shot.visible),
                sound: Array(samples[min(first, end)..<end]), heard: sounding.ids, visible: shot.visible)
        }
        return AnnotatedClip(name: name, frames: frames)
    }
}
