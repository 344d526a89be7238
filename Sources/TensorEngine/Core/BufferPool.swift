// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Keeps freed buffers for reuse, so that a steady stream of frames allocates nothing from the system.
///
/// Sizes are rounded up to four steps per octave; a freed buffer serves the next request of its step, or of one of the four
/// below it that has none: work that falls together in another order than before makes do with what there is.
package final class BufferPool: Sendable {
    package static let shared = BufferPool(limitBytes: 1 << 30)

    private struct State {
        var free: [Int: [UInt]] = [:]
        var cachedBytes = 0
        var systemAllocations = 0
    }
    private let state = Mutex(State())
    private let limitBytes: Int

    /// - Parameter limitBytes: buffers that would raise the cache above this go back to the system.
    init(limitBytes: Int) { self.limitBytes = limitBytes }

    /// Bytes held for reuse.
    package var cachedBytes: Int { state.withLock { $0.cachedBytes } }

    /// Requests so far that no freed buffer could serve, so that the system had to.
    package var systemAllocations: Int { state.withLock { $0.systemAllocations } }

    func take(_ byteCount: Int) -> (UnsafeMutableRawPointer, capacity: Int) {
        let capacity = Self.step(byteCount)
        let cached = state.withLock { s -> (address: UInt, capacity: Int)? in
            var size = capacity
            for _ in 0..<5 {
                if let address = s.free[size]?.popLast() {
                    s.cachedBytes -= size
                    return (address, size)
                }
                size = Self.step(size + 1)
            }
            s.systemAllocations += 1
            return nil
        }
        if let cached, let pointer = UnsafeMutableRawPointer(bitPattern: cached.address) {
            return (pointer, cached.capacity)
        }
        return (UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64), capacity)
    }

    func give(_ pointer: UnsafeMutableRawPointer, capacity: Int) {
        let kept = state.withLock { s -> Bool in
            guard s.cachedBytes + capacity <= limitBytes else { return false }
            s.free[capacity, default: []].append(UInt(bitPattern: pointer))
            s.cachedBytes += capacity
            return true
        }
        if !kept { pointer.deallocate() }
    }

    /// Returns all cached buffers to the system.
    package func drain() {
        let all = state.withLock { s in
            defer { (s.free, s.cachedBytes) = ([:], 0) }
            return s.free.values.flatMap(\.self)
        }
        for address in all { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
    }

    static func step(_ byteCount: Int) -> Int {
        guard byteCount > 256 else { return 256 }
        let quarter = (1 << (Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount)) / 4
        return (byteCount + quarter - 1) / quarter * quarter
    }
}

/// Memory of one or more tensors: owned and pooled, or borrowed from a mapped file that it keeps alive.
final class Storage: @unchecked Sendable {  // written only while uniquely referenced
    let base: UnsafeMutablePointer<Float>
    private let capacity: Int?
    private let owner: (any AnyObject & Sendable)?

    init(count: Int) {
        let (pointer, capacity) = BufferPool.shared.take(count * MemoryLayout<Float>.stride)
        base = pointer.bindMemory(to: Float.self, capacity: capacity / MemoryLayout<Float>.stride)
        self.capacity = capacity
        owner = nil
    }

    /// Read-only memory that `owner` keeps valid.
    init(borrowing pointer: UnsafePointer<Float>, owner: any AnyObject & Sendable) {
        base = UnsafeMutablePointer(mutating: pointer)
        capacity = nil
        self.owner = owner
    }

    /// False for mapped files, which must not be written.
    var isWritable: Bool { capacity != nil }

    deinit { if let capacity { BufferPool.shared.give(base, capacity: capacity) } }
}
