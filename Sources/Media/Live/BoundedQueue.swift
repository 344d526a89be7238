// SPDX-License-Identifier: Apache-2.0
package import Foundation

/// Hands items from one thread to another. `put` never waits: what does not fit pushes out the oldest.
// All state is guarded by `condition`.
package final class BoundedQueue<Item: Sendable>: @unchecked Sendable {
    private let limit: Int
    private let condition = NSCondition()
    private var items: [Item] = []
    private var isClosed = false

    package init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// - Returns: what was pushed out; nothing is taken once the queue is closed.
    @discardableResult
    package func put(_ item: Item) -> Item? {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed else { return item }
        let dropped = items.count == limit ? items.removeFirst() : nil
        items.append(item)
        condition.signal()
        return dropped
    }

    /// The oldest item; nil when none came within `timeout` seconds, or the queue is closed.
    package func take(timeout: TimeInterval) -> Item? {
        let end = Date(timeIntervalSinceNow: timeout)
        condition.lock()
        defer { condition.unlock() }
        while items.isEmpty, !isClosed {
            guard condition.wait(until: end) else { break }
        }
        return items.isEmpty || isClosed ? nil : items.removeFirst()
    }

    package func close() {
        condition.lock()
        isClosed = true
        items = []
        condition.broadcast()
        condition.unlock()
    }
}
