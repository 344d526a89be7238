// SPDX-License-Identifier: Apache-2.0
public import TensorEngine

/// ImageBind's image, audio and text towers, which share one embedding space.
public struct ImageBind: Sendable {
    public let vision: VisionTower
    public let audio: AudioTower
    public let text: TextTower

    /// - Parameter weights: root of an ImageBind checkpoint.
    public init(_ weights: Weights, _ config: ImageBindConfig) throws {
        vision = try VisionTower(weights, config)
        audio = try AudioTower(weights, config)
        text = try TextTower(weights, config)
    }

    /// Keys of a full checkpoint that belong to the depth, thermal and motion towers, or that hold a constant.
    ///
    /// Inside TAViS the keys have a prefix, which does not matter here.
    public static func isOtherModality(_ key: String) -> Bool {
        let parts = key.split(separator: ".")
        guard let group = parts.firstIndex(where: { $0.hasPrefix("modality_") }), group + 1 < parts.count
        else {
            return false
        }
        return ["depth", "thermal", "imu"].contains(parts[group + 1])
            || key.hasSuffix("modality_preprocessors.text.mask")
    }
}
