// SPDX-License-Identifier: Apache-2.0

/// Clips of a configuration.
enum DataSources {
    static func source(_ origin: TrainingConfig.Origin, _ config: TrainingConfig) throws -> any ClipSource {
        switch origin {
        case .synthetic(let seed, let level, let count):
            var options = SyntheticClips.Options(seed: seed, count: count)
            (options.width, options.height, options.frames) = (config.side, config.side, config.frames)
            if let only = SyntheticLevel(rawValue: level.rawValue) { options.levels = [only: 1] }
            return SyntheticClips(options)
        case .folder(let folder, let layout, let split):
            guard let subset = AVSBenchDataset.Subset(rawValue: layout.rawValue),
                let split = AVSBenchDataset.Split(rawValue: split.rawValue)
            else {
                throw DatasetError(
                    .unreadable, folder, "data of kind \(layout.rawValue) cannot be read yet")
            }
            return try AVSBenchDataset(folder: folder, subset: subset, split: split, frames: config.frames)
        }
    }

    /// For logs.
    static func name(_ origin: TrainingConfig.Origin) -> String {
        switch origin {
        case .synthetic(let seed, let level, _): "synthetic-\(level.rawValue)-\(seed)"
        case .folder(_, let layout, let split): "\(layout.rawValue)-\(split.rawValue)"
        }
    }
}
