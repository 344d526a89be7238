// SPDX-License-Identifier: Apache-2.0
package import ConfigurationFiles

/// Everything that decides a training run, as its file says it. `config/train-reference.yaml` explains each key.
///
/// Paths are as written; relative ones start at the folder in which the program runs.
package struct TrainingConfig: Sendable, Equatable {
    package var name = "run"
    /// All that is drawn by chance follows from it.
    package var seed: UInt64 = 1
    /// Folder of the run: log, checkpoints, reports.
    package var output = ""
    package var start = Start.scratch(.mini)
    package var data: [DataPart] = []
    package var evaluation: Evaluation?
    /// Side of the picture in pixels.
    package var side = 224
    /// Frames T of each clip, at most.
    package var frames = 1
    /// Whether frames see the memory of the clip's earlier ones.
    package var usesMemory = false
    /// Clips of one forward pass.
    package var batch = 10
    /// Forward passes of one step.
    package var accumulate = 1
    package var length = Length.epochs(80)
    package var optimizer = OptimizerSettings()
    package var freezing = Freezing()
    /// With the ablations already applied.
    package var losses = LossSettings()
    package var ablations: Set<Ablation> = []
    /// Whether gradients reach the pseudo-text through the text tower; nil leaves it to the architecture.
    package var trainsPseudoText: Bool?
    package var checkpoint = CheckpointRule()
    /// Computes blocks twice to hold less.
    package var checkpointsActivations = false
    /// Each value in force by its key, for logs and reports.
    package var settings: [YAMLSetting] = []

    package init() {}

    /// Weights to begin with.
    package enum Start: Sendable, Equatable {
        /// Drawn from the seed.
        case scratch(Architecture)
        /// A model bundle, all of it; where an architecture is given, grown to that (`GrownWeights`).
        case bundle(String, grownTo: Architecture? = nil)
        /// Checkpoints of the models that TAViS is built on; what none of them has is drawn from the seed.
        case checkpoints([String], Architecture)
    }

    package enum Architecture: Sendable, Equatable {
        /// Presets by name.
        case mini, large
        /// A file like the `architecture` of a bundle's `model.json`.
        case file(String)
    }

    /// Clips to learn from or to measure on.
    package struct DataPart: Sendable, Equatable {
        package var origin: Origin
        /// Share of the clips, relative to the other parts'.
        package var weight: Float = 1

        package init(_ origin: Origin, weight: Float = 1) { (self.origin, self.weight) = (origin, weight) }
    }

    package enum Origin: Sendable, Equatable {
        /// Its `frames` are the configuration's.
        case folder(DatasetFolder)
        /// Scenes made on the fly: as many different ones as `count`.
        case synthetic(seed: UInt64, Level, SyntheticClips.Sounds = .mixed, count: Int)
    }

    package enum Level: String, CaseIterable, Sendable { case easy, medium, hard, mixed }

    package struct Evaluation: Sendable, Equatable {
        package var data: [DataPart]
        /// Steps from one evaluation to the next.
        package var every: Int
        /// Clips of each part that are looked at; nil for all.
        package var clips: Int?
    }

    package enum Length: Sendable, Equatable {
        case steps(Int)
        case epochs(Int)
    }

    package struct CheckpointRule: Sendable, Equatable {
        /// Steps from one checkpoint to the next.
        package var every = 1000
        /// How many of the newest stay.
        package var keep = 3

        package init() {}
    }

    /// Steps of the whole run.
    package func steps(perEpoch: Int) -> Int {
        switch length {
        case .steps(let count): count
        case .epochs(let count): count * max(1, perEpoch)
        }
    }
}

/// Which weights stay as they are.
package struct Freezing: Sendable, Equatable {
    /// The rule of the published training: the towers of ImageBind and the image encoder, but not its adapters.
    package var isPublished = false
    /// Key prefixes of whole parts: `image_encoder.trunk` names `image_encoder.trunk.…` and not `image_encoder.trunk2`.
    package var frozen: [String] = []
    /// Exceptions from both.
    package var trained: [String] = []

    package init(isPublished: Bool = false, frozen: [String] = [], trained: [String] = []) {
        (self.isPublished, self.frozen, self.trained) = (isPublished, frozen, trained)
    }

    package func isFrozen(_ key: String) -> Bool {
        if trained.contains(where: { Self.names($0, key) }) { return false }
        return frozen.contains { Self.names($0, key) } || isPublished && Self.isPublishedFrozen(key)
    }

    private static func names(_ prefix: String, _ key: String) -> Bool {
        key.hasPrefix(prefix)
            && (key.utf8.count == prefix.utf8.count || key.dropFirst(prefix.count).first == ".")
    }

    /// Source: `train_avs.py`, `main`.
    private static func isPublishedFrozen(_ key: String) -> Bool {
        key.hasPrefix("imagebind") || key.contains("image_encoder") && !key.contains("prompt_generator")
    }
}
