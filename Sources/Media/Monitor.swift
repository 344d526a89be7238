// SPDX-License-Identifier: Apache-2.0
import Glibc

/// State that threads share, with a way to wait until it is as one of them needs it.
///
/// Waits go by `MediaClock`. Those of Dispatch and Foundation go by the time of day on Linux: where that is set back by
/// an hour, they last an hour longer.
package final class Monitor<State: Sendable>: @unchecked Sendable {  // `state` is guarded by `mutex`
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state: State

    package init(_ state: State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Changes the state; whoever waits looks at it again.
    package func change<Result>(_ body: (inout State) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return try body(&state)
    }

    /// Asks `body`, which may also change the state, now and after each change until it gives something.
    ///
    /// - Returns: nil where it gave nothing within `time`.
    package func wait<Result>(for time: MediaTime, _ body: (inout State) -> Result?) -> Result? {
        let end = MediaClock.now + time
        var deadline = timespec(
            tv_sec: Int(end.nanoseconds / 1_000_000_000), tv_nsec: Int(end.nanoseconds % 1_000_000_000))
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            guard pthread_cond_timedwait(condition, mutex, &deadline) == 0 else { return body(&state) }
        }
    }
}

/// Wakes a thread that has nothing to do until then. Signals that come while it works count as one.
package struct Signal: Sendable {
    private let isSet = Monitor(false)

    package init() {}

    package func signal() { isSet.change { $0 = true } }

    /// - Returns: false where no signal came within `time`.
    @discardableResult
    package func wait(for time: MediaTime) -> Bool {
        isSet.wait(for: time) { isSet in
            guard isSet else { return nil }
            isSet = false
            return true
        } ?? false
    }
}
