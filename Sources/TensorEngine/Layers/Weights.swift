// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Where a model takes its parameters from: a checkpoint, a generator, a table.
public protocol WeightSource: Sendable {
    /// Keys the source holds, or nil for a generator that has any key.
    var keys: Set<String>? { get }
    /// Shape of the tensor under `key`, nil where it is absent. A generator returns `expected`.
    func shape(of key: String, expected: [Int]) -> [Int]?
    /// The tensor under `key`, float32. Called only after `shape` agreed.
    func tensor(_ key: String, shape: [Int]) throws -> Tensor
    /// The matrix under `key` where the source has it as bytes; nil where it has floats.
    func bytes(_ key: String, shape: [Int]) throws -> ByteMatrix?
}

extension WeightSource {
    public func bytes(_ key: String, shape: [Int]) throws -> ByteMatrix? { nil }
}

/// All that is wrong between a model and its checkpoint, at once.
public struct WeightReport: Error, CustomStringConvertible, Sendable {
    public var missing: [String] = []
    public var misshapen: [String] = []
    public var unused: [String] = []

    package init() {}

    public var isEmpty: Bool { missing.isEmpty && misshapen.isEmpty && unused.isEmpty }

    public var description: String {
        func part(_ name: String, _ keys: [String]) -> String? {
            guard !keys.isEmpty else { return nil }
            let shown = keys.prefix(5).joined(separator: ", ")
            return "\(keys.count) \(name): \(shown)\(keys.count > 5 ? ", …" : "")"
        }
        return ["missing", "misshapen", "unused"].enumerated()
            .compactMap { part($1, [missing, misshapen, unused][$0]) }.joined(separator: "; ")
    }
}

/// One scope of dotted checkpoint keys: `weights["layers"][0]` hands out what lies below `layers.0.`.
///
/// Problems are collected while a model is built; `load` throws them all together.
public struct Weights: Sendable {
    private let loader: Loader
    public let prefix: String

    private final class Loader: Sendable {
        struct State {
            var report = WeightReport()
            var taken: Set<String> = []
        }
        let source: any WeightSource
        let state = Mutex(State())
        init(_ source: any WeightSource) { self.source = source }
    }

    /// Builds a model and checks that every key of the source was used once its shape fitted.
    ///
    /// - Parameter ignoring: keys of the source that may stay unused (parts of the checkpoint this model lacks).
    /// - Throws: `WeightReport` with all missing, misshapen and unused keys; what `build` and the source throw.
    public static func load<Model>(
        _ source: any WeightSource, ignoring: (String) -> Bool = { _ in false },
        _ build: (Weights) throws -> Model
    ) throws -> Model {
        let loader = Loader(source)
        let model = try build(Weights(loader: loader, prefix: ""))
        var (report, taken) = loader.state.withLock { ($0.report, $0.taken) }
        report.unused = (source.keys ?? []).filter { !taken.contains($0) && !ignoring($0) }.sorted()
        if !report.isEmpty { throw report }
        return model
    }

    private init(loader: Loader, prefix: String) {
        self.loader = loader
        self.prefix = prefix
    }

    public subscript(_ name: String) -> Weights { Weights(loader: loader, prefix: prefix + name + ".") }
    public subscript(_ index: Int) -> Weights { self["\(index)"] }

    /// The tensor `name` of this scope, which must have this shape.
    public func callAsFunction(_ name: String, _ shape: [Int]) throws -> Tensor {
        let key = prefix + name
        guard fits(key, shape) else { return Self.placeholder(shape) }
        return try loader.source.tensor(key, shape: shape)
    }

    /// The matrix `name` of this scope, `[outputs, inputs]`, for products alone: floats or bytes, as the source has it.
    public func matrix(_ name: String, _ shape: [Int]) throws -> Matrix {
        let key = prefix + name
        guard fits(key, shape) else { return Matrix(Self.placeholder(shape), key: key) }
        guard let bytes = try loader.source.bytes(key, shape: shape) else {
            return Matrix(try loader.source.tensor(key, shape: shape), key: key)
        }
        loader.state.withLock { $0.taken.formUnion(ByteMatrix.companions(of: key)) }
        return Matrix(bytes, key: key)
    }

    /// Whether the source has `key` in this shape; if not, the report says so.
    private func fits(_ key: String, _ shape: [Int]) -> Bool {
        let found = loader.source.shape(of: key, expected: shape)
        loader.state.withLock { s in
            s.taken.insert(key)
            if found == nil { s.report.missing.append(key) }
            if let found, found != shape {
                s.report.misshapen.append("\(key): expected \(shape), file has \(found)")
            }
        }
        return found == shape
    }

    /// Stands in for an unusable tensor until `load` reports it; takes address space, no memory.
    private static func placeholder(_ shape: [Int]) -> Tensor {
        let bytes = max(1, shape.reduce(1, *)) * MemoryLayout<Float>.stride
        final class Reservation: Sendable {
            let address: UInt, bytes: Int
            init(_ bytes: Int) {
                let pointer = mmap(nil, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                address = UInt(bitPattern: pointer)
                self.bytes = bytes
            }
            deinit { munmap(UnsafeMutableRawPointer(bitPattern: address), bytes) }
        }
        let memory = Reservation(bytes)
        guard let pointer = UnsafePointer<Float>(bitPattern: memory.address) else { return Tensor(shape) }
        return Tensor(borrowing: pointer, shape: shape, owner: memory)
    }
}

/// Weights held in memory, by key.
public struct TensorTable: WeightSource {
    private let tensors: [String: Tensor]
    public init(_ tensors: [String: Tensor]) { self.tensors = tensors }
    public var keys: Set<String>? { Set(tensors.keys) }
    public func shape(of key: String, expected: [Int]) -> [Int]? { tensors[key]?.shape }
    public func tensor(_ key: String, shape: [Int]) throws -> Tensor { tensors[key] ?? Tensor(shape) }
}
