// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Models
import TensorEngine

/// What weights of linear layers are kept as.
enum Precision: String, CaseIterable, ExpressibleByArgument {
    case float32, int8

    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }

    /// A model with name-seeded weights.
    func load<Model>(_ build: (Weights) throws -> Model) throws -> Model {
        switch self {
        case .float32: try Weights.load(SeededSource(), build)
        case .int8: try Weights.load(RoundedSource(SeededSource()), build)
        }
    }
}
