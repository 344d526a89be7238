// SPDX-License-Identifier: Apache-2.0

/// Clips of a configuration.
struct DataSources {
    private let config: TrainingConfig

    init(_ config: TrainingConfig) { self.config = config }

    /// What to learn from.
    ///
    /// - Parameter processes: that share a step's clips.
    func mix(processes: Int) throws -> ClipMix {
        ClipMix(
            try config.data.map { part in
                ClipMix.Part(try source(part.origin, frames: config.frames), weight: part.weight)
            },
            batch: config.batch * config.accumulate * processes, seed: config.seed)
    }

    /// What to measure on.
    func heldOut() throws -> [(name: String, source: any ClipSource)] {
        try (config.evaluation?.data ?? []).map { part in
            (Self.name(part.origin), try source(part.origin, frames: Self.judgedFrames(part.origin, config)))
        }
    }

    /// Benchmarks judge all annotated frames of a clip, whatever was trained on.
    private static func judgedFrames(_ origin: TrainingConfig.Origin, _ config: TrainingConfig) -> Int? {
        guard case .folder(let folder) = origin, folder.layout != .recordings else { return config.frames }
        return nil
    }

    private func source(_ origin: TrainingConfig.Origin, frames: Int?) throws -> any ClipSource {
        switch origin {
        case .synthetic(let seed, let level, let sounds, let count):
            var options = SyntheticClips.Options(seed: seed, count: count)
            (options.width, options.height) = (config.side, config.side)
            options.frames = frames ?? config.frames
            if let only = SyntheticLevel(rawValue: level.rawValue) { options.levels = [only: 1] }
            options.kinds = sounds.kinds
            return SyntheticClips(options)
        case .folder(var folder):
            folder.frames = frames
            return try FolderDataset(folder)
        }
    }

    /// For logs.
    static func name(_ origin: TrainingConfig.Origin) -> String {
        switch origin {
        case .synthetic(let seed, let level, .mixed, _): "synthetic-\(level.rawValue)-\(seed)"
        case .synthetic(let seed, let level, let sounds, _):
            "synthetic-\(level.rawValue)-\(sounds.rawValue)-\(seed)"
        case .folder(let folder): folder.title
        }
    }

    /// - Throws: `DatasetError` where ids would not mean the same everywhere.
    static func requireSameClasses(_ sources: [any ClipSource]) throws {
        let classes = sources.map(\.classes)
        guard let first = classes.first, let other = classes.first(where: { $0 != first }) else { return }
        throw DatasetError.otherClasses(other, than: first, "the configuration's data")
    }
}
