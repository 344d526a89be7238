// SPDX-License-Identifier: Apache-2.0

/// Everything that is wrong with a configuration file.
package struct ConfigurationError: Error, CustomStringConvertible, Sendable, Equatable {
    package struct Problem: Sendable, Equatable {
        /// From 1; nil where the file as a whole is meant.
        package var line: Int?
        /// Path of keys, e.g. `data[1].folder`; empty where no key is meant.
        package var key: String
        package var expected: String
        package var found: String

        package init(line: Int?, key: String = "", expected: String, found: String) {
            (self.line, self.key, self.expected, self.found) = (line, key, expected, found)
        }
    }

    package var file: String
    /// At least one, in the order of lines.
    package var problems: [Problem]

    package init(file: String, problems: [Problem]) {
        self.file = file
        self.problems = problems.sorted { ($0.line ?? 0) < ($1.line ?? 0) }
    }

    /// One line for each problem: `FILE:LINE: key.path: expected …, found …`.
    package var lines: [String] {
        problems.map { problem in
            let place = problem.line.map { "\(file):\($0)" } ?? file
            let key = problem.key.isEmpty ? "" : "\(problem.key): "
            return "\(place): \(key)expected \(problem.expected), found \(problem.found)"
        }
    }

    package var description: String { lines.joined(separator: "\n") }
}
