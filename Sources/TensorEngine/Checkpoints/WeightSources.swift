// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A checkpoint as a source of weights: mapped tensors are used where they lie, others are converted to float32.
package struct CheckpointWeights: WeightSource {
    private let tensors: [String: CheckpointTensor]

    package init(_ tensors: [CheckpointTensor]) {
        self.tensors = Dictionary(tensors.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package var keys: Set<String>? { Set(tensors.keys) }
    package func shape(of key: String, expected: [Int]) -> [Int]? { tensors[key]?.shape }

    package func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        guard let tensor = tensors[key] else { return Tensor(shape) }
        guard !isByteMatrix(tensor) else {
            throw CheckpointError(
                .unsupportedType, path: tensor.path, key: key,
                "expected floats, file has bytes with scales: they serve inference only, not training")
        }
        if let (file, offset) = tensor.mappedFloat32, let base = file.bytes.baseAddress {
            return Tensor(
                borrowing: (base + offset).assumingMemoryBound(to: Float.self), shape: shape, owner: file)
        }
        return try Tensor(shape: shape) { try tensor.floats(into: $0) }
    }

    /// A matrix as `BundleWriter` stores it in bytes: with a scale and the sum of the bytes of each row beside it.
    package func bytes(_ key: String, shape: [Int]) throws -> ByteMatrix? {
        guard let tensor = tensors[key], isByteMatrix(tensor), shape.count == 2 else { return nil }
        func fail(_ code: CheckpointError.Code, _ key: String, _ detail: String) -> CheckpointError {
            CheckpointError(code, path: tensor.path, key: key, detail)
        }
        guard shape[1] <= ByteMatrix.mostInputs else {
            throw fail(
                .limitExceeded, key, "\(shape[1]) bytes a row, at most \(ByteMatrix.mostInputs) are read")
        }
        try tensor.verify()
        guard let (file, offset) = tensor.mappedBytes, let base = file.bytes.baseAddress else {
            throw fail(.unsupportedType, key, "expected bytes in row-major order")
        }
        let companions = try ByteMatrix.companions(of: key).map { name in
            guard let companion = tensors[name] else {
                throw fail(.missingTensor, name, "not in the file, which has \(key) in bytes")
            }
            guard companion.shape == [shape[0]] else {
                throw fail(.shapeMismatch, name, "expected [\(shape[0])], file has \(companion.shape)")
            }
            var values = [Float](repeating: 0, count: shape[0])
            try values.withUnsafeMutableBufferPointer { try companion.floats(into: $0) }
            return values
        }
        let sums = try companions[1].map { value in
            guard let sum = Int32(exactly: value), abs(Int(sum)) <= 128 * shape[1] else {
                throw fail(
                    .corruptFile, key + "_sum", "\(value) cannot be the sum of \(shape[1]) signed bytes")
            }
            return sum
        }
        return ByteMatrix(
            borrowing: (base + offset).assumingMemoryBound(to: Int8.self), shape: shape,
            scales: companions[0],
            sums: sums, owner: file)
    }

    private func isByteMatrix(_ tensor: CheckpointTensor) -> Bool {
        tensor.dtype == .int8 && ByteMatrix.companions(of: tensor.key).contains { tensors[$0] != nil }
    }
}

/// Another source's weights, with its matrices rounded to bytes where these serve: for benchmarks and tests.
package struct RoundedSource: WeightSource {
    private let floats: any WeightSource

    package init(_ floats: any WeightSource) { self.floats = floats }

    package var keys: Set<String>? { floats.keys }
    package func shape(of key: String, expected: [Int]) -> [Int]? {
        floats.shape(of: key, expected: expected)
    }
    package func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        try floats.tensor(key, shape: shape)
    }
    package func bytes(_ key: String, shape: [Int]) throws -> ByteMatrix? {
        ByteMatrix.serves(shape) ? ByteMatrix(rounding: try floats.tensor(key, shape: shape)) : nil
    }
}

/// Name-seeded weights of any model, for tests, benchmarks and the demonstration: deterministic and meaningless.
package struct SeededSource: WeightSource {
    private let fills: [String: Float]
    private let prefix: String

    /// - Parameters:
    ///   - prefix: put before each key when seeding.
    ///   - fills: tensors that get one value throughout instead.
    package init(prefix: String = "", fills: [String: Float] = [:]) {
        self.prefix = prefix
        self.fills = fills
    }

    package var keys: Set<String>? { nil }
    package func shape(of key: String, expected: [Int]) -> [Int]? { expected }

    package func tensor(_ key: String, shape: [Int]) throws -> Tensor {
        if let value = fills[key] { return Tensor(shape, filled: value) }
        return Tensor(shape: shape) { out in
            let piece = 1 << 20
            ThreadPool.shared.run((out.count + piece - 1) / piece) { index in
                let range = index * piece..<min(out.count, (index + 1) * piece)
                SeededWeights.fill(
                    key: prefix + key, shape: shape, from: range.lowerBound,
                    into: UnsafeMutableBufferPointer(rebasing: out[range]))
            }
        }
    }
}
