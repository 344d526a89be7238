// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import Synchronization

/// Splits loops over the cores. The calling thread works too; nested and concurrent calls run on their own thread.
///
/// Libraries below are told to use one thread: two runtimes spinning on the same cores cost more than they give.
/// Nobody waits for a thread that has not begun: on a busy machine the caller does the work that others do not
/// come for. A pool lives as long as the process: its threads hold it.
// `job` is guarded by `busy`, and read by a thread while it is counted in `workers`.
public final class ThreadPool: @unchecked Sendable {
    /// As many threads as there are cores that this process may use: fewer than the machine has where `taskset`, a
    /// container or a service's `CPUAffinity=` says so.
    public static let shared = ThreadPool(threads: tavis_usable_cores())

    public let threads: Int

    /// Into how many pieces work is worth cutting here: one for each thread, but a single one within a piece of other
    /// work, where all threads have enough to do.
    public var pieces: Int { tavis_is_at_work() ? 1 : threads }

    private struct Job {
        var body: (Int) -> Void
        var count: Int
    }
    private var job: Job?
    private let busy = Atomic(false)
    private let generation = Atomic(0)
    private let next = Atomic(0)
    /// Threads at work on `job`, plus `isOpen` while more may join.
    private let workers = Atomic(0)
    private let condition = NSCondition()
    private static let isOpen = 1 << 32
    private static let spins = 4000
    /// Set by `giveWay`, taken on by each thread before its next piece of work.
    private let niceness = Atomic<Int32>(0)

    public init(threads: Int) {
        self.threads = max(1, threads)
        for index in 1..<max(2, self.threads) where index < self.threads {
            let thread = Thread { self.work() }
            thread.stackSize = 8 << 20
            thread.start()
            thread.name = "tensor-\(index)"
        }
    }

    /// Calls `body` once for each index below `count`, in any order and possibly at the same time.
    public func run(_ count: Int, _ body: (Int) -> Void) {
        guard count > 1, threads > 1,
            busy.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
        else {
            for index in 0..<count { body(index) }
            return
        }
        withoutActuallyEscaping(body) { body in
            job = Job(body: body, count: count)
            next.store(0, ordering: .relaxed)
            workers.store(Self.isOpen, ordering: .releasing)
            condition.lock()
            generation.add(1, ordering: .releasing)
            condition.broadcast()
            condition.unlock()
            drain(body, count)
            workers.subtract(Self.isOpen, ordering: .acquiringAndReleasing)
            waitForWorkers()
            job = nil
        }
        busy.store(false, ordering: .releasing)
    }

    /// Lets other threads go first from now on, this one's caller too, where the cores do not suffice for all: for work
    /// that may come late beside work that may not. Meant for the thread that calls `run`; cannot be taken back.
    public func giveWay() {
        niceness.store(Self.giveWayNiceness, ordering: .relaxed)
        Self.setNiceness(Self.giveWayNiceness)
    }

    /// Leaves a third of a core to these threads where others want all of it (Linux weighs 5 as 335 to 1024).
    private static let giveWayNiceness: Int32 = 5

    /// Of this thread alone, as Linux does it.
    private static func setNiceness(_ value: Int32) {
        // It can only fail where a thread is less nice than asked for.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, value)
    }

    /// Like `run`, over ranges that cut `count` items into about `threads` (at most) pieces of at least `grain`.
    public func runRanges(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        let pieces = max(1, min(pieces, count / max(1, grain)))
        run(pieces) { piece in body(piece * count / pieces..<(piece + 1) * count / pieces) }
    }

    private func drain(_ body: (Int) -> Void, _ count: Int) {
        let wasAtWork = tavis_set_at_work(true)
        defer { _ = tavis_set_at_work(wasAtWork) }
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            body(index)
        }
    }

    private func work() {
        var seen = 0
        var ownNiceness: Int32 = 0
        while true {
            var spin = 0
            while generation.load(ordering: .acquiring) == seen, spin < Self.spins {
                spin += 1
                pause()
            }
            condition.lock()
            while generation.load(ordering: .acquiring) == seen { condition.wait() }
            condition.unlock()
            seen = generation.load(ordering: .acquiring)
            guard join() else { continue }
            let asked = niceness.load(ordering: .relaxed)
            if asked != ownNiceness {
                Self.setNiceness(asked)
                ownNiceness = asked
            }
            takePart()
            workers.subtract(1, ordering: .releasing)
        }
    }

    private func join() -> Bool {
        var count = workers.load(ordering: .relaxed)
        while count >= Self.isOpen {
            let (joined, found) = workers.compareExchange(
                expected: count, desired: count + 1, ordering: .acquiring)
            if joined { return true }
            count = found
        }
        return false
    }

    private func waitForWorkers() {
        var spin = 0
        while workers.load(ordering: .acquiring) > 0 {
            spin += 1
            // The thread waited for may need this very core.
            if spin < Self.spins { pause() } else { sched_yield() }
        }
    }

    /// A call of its own, so that this thread's reference to the body is gone before `run` is told to go on:
    /// the body must not outlive `run`.
    @inline(never)
    private func takePart() {
        if let job { drain(job.body, job.count) }
    }

    private func pause() { tavis_pause() }
}
