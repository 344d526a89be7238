// SPDX-License-Identifier: Apache-2.0

/// One metric with all its samples, as Prometheus has it.
package struct MetricFamily: Sendable, Equatable {
    package enum Kind: String, Sendable { case counter, gauge, histogram }

    package struct Sample: Sendable, Equatable {
        /// Appended to the family's name: empty, `_bucket`, `_sum` or `_count`.
        package var suffix: String
        package var labels: [(name: String, value: String)]
        package var value: Double

        package init(_ value: Double, labels: [(name: String, value: String)] = [], suffix: String = "") {
            (self.value, self.labels, self.suffix) = (value, labels, suffix)
        }

        package static func == (a: Sample, b: Sample) -> Bool {
            a.suffix == b.suffix && a.value == b.value && a.labels.map(\.name) == b.labels.map(\.name)
                && a.labels.map(\.value) == b.labels.map(\.value)
        }
    }

    /// With its unit: `tavis_frames_dropped_total`, `tavis_stage_seconds`.
    package var name: String
    package var help: String
    package var kind: Kind
    package var samples: [Sample]

    package init(_ name: String, _ kind: Kind, help: String, samples: [Sample]) {
        (self.name, self.kind, self.help, self.samples) = (name, kind, help, samples)
    }
}
