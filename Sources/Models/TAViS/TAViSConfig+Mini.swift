// SPDX-License-Identifier: Apache-2.0

extension TAViSConfig {
    /// Every part of TAViS at small dimensions, for training from scratch on CPUs. The embedded model began so and grew.
    public static let mini: TAViSConfig = {
        var sam2 = SAM2Config(
            version: .v2_0,
            trunk: HieraConfig(
                embedDim: 32, heads: 1, stages: [1, 2, 6, 1], globalAttentionBlocks: [4, 6, 8],
                windows: [8, 4, 8, 4]),
            imageSize: 128)
        sam2.hiddenDim = 64
        sam2.memoryDim = 16
        sam2.memoryAttentionLayers = 2
        sam2.memoryAttentionHidden = 128
        sam2.decoderHidden = 128
        sam2.decoderHeads = 4
        sam2.iouHeadHidden = 64
        sam2.maskEncoderChannels = 64
        var imageBind = ImageBindConfig(
            vision: TowerConfig(dim: 96, blocks: 3, heads: 3),
            audio: TowerConfig(dim: 96, blocks: 4, heads: 3),
            text: TowerConfig(dim: 64, blocks: 2, heads: 2), embeddingDim: 64)
        imageBind.imageSide = 112
        imageBind.audioStride = 16
        // Bytes alone, no merges: class names are spelt.
        imageBind.vocabulary = 514
        var config = TAViSConfig(sam2: sam2, imageBind: imageBind)
        config.adapterDim = 32
        config.adapterHidden = 64
        config.maskChoice = .single
        config.trainsPseudoText = true
        config.pseudoTextPosition = .last
        return config
    }()
}
