// SPDX-License-Identifier: Apache-2.0
package import ConfigurationFiles

/// What the defaults of the optimizer and the losses follow: the two differ.
private enum Recipe: String, CaseIterable { case released, paper }

extension TrainingConfig {
    /// Reads the file of a run.
    package init(file path: String) throws(ConfigurationError) {
        let read = try StrictYAML.read(file: path) { TrainingConfig($0) }
        self = read.value
        settings = read.settings
    }

    /// Reads text; `file` is its name in messages.
    package init(_ text: String, file: String) throws(ConfigurationError) {
        let read = try StrictYAML.read(text, file: file) { TrainingConfig($0) }
        self = read.value
        settings = read.settings
    }

    private init(_ top: YAMLSection) {
        self.init()
        name = top.value("name", .string)
        seed = UInt64(top.value("seed", .int(0...Int.max), default: 1))
        output = top.value("output", .string)
        start = Start(top.section("start", isRequired: true))
        data = top.sections("data", count: 1...64).map { DataPart($0, split: .train) }
        evaluation = top.has("evaluation") ? Evaluation(top.section("evaluation")) : nil
        readShape(top)
        length = Length(top)
        let recipe = top.value("recipe", .choice(Recipe.self), default: .released)
        optimizer = OptimizerSettings(top.section("optimizer"), recipe)
        freezing = Freezing(top)
        ablations = Self.ablations(top)
        losses = LossSettings(top.section("losses"), recipe).applying(ablations)
        trainsPseudoText = top.optional("train_pseudo_text", .bool)
        checkpoint = CheckpointRule(top.section("checkpoint"))
        checkpointsActivations = top.value("activation_checkpoints", .bool, default: false)
        checkWarmup(top)
    }

    private mutating func readShape(_ top: YAMLSection) {
        side = top.value("side", .int(32...2048, multipleOf: 32), default: 224)
        frames = top.value("frames", .int(1...256), default: 1)
        usesMemory = top.value("memory", .bool, default: false)
        batch = top.value("batch", .int(1...4096))
        accumulate = top.value("accumulate", .int(1...4096), default: 1)
        if usesMemory, frames == 1 {
            top.fail("memory", expected: "false where clips have 1 frame", found: "true")
        }
    }

    private static func ablations(_ top: YAMLSection) -> Set<Ablation> {
        let ablations = Set(top.list("ablation", .choice(Ablation.self), default: []))
        for none in [Ablation.noPseudoText, .noHybridPrompts]
        where ablations.isSuperset(of: [none, .perceptronPseudoText]) {
            top.fail(
                "ablation", expected: "\(none.rawValue) or mlp_pseudo_text", found: "both, which cannot be")
        }
        return ablations
    }

    private func checkWarmup(_ top: YAMLSection) {
        guard case .steps(let steps) = length, optimizer.rate.warmup > steps else { return }
        top.fail(
            "optimizer", expected: "a warmup of at most the run's \(steps) steps",
            found: "\(optimizer.rate.warmup)")
    }
}

extension TrainingConfig.Start {
    private enum Kind: String, CaseIterable { case scratch, bundle, checkpoints }

    fileprivate init(_ section: YAMLSection) {
        switch section.kind("kind", .choice(Kind.self)) {
        case .scratch: self = .scratch(.init(section.section("architecture", isRequired: true)))
        case .bundle:
            self = .bundle(
                section.value("folder", .string),
                grownTo: section.has("architecture")
                    ? .init(section.section("architecture", isRequired: true)) : nil)
        case .checkpoints:
            let files = section.list("files", .string, count: 1...16)
            self = .checkpoints(files, .init(section.section("architecture", isRequired: true)))
        }
    }
}

extension TrainingConfig.Architecture {
    private enum Preset: String, CaseIterable { case mini, large }

    fileprivate init(_ section: YAMLSection) {
        if let file = section.optional("file", .string) {
            if section.has("preset") {
                section.fail("file", expected: "either a preset or a file", found: "both")
            }
            _ = section.optional("preset", .choice(Preset.self))
            self = .file(file)
        } else {
            self = section.value("preset", .choice(Preset.self)) == .mini ? .mini : .large
        }
    }
}

extension TrainingConfig.DataPart {
    private enum Kind: String, CaseIterable { case synthetic, s4, ms3, avss, recordings }

    fileprivate init(_ section: YAMLSection, split: DatasetFolder.Split) {
        let kind = section.kind("kind", .choice(Kind.self))
        if let layout = DatasetFolder.Layout(rawValue: kind.rawValue) {
            origin = .folder(DatasetFolder(section, layout, split))
        } else {
            origin = .synthetic(
                seed: UInt64(section.value("seed", .int(0...Int.max))),
                section.value("level", .choice(), default: .mixed),
                section.value("sounds", .choice(), default: .mixed),
                count: section.value("scenes", .int(1...100_000_000), default: 20_000))
        }
        weight = section.value("weight", .positiveNumber(upTo: 1e6), default: 1)
    }
}

extension DatasetFolder {
    private enum Windows: String, CaseIterable {
        case official, causal
        case officialPyPI = "official-pypi"

        var rule: FrameWindows {
            switch self {
            case .official: .official(.toEnd)
            case .officialPyPI: .official(.beforeEnd)
            case .causal: .causal
            }
        }
    }

