// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models

/// Configurations of the smallest training runs.
struct SmallTraining {
    private let work: Workplace

    init(_ work: Workplace) throws {
        self.work = work
        try writeArchitecture()
    }

    /// Path of a bundle that knows the synthetic classes, hardly trained.
    func bundle() throws -> String {
        try writeConfig("bundle.yaml", output: "bundle", steps: 1)
        let outcome = try work.run("train", "--config", "bundle.yaml")
        precondition(outcome.code == 0, outcome.errors)
        return "bundle/step-1"
    }

    private func writeArchitecture() throws {
        var architecture = TAViSConfig.mini
        architecture.sam2.trunk.stages = [1, 1, 1, 1]
        architecture.sam2.trunk.globalAttentionBlocks = [2]
        architecture.sam2.trunk.embedDim = 8
        architecture.sam2.trunk.windows = [8, 4, 4, 2]
        architecture.imageBind.audio.blocks = 1
        architecture.imageBind.vision.blocks = 1
        architecture.imageBind.text.blocks = 1
        try JSONEncoder().encode(architecture).write(to: URL(fileURLWithPath: work.root + "/small.json"))
    }

    /// - Parameter further: lines at the end.
    func writeConfig(_ name: String, output: String, steps: Int, further: String = "") throws {
        let text = """
            name: small
            output: \(output)
            seed: 3
            start:
              kind: scratch
              architecture:
                file: small.json
            data:
              - kind: synthetic
                seed: 5
                level: easy
                scenes: 100
            evaluation:
              every: 20
              clips: 3
              data:
                - kind: synthetic
                  seed: 6
                  level: hard
                  scenes: 3
            side: 64
            frames: 2
            memory: true
            batch: 2
            accumulate: 2
            steps: \(steps)
            losses:
              match_points: 128
              visible_classes: 1
            checkpoint:
              every: 5
              keep: 2
            \(further)
            """
        try text.write(toFile: work.root + "/" + name, atomically: true, encoding: .utf8)
    }
}
