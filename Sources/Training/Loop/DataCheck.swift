// SPDX-License-Identifier: Apache-2.0

/// All data of a configuration, looked over before a run.
package struct DataCheck: Sendable {
    /// In the order of the file: what is learnt from, then what is measured on.
    package let parts: [DatasetCheck]

    /// Reads every file of all folders.
    ///
    /// - Parameters:
    ///   - examples: defects of each kind to keep at most, for each part.
    ///   - progress: gets a part's title, and how many of its clips are done.
    package init(
        _ config: TrainingConfig, examples: Int,
        progress: (_ title: String, _ done: Int, _ total: Int) -> Void = { _, _, _ in }
    ) {
        var parts: [DatasetCheck] = []
        for part in config.data + (config.evaluation?.data ?? []) {
            var check = Self.check(part.origin, examples, progress)
            let first = parts.lazy.compactMap(\.classes).first
            if let first, let classes = check.classes, classes != first {
                check.add([.otherClasses(classes, than: first, check.title)])
            }
            parts.append(check)
        }
        self.parts = parts
    }

    private static func check(
        _ origin: TrainingConfig.Origin, _ examples: Int, _ progress: (String, Int, Int) -> Void
    ) -> DatasetCheck {
        switch origin {
        case .synthetic(_, _, _, let count):
            DatasetCheck(title: DataSources.name(origin), clips: count, classes: SyntheticClass.names)
        case .folder(let folder):
            DatasetCheck(folder, examples: examples) { progress(folder.title, $0, $1) }
        }
    }

    /// Whether nothing was found that keeps a run from training.
    package var isUsable: Bool { parts.allSatisfy(\.isUsable) }

    package var text: String {
        let defects = parts.flatMap(\.findings).filter { !$0.kind.isHarmless }.reduce(0) { $0 + $1.count }
        let end = isUsable ? "nothing keeps a run from training on this" : "\(defects) defects"
        return (parts.map(\.text) + [end]).joined(separator: "\n")
    }
}
