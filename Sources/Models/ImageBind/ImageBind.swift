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
    public static func isOtherModality(_ key: String) -> Bool {
        let parts = key.split(separator: ".")
        return parts.count > 1 && ["depth", "thermal", "imu"].contains(parts[1])
            || key == "modality_preprocessors.text.mask"
    }
}
