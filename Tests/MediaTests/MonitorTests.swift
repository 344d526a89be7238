// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Media

@Suite("Waiting for other threads")
struct MonitorTests {
    @Test("a wait ends with the change it waits for, or with its time")
    func monitor() {
        let monitor = Monitor(0)
        let start = MediaClock.now
        #expect(monitor.wait(for: .milliseconds(100)) { $0 == 3 ? "three" : nil } == nil)
        #expect(MediaClock.now - start >= .milliseconds(100))
        let thread = Thread {
            for _ in 0..<3 {
                Thread.sleep(forTimeInterval: 0.02)
                monitor.change { $0 += 1 }
            }
        }
        thread.start()
        let taken = monitor.wait(for: .seconds(20)) { count -> Int? in
            guard count == 3 else { return nil }
            defer { count = 0 }
            return count
        }
        #expect(taken == 3 && MediaClock.now - start < .seconds(10))
        #expect(monitor.change { $0 } == 0)
        // Whose time is over before it begins, takes what is there.
        #expect(monitor.wait(for: .seconds(-1)) { $0 == 0 ? "none" : nil } == "none")
        #expect(monitor.wait(for: .seconds(-1)) { $0 == 1 ? "one" : nil } == nil)
    }

    @Test("signals that come while nobody waits count as one")
    func signal() {
        let signal = Signal()
        for _ in 0..<1000 { signal.signal() }
        #expect(signal.wait(for: .zero))
        #expect(!signal.wait(for: .zero))
        let thread = Thread {
            Thread.sleep(forTimeInterval: 0.02)
            signal.signal()
        }
        thread.start()
        #expect(signal.wait(for: .seconds(20)))
    }

    @Test("a queue keeps the newest in order, and ends when it is closed")
    func queue() {
        let queue = BoundedQueue<Int>(limit: 2)
        #expect(queue.put(1) == nil && queue.put(2) == nil && queue.put(3) == 1)
        #expect(queue.take(timeout: .zero) == 2 && queue.take(timeout: .zero) == 3)
        #expect(queue.take(timeout: .milliseconds(20)) == nil)
        let thread = Thread {
            Thread.sleep(forTimeInterval: 0.02)
            queue.close()
        }
        thread.start()
        let start = MediaClock.now
        #expect(queue.take(timeout: .seconds(20)) == nil && MediaClock.now - start < .seconds(10))
        #expect(queue.put(4) == 4)
    }
}
