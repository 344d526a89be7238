// SPDX-License-Identifier: Apache-2.0
package import Media
package import Streaming

/// What can be asked of, and done to, a running daemon: all that the HTTP interface knows of it.
package protocol DaemonControl: Sendable {
    /// In the order of the configuration.
    func streams() -> [StreamStatus]
    func stream(_ name: String) -> StreamStatus?

    /// - Parameter text: one entry of the configuration's `streams`, as YAML or JSON.
    /// - Throws: `DaemonError`, or `ConfigurationError` where the text is wrong.
    func add(_ text: String) async throws -> StreamStatus
    func remove(_ name: String) async throws
    /// A paused stream keeps its sources closed.
    func setPaused(_ isPaused: Bool, _ name: String) async throws
    func resetMemory(_ name: String) async throws
    func setClasses(_ classes: [String], _ name: String) async throws
    /// Records the next seconds for training, with pre-roll.
    func record(_ name: String, seconds: Double) async throws
    /// Reads the configuration again.
    func reload() async throws -> [ReloadOutcome]

    /// The newest picture, with or without what was found drawn onto it; nil before the first.
    func picture(_ name: String, overlaid: Bool) -> VideoFrame?
    /// Events from now on. Who reads too slowly loses the oldest.
    func events() -> AsyncStream<LiveEvent>

    var metrics: [MetricFamily] { get }
    var health: DaemonHealth { get }
}

package struct DaemonHealth: Codable, Sendable, Equatable {
    /// The model is loaded and warm.
    package var isReady: Bool
    /// Work goes on; false where a part hangs.
    package var isLive: Bool
    /// What is amiss.
    package var problems: [String]

    package init(isReady: Bool, isLive: Bool, problems: [String]) {
        (self.isReady, self.isLive, self.problems) = (isReady, isLive, problems)
    }
}

/// What a reload did to one stream.
package struct ReloadOutcome: Codable, Sendable, Equatable {
    package enum Action: String, Codable, Sendable {
        case unchanged, applied, restarted, added, removed, rejected
    }

    package var stream: String
    package var action: Action
    package var why: String?

    package init(stream: String, action: Action, why: String? = nil) {
        (self.stream, self.action, self.why) = (stream, action, why)
    }
}

package struct DaemonError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable { case noSuchStream, alreadyExists, notPossible, busy }

    package var code: Code
    package var detail: String

    package init(_ code: Code, _ detail: String) { (self.code, self.detail) = (code, detail) }
    package var description: String { detail }
}
