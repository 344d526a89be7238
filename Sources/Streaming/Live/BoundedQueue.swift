// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Hands items from one thread to another. `put` never waits: what does not fit pushes out the oldest.
final class BoundedQueue<Item: Sendable>: @unchecked Sendable {  // all state is guarded by `condition`
    private let limit: Int
    private let condition = NSCondition()
    private var items: [Item] = []
    private var isClosed = false

    init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// - Returns: what was pushed out; nothing is taken once the queue is closed.
    @discardableResult
    func put(_ item: Item) -> Item? {
        condition.lock()
        defer { condition.unlock() }
        guard !isClosed else { return item }
        let dropped = items.count == limit ? items.removeFirst() : nil
        items.append(item)
        condition.signal()
        return dropped
    }

    /// The oldest item; nil when none came within `timeout` seconds, or the queue is closed.
    func take(timeout: TimeInterval) -> Item? {
        let end = Date(timeIntervalSinceNow: timeout)
        condition.lock()
        defer { condition.unlock() }
        while items.isEmpty, !isClosed {
            guard condition.wait(until: end) else { break }
        }
        return items.isEmpty || isClosed ? nil : items.removeFirst()
    }

    func close() {
        condition.lock()
        isClosed = true
        items = []
        condition.broadcast()
        condition.unlock()
    }
}
