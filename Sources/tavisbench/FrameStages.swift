// SPDX-License-Identifier: Apache-2.0
import Media
import Models
import Streaming
import TensorEngine

// Whole frames of TAViS, as in the official test and as a live stream has them.
extension StageGroups {
    func frames(variants: [String]) -> [StageGroup] {
        variants.map { letter in
            let encoder = EncoderWork.variants[letter]?[0] ?? 0
            return StageGroup(
                {
                    let sam2 = try Self.config(letter, .v2_0, imageSize: 224)
                    return try precision.load {
                        try TAViS($0, TAViSConfig(sam2: sam2, imageBind: .huge))
                    }
                }, Self.official(letter, encoder: encoder) + Self.streams("tavis-\(letter)"))
        } + [mini]
    }

    /// What the built-in model is, on pictures as large as the others'.
    private var mini: StageGroup {
        StageGroup(
            {
                let dimensions = try ModelBundle.embedded().info.architecture
                return try precision.load { try TAViS($0, dimensions) }
            },
            [
                Stage("tavis-mini-frame-224", kind: .frame, gmac: 0) { model in
                    let input = FrameInput()
                    return { input.segment(model, input.sound(model), input.picture(model)) }
                }
            ] + Self.streams("tavis-mini") + Self.pictures("tavis-mini"))
    }

    /// What a frame costs that has its sound and its image token, alone, and in one pass with frames of three more streams:
    /// whether weights that are read once for four are worth it.
    private static func pictures(_ model: String) -> [Stage<TAViS>] {
        [1, 4].map { count in
            Stage("\(model)-picture-224" + (count > 1 ? "-x\(count)" : ""), gmac: 0) { model in
                let input = FrameInput(count)
                let prompts = input.sound(model), dense = input.picture(model)
                return { input.segment(model, prompts, dense) }
            }
        }
    }

    /// A frame with sound of its own, as `test_avs.py` has them, and its parts.
    private static func official(_ letter: String, encoder: Double) -> [Stage<TAViS>] {
        let name = "tavis-\(letter)-frame-224", decoder = 6 * ObjectWork.maskDecoder(size: 224, tokens: 7)
        let all = TowerWork.audio + TowerWork.prompts + TowerWork.image(side: 112) + encoder + decoder
        return [
            Stage(name, kind: .frame, gmac: all) { model in
                let input = FrameInput()
                return { input.segment(model, input.sound(model), input.picture(model)) }
            },
            // Of the same frame only what the test judges.
            Stage("tavis-\(letter)-scene-mask-224", kind: .frame, gmac: all, peerName: name) { model in
                let input = FrameInput(), scene = [model.config.sceneSlot]
                return { input.segment(model, input.sound(model), input.picture(model), slots: scene) }
            },
        ]
            + (letter == "l"
                ? parts(of: name, encoder: encoder, decoder: decoder) + pictures("tavis-\(letter)") : [])
    }

    private static func parts(of whole: String, encoder: Double, decoder: Double) -> [Stage<TAViS>] {
        [
            Stage("tavis-audio", gmac: TowerWork.audio, partOf: whole) { model in
                let input = FrameInput()
                return { _ = model.imageBind.audio.trunk(input.mel) }
            },
            Stage("tavis-ibqd-prompts", gmac: TowerWork.prompts, partOf: whole) { model in
                let tokens = model.imageBind.audio.trunk(FrameInput().mel)
                return { _ = model.audioPrompts(tokens: tokens) }
            },
            Stage("tavis-image-token", gmac: TowerWork.image(side: 112), partOf: whole) { model in
                let input = FrameInput()
                return { _ = input.picture(model) }
            },
            Stage("tavis-l-encoder-224", gmac: encoder, partOf: whole) { model in
                let input = FrameInput(), prompts = input.sound(model)
                return { _ = model.features(image: input.image, prompts: prompts) }
            },
            Stage("tavis-decoder-6-slots", gmac: decoder, partOf: whole) { model in
                let input = FrameInput(), prompts = input.sound(model), dense = input.picture(model)
                let features = model.features(image: input.image, prompts: prompts)
                return { _ = model.segment(features, prompts: prompts, dense: dense) }
            },
        ]
    }

