// SPDX-License-Identifier: Apache-2.0
import Foundation

@testable import Training

/// Threads that talk as processes do.
// All state is guarded by `condition`.
final class Team: @unchecked Sendable {
    private let condition = NSCondition()
    private let size: Int
    private var given: [Int: [UInt8]] = [:]
    private var round = 0
    private var last: [[UInt8]] = []

    init(size: Int) { self.size = size }

    struct Member: Communicator {
        let team: Team
        let rank: Int
        var size: Int { team.size }

        func sum(_ values: UnsafeMutableBufferPointer<Float>) {
            let all = team.exchange(rank, Array(UnsafeRawBufferPointer(values)))
            for index in values.indices {
                values[index] = all.reduce(0) { sum, bytes in
                    sum
                        + bytes.withUnsafeBytes {
                            $0.loadUnaligned(fromByteOffset: 4 * index, as: Float.self)
                        }
                }
            }
        }

        func gather(_ bytes: [UInt8]) -> [[UInt8]] { team.exchange(rank, bytes) }
        func finish() {}
    }

    /// Nobody can be in the next round before all have left this one, so `last` stays until it was read.
    private func exchange(_ rank: Int, _ bytes: [UInt8]) -> [[UInt8]] {
        condition.lock()
        defer { condition.unlock() }
        given[rank] = bytes
        let own = round
        if given.count == size {
            last = (0..<size).compactMap { given.removeValue(forKey: $0) }
            round += 1
            condition.broadcast()
        }
        while round == own { condition.wait() }
        return last
    }

    /// What each member comes to on a thread of its own, in the order of ranks.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable (Member) throws -> Value
    ) -> [Result<Value, any Error>] {
        let results = Results<Value>(), group = DispatchGroup()
        for rank in 0..<size {
            group.enter()
            let thread = Thread { [self] in
                results.put(Result { try body(Member(team: self, rank: rank)) }, of: rank)
                group.leave()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
        group.wait()
        return results.inOrder
    }
}

// All state is guarded by `lock`.
private final class Results<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var found: [Int: Result<Value, any Error>] = [:]

    func put(_ result: Result<Value, any Error>, of rank: Int) { lock.withLock { found[rank] = result } }

    var inOrder: [Result<Value, any Error>] {
        lock.withLock { found.sorted { $0.key < $1.key }.map(\.value) }
    }
}
