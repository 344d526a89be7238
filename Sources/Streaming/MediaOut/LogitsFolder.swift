// SPDX-License-Identifier: Apache-2.0
import TensorEngine

/// One safetensors file per frame: `logits`, float32 `[slots, h, w]`, the scene last; number and time of the frame
/// as metadata.
struct LogitsFolder {
    let folder: FrameFolder

    init(path: String, overwrites: Bool) throws {
        folder = try FrameFolder(path: path, suffix: "safetensors", overwrites: overwrites)
    }

    func write(_ analysis: FrameAnalysis) throws {
        guard let logits = analysis.logits else { return }
        try SafetensorsWriter.write(
            path: folder.file(analysis.number),
            tensors: [("logits", logits.shape, logits.values)],
            metadata: [
                "frame": "\(analysis.number)", "pts": "\(analysis.time.seconds)",
                "pts_ns": "\(analysis.time.nanoseconds)", "gate": analysis.gate.rawValue,
            ])
    }
}