    fileprivate init(_ section: YAMLSection, _ layout: Layout, _ split: Split) {
        self.init(section.value("folder", .string), layout, section.value("split", .choice(), default: split))
        windows =
            section.value(
                "windows", .choice(Windows.self), default: layout == .recordings ? .causal : .official
            ).rule
        list = section.optional("list", .string)
        if layout == .recordings { takesDrafts = section.value("drafts", .bool, default: false) }
        guard layout == .avss else { return }
        labels = Set(section.list("labels", .choice(), count: 1...3, default: Label.allCases))
        vocabulary = section.optional("vocabulary", .choice())
    }
}

extension TrainingConfig.Evaluation {
    fileprivate init(_ section: YAMLSection) {
        every = section.value("every", .int(1...Int.max))
        clips = section.optional("clips", .int(1...Int.max))
        data = section.sections("data", count: 1...64).map { .init($0, split: .val) }
    }
}

extension TrainingConfig.Length {
    fileprivate init(_ top: YAMLSection) {
        let steps = top.optional("steps", .int(1...1_000_000_000))
        let epochs = top.optional("epochs", .int(1...1_000_000))
        switch (top.has("steps"), top.has("epochs")) {
        case (true, false): self = .steps(steps ?? 1)
        case (false, true): self = .epochs(epochs ?? 1)
        case (let both, _):
            top.fail("steps", expected: "either steps or epochs", found: both ? "both" : "neither")
            self = .steps(1)
        }
    }
}

extension OptimizerSettings {
    private enum Kind: String, CaseIterable { case adamw, adam }

    fileprivate init(_ section: YAMLSection, _ recipe: Recipe) {
        self.init()
        let isPaper = recipe == .paper
        let kind = section.kind("kind", .choice(Kind.self), default: isPaper ? .adam : .adamw)
        adamW.weightDecay = 0
        if kind == .adamw {
            adamW.weightDecay = section.value("weight_decay", .number(0...10), default: 0.01)
            adamW.decaysVectors = section.value("decay_vectors", .bool, default: true)
        }
        rate.shape = section.value("schedule", .choice(), default: isPaper ? .cosine : .cosinePerEpoch)
        rate.start = section.value("rate", .positiveNumber(upTo: 10), default: isPaper ? 1e-4 : 3e-5)
        rate.end = section.value("final_rate", .number(0...10), default: min(1e-7, rate.start))
        rate.warmup = section.value("warmup", .int(0...1_000_000_000), default: 0)
        clip = section.value("clip", .number(0...1e6), default: 0)
        let betas = section.list("betas", .number(0..<1), count: 2...2, default: [0.9, 0.999])
        if betas.count == 2 { (adamW.beta1, adamW.beta2) = (betas[0], betas[1]) }
        adamW.eps = section.value("eps", .positiveNumber(upTo: 1), default: 1e-8)
        if rate.end > rate.start {
            section.fail("final_rate", expected: "at most the rate, \(rate.start)", found: "\(rate.end)")
        }
    }
}

extension TrainingConfig.CheckpointRule {
    fileprivate init(_ section: YAMLSection) {
        self.init()
        every = section.value("every", .int(1...Int.max), default: every)
        keep = section.value("keep", .int(1...10_000), default: keep)
    }
}

extension Freezing {
    private enum Rule: String, CaseIterable { case published, nothing }

    fileprivate init(_ top: YAMLSection) {
        self.init()
        if top.holdsList("freeze") {
            frozen = top.list("freeze", .string)
        } else {
            isPublished = top.value("freeze", .choice(Rule.self), default: .nothing) == .published
        }
        trained = top.list("train", .string, default: [])
    }
}

extension LossSettings {
    fileprivate init(_ section: YAMLSection, _ recipe: Recipe) {
        self =
            section.value("preset", .choice(Recipe.self), default: recipe) == .paper ? .paper : LossSettings()
        readWeights(section)
        backgroundWeight = section.value("background_weight", .number(0...1000), default: backgroundWeight)
        matchPoints = section.value("match_points", .int(1...1_000_000), default: matchPoints)
        smallestArea = section.value("smallest_area", .int(0...1_000_000), default: smallestArea)
    }

    private mutating func readWeights(_ section: YAMLSection) {
        let weights: [(key: String, path: WritableKeyPath<LossSettings, Float>)] = [
            ("audio_text", \.audioText), ("image_text", \.imageText), ("audio_image", \.audioImage),
            ("pseudo_text", \.pseudoText), ("object_entropy", \.objectEntropy),
            ("object_overlap", \.objectOverlap), ("scene_entropy", \.sceneEntropy),
            ("scene_overlap", \.sceneOverlap), ("scene_classes", \.sceneClasses),
            ("visible_classes", \.visibleClasses),
        ]
        for (key, path) in weights {
            self[keyPath: path] = section.value(key, .number(0...1000), default: self[keyPath: path])
        }
    }
}

extension TrainingConfig {
    /// What the trainer needs of it.
    ///
    /// - Parameter stepsPerEpoch: steps in which all data is seen once.
    package func trainerSettings(stepsPerEpoch: Int) -> Trainer.Settings {
        var settings = Trainer.Settings()
        settings.steps = steps(perEpoch: stepsPerEpoch)
        settings.stepsPerEpoch = stepsPerEpoch
        settings.optimizer = optimizer
        settings.losses = losses
        settings.usesMemory = usesMemory
        settings.checkpointsActivations = checkpointsActivations
        settings.seed = seed
        return settings
    }
}