    /// Frames as fast as they go, while sound is looked at again once half a second has passed. The official code has no
    /// such mode: it is compared by what it does for each frame.
    private static func streams(_ model: String) -> [Stage<TAViS>] {
        [
            Stage(model + "-stream-224", kind: .stream, gmac: 0, peerName: model + "-frame-224") { model in
                LiveFrames(model, slots: nil).next
            },
            // The picture's ImageBind token as seldom as the sound; one object sounds, and the whole scene is marked.
            Stage(model + "-realtime-224", kind: .stream, gmac: 0, peerName: model + "-frame-224") { model in
                LiveFrames(model, slots: [0, model.config.sceneSlot], keepsImageToken: true).next
            },
            // The same, the work on both spread over the frames between.
            Stage(model + "-realtime-spread-224", kind: .stream, gmac: 0, peerName: model + "-frame-224") {
                model in
                LiveFrames(model, slots: [0, model.config.sceneSlot], keepsImageToken: true, spreads: true)
                    .next
            },
        ]
    }
}

/// One picture and the sound around it, or those of several streams.
private struct FrameInput {
    let mel, image: Tensor
    /// The picture without mean and deviation removed.
    let plain: Tensor

    init(_ streams: Int = 1) {
        mel = StageGroups.noise("mel", [streams, 128, 204])
        image = StageGroups.noise("image", [streams, 224, 224, 3])
        plain = StageGroups.noise("plain", [streams, 224, 224, 3])
    }

    func sound(_ model: TAViS) -> TAViS.AudioPrompts { model.audioPrompts(mel: mel) }

    func picture(_ model: TAViS) -> Tensor { pictureSteps(model).finished() }

    func pictureSteps(_ model: TAViS) -> Stepwise<Tensor> {
        let side = model.config.imageBindSide
        return model.densePromptSteps(image: resizeBilinear(plain, height: side, width: side))
    }

    func segment(_ model: TAViS, _ prompts: TAViS.AudioPrompts, _ dense: Tensor, slots: [Int]? = nil) {
        let logits = model.segment(image: image, prompts: prompts, dense: dense, slots: slots).logits
        _ = resizeBilinear(logits.reshaped(logits.shape + [1]), height: 224, width: 224)
    }
}

/// A stream that is always behind: each frame is the newest one.
private final class LiveFrames {
    private static let hop = MediaTime.milliseconds(500)

    private let model: TAViS
    private let slots: [Int]?
    private let keepsImageToken, spreads: Bool
    private let input = FrameInput()
    private var prompts: TAViS.AudioPrompts
    private var dense: Tensor
    /// When the next window of sound is due.
    private var nextHop: MediaTime
    private var isTokenOld = false
    private var work: (sound: SpreadWork<TAViS.AudioPrompts>, picture: SpreadWork<Tensor>)?
    private var spacing = FrameSpacing()

    /// - Parameters:
    ///   - keepsImageToken: whether it is made anew with the frame after new sound only.
    ///   - spreads: whether work on both is spread over the frames until new sound is due.
    init(_ model: TAViS, slots: [Int]?, keepsImageToken: Bool = false, spreads: Bool = false) {
        (self.model, self.slots) = (model, slots)
        (self.keepsImageToken, self.spreads) = (keepsImageToken, spreads)
        prompts = input.sound(model)
        dense = input.picture(model)
        nextHop = MediaClock.now + Self.hop
    }

    func next() {
        let now = MediaClock.now
        if spreads {
            spread(at: now)
        } else {
            let isDue = now >= nextHop
            if isDue {
                prompts = input.sound(model)
                nextHop = max(nextHop + Self.hop, now)
            }
            if !keepsImageToken || isTokenOld { dense = input.picture(model) }
            isTokenOld = isDue
        }
        input.segment(model, prompts, dense, slots: slots)
    }

    private func spread(at now: MediaTime) {
        spacing.add(frameAt: now)
        var share = spacing.share(of: Self.hop)
        if now >= nextHop || work == nil {
            if var late = work {
                share = max(0, share - max(late.sound.left, late.picture.left))
                (prompts, dense) = (late.sound.finish(), late.picture.finish())
            }
            work = (
                SpreadWork(model.audioPromptSteps(mel: input.mel)), SpreadWork(input.pictureSteps(model))
            )
            nextHop = max(nextHop + Self.hop, now)
        }
        if let newest = work?.sound.advance(by: share) { prompts = newest }
        if let newest = work?.picture.advance(by: share) { dense = newest }
    }
}
