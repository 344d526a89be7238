// SPDX-License-Identifier: Apache-2.0
// Processes that train one model together, on one machine or many. N of them do what a single one does that accumulates
// N times as many batches: each takes its part of a step's batches, and all go on with the sum of the gradients.
import Foundation
import TensorEngine

/// What processes say to each other. All of them make the same calls in the same order.
package protocol Communicator {
    /// Which process this is, `0..<size`. Process 0 alone writes files.
    var rank: Int { get }
    var size: Int { get }
    /// Replaces values by their sums over all processes, which give equally many.
    func sum(_ values: UnsafeMutableBufferPointer<Float>) throws
    /// What each process gives, in the order of ranks.
    func gather(_ bytes: [UInt8]) throws -> [[UInt8]]
    /// The last call.
    func finish() throws
}

/// Processes that cannot go on together.
package struct CommunicatorError: Error, CustomStringConvertible, Sendable {
    package var rank: Int
    package var detail: String
    package var description: String { "process \(rank): \(detail)" }
}

/// A process by itself.
package struct SingleProcess: Communicator {
    package let rank = 0, size = 1

    package init() {}

    package func sum(_ values: UnsafeMutableBufferPointer<Float>) {}
    package func gather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
    package func finish() {}
}

extension Communicator {
    /// This process's part of `count` things.
    package func share(of count: Int) -> Range<Int> { rank * count / size..<(rank + 1) * count / size }

    /// Does something in every process; where it fails in one, it fails in all, so that none waits for another.
    ///
    /// - Returns: the results, in the order of ranks.
    /// - Throws: the error of this process, else a `CommunicatorError` that tells another's.
    package func together<Value: Codable>(_ body: () throws -> Value) throws -> [Value] {
        guard size > 1 else { return [try body()] }
        let own = Result(catching: body)
        let outcomes = try gather(Array(JSONEncoder().encode(Outcome(own)))).map {
            try JSONDecoder().decode(Outcome<Value>.self, from: Data($0))
        }
        if case .failure(let error) = own { throw error }
        return try outcomes.enumerated().map { rank, outcome in
            switch outcome {
            case .done(let value): value
            case .failed(let detail): throw CommunicatorError(rank: rank, detail: detail)
            }
        }
    }

    /// The same for what has no result.
    package func together(_ body: () throws -> Void) throws {
        let _: [Bool] = try together {
            try body()
            return true
        }
    }

    /// Lets process 0 do something while the others wait.
    package func first(_ body: () throws -> Void) throws { try together { if rank == 0 { try body() } } }
}

private enum Outcome<Value: Codable>: Codable {
    case done(Value), failed(String)

    init(_ result: Result<Value, any Error>) {
        switch result {
        case .success(let value): self = .done(value)
        case .failure(let error): self = .failed("\(error)")
        }
    }
}

extension Communicator {
    /// Adds up the gradients of all processes. A parameter that only some have a gradient for has one in all.
    func sum(_ own: Gradients, of parameters: [Tensor]) throws -> Gradients {
        guard size > 1 else { return own }
        let known = try together { parameters.map { own[$0] != nil } }
        let summed = parameters.indices.filter { index in known.contains { $0[index] } }.map {
            parameters[$0]
        }
        let sums = try sums(summed.map { (own[$0], $0.count) })
        var result = Gradients.none
        for (parameter, sum) in zip(summed, sums) {
            // The derivative of Σ parameter · sum is the sum.
            result.add(gradients(of: (parameter * Tensor(Array(sum), shape: parameter.shape)).sum()))
        }
        return result
    }

    /// - Parameter own: values of this process, nil for zeros, and how many.
    private func sums(_ own: [(values: Tensor?, count: Int)]) throws -> [ArraySlice<Float>] {
        // One message: many small ones would each wait for the slowest process.
        var all = own.flatMap { $0.values?.values ?? [Float](repeating: 0, count: $0.count) }
        try all.withUnsafeMutableBufferPointer { try sum($0) }
        var end = 0
        return own.map {
            end += $0.count
            return all[end - $0.count..<end]
        }
    }
}

extension Gradients {
    fileprivate static var none: Gradients { gradients(of: Tensor(0)) }
}
