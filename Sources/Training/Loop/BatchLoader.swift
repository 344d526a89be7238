// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models

/// Prepares the batches of coming steps on a thread of its own, a few at most ahead of training.
///
/// An error comes out at the step it belongs to. The thread runs until `stop()`.
// All state is guarded by `condition`.
package final class BatchLoader: @unchecked Sendable {
    private let condition = NSCondition()
    private var ready: [Result<[ClipBatch], any Error>] = []
    private var isStopped = false
    private let ahead: Int

    /// - Parameters:
    ///   - step: the first step to prepare.
    ///   - ahead: steps prepared at most before they are asked for; bounds the memory.
    ///   - prepare: the batches of a step.
    package init(
        from step: Int, ahead: Int = 3, prepare: @escaping @Sendable (Int) throws -> [ClipBatch]
    ) {
        self.ahead = max(1, ahead)
        let thread = Thread { [self] in
            var step = step
            while self.waitForRoom() {
                let result = Result { try prepare(step) }
                self.put(result)
                if case .failure = result { return }
                step += 1
            }
        }
        thread.stackSize = 8 << 20
        thread.start()
        thread.name = "batches"
    }

    /// The next step's batches.
    package func next() throws -> [ClipBatch] {
        condition.lock()
        while ready.isEmpty { condition.wait() }
        let result = ready.removeFirst()
        condition.broadcast()
        condition.unlock()
        return try result.get()
    }

    /// Ends the thread after what it is at.
    package func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }

    /// False once stopped.
    private func waitForRoom() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        while !isStopped, ready.count >= ahead { condition.wait() }
        return !isStopped
    }

    private func put(_ result: Result<[ClipBatch], any Error>) {
        condition.lock()
        ready.append(result)
        condition.broadcast()
        condition.unlock()
    }
}
