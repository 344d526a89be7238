// SPDX-License-Identifier: Apache-2.0

/// Hands items from one thread to another. `put` never waits: what does not fit pushes out the oldest.
package final class BoundedQueue<Item: Sendable>: Sendable {
    private struct State: Sendable {
        var items: [Item] = []
        var isClosed = false
    }

    private let limit: Int
    private let state = Monitor(State())

    package init(limit: Int) {
        precondition(limit > 0)
        self.limit = limit
    }

    /// - Returns: what was pushed out; nothing is taken once the queue is closed.
    @discardableResult
    package func put(_ item: Item) -> Item? {
        state.change { state in
            guard !state.isClosed else { return item }
            let dropped = state.items.count == limit ? state.items.removeFirst() : nil
            state.items.append(item)
            return dropped
        }
    }

    /// The oldest item; nil when none came within `timeout`, or the queue is closed.
    package func take(timeout: MediaTime) -> Item? {
        // Closed, it has something to give at once: nothing.
        let found = state.wait(for: timeout) { state -> Item?? in
            if state.isClosed { return .some(nil) }
            if state.items.isEmpty { return .none }
            return state.items.removeFirst()
        }
        return found ?? nil
    }

    package func close() { state.change { ($0.items, $0.isClosed) = ([], true) } }
}
