// SPDX-License-Identifier: Apache-2.0

/// Dimensions of one transformer tower.
public struct TowerConfig: Codable, Sendable, Equatable {
    public var dim: Int
    public var blocks: Int
    public var heads: Int

    public init(dim: Int, blocks: Int, heads: Int) {
        self.dim = dim
        self.blocks = blocks
        self.heads = heads
    }
}

/// Dimensions of ImageBind's image, audio and text towers. The defaults are those of `imagebind_huge`.
public struct ImageBindConfig: Codable, Sendable, Equatable {
    public var vision: TowerConfig
    public var audio: TowerConfig
    public var text: TowerConfig
    /// Width of the joint embedding space.
    public var embeddingDim: Int
    /// Picture side and patch side at which the position table was trained, in pixels.
    public var imageSide = 224
    public var patchSide = 14
    /// Mel bins and 10 ms frames of an audio window; kernel side and stride of its patches.
    public var melBins = 128
    public var melFrames = 204
    public var audioKernel = 16
    public var audioStride = 10
    /// Token ids, and positions of a text.
    public var vocabulary = 49408
    public var context = 77

    public init(vision: TowerConfig, audio: TowerConfig, text: TowerConfig, embeddingDim: Int) {
        self.vision = vision
        self.audio = audio
        self.text = text
        self.embeddingDim = embeddingDim
    }

    public static let huge = ImageBindConfig(
        vision: TowerConfig(dim: 1280, blocks: 32, heads: 16),
        audio: TowerConfig(dim: 768, blocks: 12, heads: 12),
        text: TowerConfig(dim: 1024, blocks: 24, heads: 16), embeddingDim: 1024)

    /// Rows and columns of audio patches.
    var audioGrid: (rows: Int, columns: Int) {
        ((melBins - audioKernel) / audioStride + 1, (melFrames - audioKernel) / audioStride + 1)
    }
}
