// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A float32 array of any rank, row-major and contiguous. A value: copies share memory until one is written.
///
/// Shape mistakes are bugs of the caller and stop the program with the operation and the shapes.
/// Tensors over mapped weights read straight from the file.
public struct Tensor: Sendable {
    public let shape: [Int]
    var storage: Storage
    /// First element within the storage.
    let offset: Int
    /// What gradients flow back to; nil unless this depends on a tracked tensor.
    var node: GradientNode?

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
    public var rank: Int { shape.count }

    init(shape: [Int], storage: Storage, offset: Int = 0) {
        self.shape = shape
        self.storage = storage
        self.offset = offset
    }

    /// Memory of unknown content, for an operation that writes every element.
    init(uninitialized shape: [Int]) {
        self.init(shape: shape, storage: Storage(count: shape.reduce(1, *)))
    }

    /// Every element `value`.
    public init(_ shape: [Int], filled value: Float = 0) {
        self.init(uninitialized: shape)
        UnsafeMutableBufferPointer(start: storage.base, count: count).update(repeating: value)
    }

    /// - Parameter values: row-major; as many as `shape` holds.
    public init(_ values: [Float], shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "Tensor: \(values.count) values for shape \(shape)")
        self.init(uninitialized: shape)
        values.withUnsafeBufferPointer { from in
            if let base = from.baseAddress { storage.base.update(from: base, count: from.count) }
        }
    }

    /// A scalar, shape `[]`.
    public init(_ value: Float) { self.init([value], shape: []) }

    /// Fills new memory: `write` must set every element.
    public init(shape: [Int], writing write: (UnsafeMutableBufferPointer<Float>) throws -> Void) rethrows {
        self.init(uninitialized: shape)
        try write(UnsafeMutableBufferPointer(start: storage.base, count: count))
    }

    /// Reads weights where they lie; `owner` keeps the memory valid and unchanged.
    public init(borrowing pointer: UnsafePointer<Float>, shape: [Int], owner: any AnyObject & Sendable) {
        self.init(shape: shape, storage: Storage(borrowing: pointer, owner: owner))
    }

    // MARK: Access

    /// Lends the elements, row-major, for the duration of `body`.
    public func withValues<R>(_ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
        try withExtendedLifetime(storage) {
            try body(UnsafeBufferPointer(start: storage.base + offset, count: count))
        }
    }

    /// Lends the elements for writing; shared or mapped memory is copied first. Not for tracked tensors.
    public mutating func withMutableValues<R>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> R)
        rethrows -> R
    {
        precondition(node == nil, "withMutableValues: a tracked tensor cannot be changed")
        if !isKnownUniquelyReferenced(&storage) || !storage.isWritable { self = copied() }
        return try body(UnsafeMutableBufferPointer(start: storage.base + offset, count: count))
    }

    /// Whether nothing else refers to the memory, so that it can be written without a copy.
    var isUnique: Bool { mutating get { isKnownUniquelyReferenced(&storage) && storage.isWritable } }

    /// The elements, row-major.
    public var values: [Float] { withValues { Array($0) } }

    /// The only element.
    public var scalar: Float {
        precondition(count == 1, "scalar: shape \(shape)")
        return withValues { $0[0] }
    }

    public subscript(_ index: Int...) -> Float {
        precondition(index.count == rank, "subscript: \(index) into shape \(shape)")
        var position = 0
        for (i, extent) in zip(index, shape) {
            precondition(i >= 0 && i < extent, "subscript: \(index) into shape \(shape)")
            position = position * extent + i
        }
        return withValues { $0[position] }
    }

    func copied() -> Tensor {
        Tensor(shape: shape) { out in
            withValues {
                if let from = $0.baseAddress { out.baseAddress?.update(from: from, count: $0.count) }
            }
        }
    }

    // MARK: Views

    /// The same elements in another shape; one extent may be −1.
    public func reshaped(_ new: [Int]) -> Tensor {
        var shape = new
        if let hole = new.firstIndex(of: -1) {
            let known = new.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
            shape[hole] = known == 0 ? 0 : count / known
        }
        precondition(shape.reduce(1, *) == count, "reshaped: \(self.shape) to \(new)")
        return Tensor(shape: shape, storage: storage, offset: offset).recorded(isTracked) { _ in
            .reshape(self)
        }
    }

    public func reshaped(_ new: Int...) -> Tensor { reshaped(new) }

    /// Entries of the first axis, without a copy. `[N, …] → [range.count, …]`
    public subscript(rows range: Range<Int>) -> Tensor {
        precondition(
            rank > 0 && range.lowerBound >= 0 && range.upperBound <= shape[0], "rows: \(range) of \(shape)")
        let stride = shape.dropFirst().reduce(1, *)
        return Tensor(
            shape: [range.count] + shape.dropFirst(), storage: storage,
            offset: offset + range.lowerBound * stride
        ).recorded(isTracked) { _ in .rows(self, range) }
    }

    /// One entry of the first axis, without a copy. `[N, …] → […]`
    public subscript(row index: Int) -> Tensor {
        self[rows: index..<index + 1].reshaped(Array(shape.dropFirst()))
    }
}

/// Lends the operands of an operation: their memory stays alive while `body` runs.
func reading<R>(_ a: Tensor, _ body: (UnsafePointer<Float>) -> R) -> R {
    withExtendedLifetime(a.storage) { body(UnsafePointer(a.storage.base + a.offset)) }
}

func reading<R>(_ a: Tensor, _ b: Tensor, _ body: (UnsafePointer<Float>, UnsafePointer<Float>) -> R) -> R {
    reading(a) { a in reading(b) { b in body(a, b) } }
}

func reading<R>(
    _ a: Tensor, _ b: Tensor, _ c: Tensor,
    _ body: (UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>) -> R
) -> R {
    reading(a, b) { a, b in reading(c) { c in body(a, b, c) } }
}

extension Tensor {
    /// A new tensor that `write` fills completely.
    static func make(_ shape: [Int], _ write: (UnsafeMutablePointer<Float>) -> Void) -> Tensor {
        let out = Tensor(uninitialized: shape)
        write(out.storage.base)
        return out
    }
}
