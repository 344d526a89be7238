// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Training

@Suite("baselines on synthetic clips")
struct SyntheticBaselinesTests {
    @Test("neither marking everything nor a constant mask comes near a model that hears and sees")
    func bounds() {
        for level in SyntheticLevel.allCases {
            var options = SyntheticClips.Options(seed: 1, count: 100)
            options.levels = [level: 1]
            options.kinds = [.sounding: 1]
            (options.width, options.height) = (32, 32)
            let scores = SyntheticBaselines(SyntheticClips(options), count: 100)
            #expect(scores.frames > 300)
            #expect(0.4...0.65 ~= scores.everything, "\(level): \(scores)")
            #expect(scores.largest < 0.65, "\(level): \(scores)")
            #expect(scores.bestConstant < 0.2, "\(level): \(scores)")
            #expect(scores.wholePicture <= scores.bestConstant + 1e-6)
            #expect(0.02...0.2 ~= scores.coverage)
        }
    }

    @Test("where all that is seen sounds, marking everything is right")
    func everything() {
        var options = SyntheticClips.Options(seed: 3, count: 200)
        options.levels = [.easy: 1]
        (options.width, options.height) = (32, 32)
        let clips = SyntheticClips(options)
        let alone = (0..<200).first { clips.scene($0).classes.count == 1 && clips.kind($0) == .sounding }
        #expect(alone != nil)
        guard let alone else { return }
        let visible = clips.visible(alone)
        for (seen, frame) in zip(visible, clips.clip(alone).frames) {
            #expect(frame.truth == seen || frame.truth?.allSatisfy { $0 == 0 } == true)
        }
    }
}
