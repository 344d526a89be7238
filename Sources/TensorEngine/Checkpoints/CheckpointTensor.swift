// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// A run of bytes in a mapped file that one or more tensors view, with the checksum its container promises.
final class CheckpointStorage: Sendable {
    let file: MappedFile
    let byteOffset: Int
    let byteCount: Int
    let isBigEndian: Bool
    private let checksum: UInt32?
    private let isVerified: Atomic<Bool>

    /// The caller has checked that the run lies inside the file.
    init(
        file: MappedFile, byteOffset: Int, byteCount: Int, isBigEndian: Bool = false, checksum: UInt32? = nil
    ) {
        precondition(byteOffset >= 0 && byteCount >= 0 && byteOffset <= file.byteCount - byteCount)
        self.file = file
        self.byteOffset = byteOffset
        self.byteCount = byteCount
        self.isBigEndian = isBigEndian
        self.checksum = checksum
        isVerified = Atomic(checksum == nil)
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[byteOffset..<byteOffset + byteCount])
    }

    var isKnownGood: Bool { isVerified.load(ordering: .acquiring) }

    /// Compares the checksum on first use; later calls are free.
    func verify(key: String) throws {
        guard let checksum, !isKnownGood else { return }
        // In pieces, so that checking a storage of gigabytes does not keep it resident.
        let piece = 64 << 20
        var crc = CRC32()
        for start in stride(from: 0, to: byteCount, by: piece) {
            let end = min(start + piece, byteCount)
            crc.update(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            if byteCount > piece { file.releasePages(byteOffset + start..<byteOffset + end) }
        }
        guard crc.value == checksum else {
            throw CheckpointError(
                .corruptFile, path: file.path, key: key,
                "storage of \(byteCount) bytes at offset \(byteOffset): expected CRC-32 \(hex(checksum)), found \(hex(crc.value))"
            )
        }
        isVerified.store(true, ordering: .releasing)
    }
}

/// One tensor of a checkpoint: where its elements are and how they are laid out. Holds no elements itself.
///
/// Whoever makes one has checked that every element lies inside the storage, so reading cannot run out of it.
package struct CheckpointTensor: Sendable {
    /// Dotted path in the checkpoint; list positions are numbers.
    package var key: String
    package let dtype: ElementType
    package let shape: [Int]
    /// In elements, one per dimension; 0 repeats.
    package let strides: [Int]
    /// Position of the first element in its storage, in elements.
    package let storageOffset: Int
    let storage: CheckpointStorage

    package var elementCount: Int { shape.reduce(1, *) }
    package var byteCount: Int { elementCount * dtype.byteCount }

    package var path: String { storage.file.path }

    /// Whether the elements lie one after another in row-major order.
    package var isContiguous: Bool {
        guard elementCount > 0 else { return true }
        var expected = 1
        for (size, stride) in zip(shape, strides).reversed() where size != 1 {
            if stride != expected { return false }
            expected *= size
        }
        return true
    }

    /// Where the elements can be used in place: float32, contiguous, 4-byte aligned, little-endian.
    ///
    /// Nil for everything else, also for a storage whose checksum has not been compared yet: call `verify()` first.
    package var mappedFloat32: (file: MappedFile, byteOffset: Int)? {
        let byteOffset = storage.byteOffset + storageOffset * dtype.byteCount
        guard dtype == .float32, isContiguous, byteOffset % 4 == 0, !storage.isBigEndian, storage.isKnownGood
        else { return nil }
        return (storage.file, byteOffset)
    }

    /// Where signed bytes can be used in place: contiguous, of a storage known to be good.
    package var mappedBytes: (file: MappedFile, byteOffset: Int)? {
        guard dtype == .int8, isContiguous, storage.isKnownGood else { return nil }
        return (storage.file, storage.byteOffset + storageOffset)
    }

    /// Compares the checksum of the storage with the one in the file, once. Reading does this by itself.
    package func verify() throws { try storage.verify(key: key) }

    /// Lets go of the mapped pages behind the elements of `range` (row-major), or of the whole storage when the
    /// elements are scattered and `range` is the last; see `MappedFile.releasePages`.
    package func releasePages(_ range: Range<Int>) {
        if isContiguous {
            let start = storage.byteOffset + storageOffset * dtype.byteCount
            storage.file.releasePages(
                start + range.lowerBound * dtype.byteCount..<start + range.upperBound * dtype.byteCount)
        } else if range.upperBound == elementCount {
            storage.file.releasePages(storage.byteOffset..<storage.byteOffset + storage.byteCount)
        }
    }
}

extension CheckpointTensor {
    /// Checks `shape`, `strides` and `storageOffset` against the storage, then makes the descriptor.
    ///
    /// - Parameter strides: nil stands for row-major.
    init(
        checkedKey key: String, dtype: ElementType, shape: [Int], strides: [Int]? = nil,
        storageOffset: Int = 0,
        storage: CheckpointStorage
    ) throws {
        func fail(_ detail: String, _ code: CheckpointError.Code = .corruptFile) -> CheckpointError {
            CheckpointError(code, path: storage.file.path, key: key, detail)
        }
        let available = storage.byteCount / dtype.byteCount
        guard let count = Self.checkedElementCount(shape) else {
            throw fail("shape \(shape.prefix(8)) is negative or too large")
        }
        let strides = strides ?? Self.rowMajorStrides(shape)
        guard strides.count == shape.count else {
            throw fail("\(shape.count) dimensions but \(strides.count) strides")
        }
        guard storageOffset >= 0, storageOffset <= available, strides.allSatisfy({ $0 >= 0 }) else {
            throw fail(
                "offset \(storageOffset) or strides \(strides) outside the storage of \(available) elements")
        }
        var last = storageOffset
        if count > 0 {
            for (size, stride) in zip(shape, strides) {
                let (step, overflow) = (size - 1).multipliedReportingOverflow(by: stride)
                let (sum, overflow2) = last.addingReportingOverflow(step)
                guard !overflow, !overflow2 else {
                    throw fail("shape \(shape) with strides \(strides) is too large")
                }
                last = sum
            }
            guard last < available else {
                throw fail(
                    "shape \(shape) with strides \(strides) and offset \(storageOffset) needs \(last) + 1 elements, its storage has \(available)"
                )
            }
        }
        // A view may repeat its storage (stride 0), but a few bytes must not stand for terabytes.
        guard count <= max(available, CheckpointLimits.repeatedElements) else {
            throw fail("shape \(shape) repeats a storage of \(available) elements too often", .limitExceeded)
        }
        self.init(
            key: key, dtype: dtype, shape: shape, strides: strides, storageOffset: storageOffset,
            storage: storage)
    }

    /// Product of the sizes; nil when a size is negative or a byte count of the product would overflow.
    ///
    /// The sizes other than zero must fit by themselves, so that no stride computed from them overflows.
    static func checkedElementCount(_ shape: [Int]) -> Int? {
        var product = 1
        for size in shape {
            guard size >= 0 else { return nil }
            let (next, overflow) = product.multipliedReportingOverflow(by: max(size, 1))
            guard !overflow, next <= Int.max / 16 else { return nil }
            product = next
        }
        return shape.contains(0) ? 0 : product
    }

    static func rowMajorStrides(_ shape: [Int]) -> [Int] {
        var strides = [Int](repeating: 1, count: shape.count)
        for i in stride(from: shape.count - 2, through: 0, by: -1) {
            strides[i] = strides[i + 1] * max(shape[i + 1], 1)
        }
        return strides
    }
}

func hex(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }
