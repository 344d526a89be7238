// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Counts things done on the error output: one line on a terminal, otherwise a line every few seconds.
final class CountDisplay: Sendable {
    private static let lineInterval = Duration.seconds(5)

    private let total: Int
    private let things: String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private let shown = Mutex(ContinuousClock.now)

    init(total: Int, _ things: String) { (self.total, self.things) = (total, things) }

    func show(_ done: Int) {
        let text = "\(done) of \(total) \(things)"
        if isTerminal { return Self.write("\r\(text)\u{1b}[K") }
        let isDue = shown.withLock { last in
            guard ContinuousClock.now - last >= Self.lineInterval else { return false }
            last = .now
            return true
        }
        if isDue { Self.write("\(text)\n") }
    }

    func end() { if isTerminal { Self.write("\r\u{1b}[K") } }

    private static func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
