// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Gradients of one scalar, by parameter.
public struct Gradients: Sendable {
    fileprivate(set) var leaves: [Int: Tensor] = [:]

    /// Gradient for a tracked leaf, nil where the scalar does not depend on it.
    public subscript(_ leaf: Tensor) -> Tensor? { leaf.node.flatMap { leaves[$0.id] } }
}

/// Derivatives of a scalar with respect to every tracked leaf it depends on.
///
/// Walks the tape backwards once and frees it on the way: a result can be differentiated once.
public func gradients(of loss: Tensor) -> Gradients {
    precondition(loss.count == 1, "gradients: shape \(loss.shape) is not a scalar")
    return gradients(of: loss, seed: Tensor(loss.shape, filled: 1))
}

/// Derivatives of Σ seed · result.
func gradients(of result: Tensor, seed: Tensor) -> Gradients {
    guard let root = result.node else { return Gradients() }
    var pending = [root.id: seed]
    var found = Gradients()
    for node in orderedNodes(from: root) {
        guard let gradient = pending.removeValue(forKey: node.id) else {
            node.op = nil
            continue
        }
        guard !node.isLeaf else {
            accumulate(gradient, at: node.id, in: &found.leaves)
            continue
        }
        guard let op = node.op else {
            preconditionFailure("gradients: a part of the graph was used up before")
        }
        node.op = nil
        let inputs = op.inputs
        for (input, gradient) in zip(inputs, op.gradients(gradient)) {
            guard let node = input.node, let gradient else { continue }
            accumulate(gradient, at: node.id, in: &pending)
        }
        if case .checkpoint(let segment) = op {
            for (id, gradient) in segment.takeLeaves() { accumulate(gradient, at: id, in: &found.leaves) }
        }
    }
    return found
}

/// Nodes that feed `root`, newest first.
private func orderedNodes(from root: GradientNode) -> [GradientNode] {
    var seen: Set<Int> = [root.id]
    var nodes = [root], open = [root]
    while let node = open.popLast() {
        for input in node.op?.inputs ?? [] {
            guard let node = input.node, seen.insert(node.id).inserted else { continue }
            nodes.append(node)
            open.append(node)
        }
    }
    return nodes.sorted { $0.id > $1.id }
}

private func accumulate(_ gradient: Tensor, at id: Int, in sums: inout [Int: Tensor]) {
    guard var sum = sums.removeValue(forKey: id) else {
        sums[id] = gradient
        return
    }
    precondition(sum.count == gradient.count, "gradients: \(sum.shape) and \(gradient.shape) for one tensor")
    // Memory that something else holds too would be copied before it is added to.
    if sum.isUnique { sum.add(gradient) } else { sum = sum.reshaped(gradient.shape) + gradient }
    sums[id] = sum
}

extension Tensor {
    /// Adds another tensor of as many elements in place.
    mutating func add(_ other: Tensor) {
        withMutableValues { sum in
            guard let sum = sum.baseAddress else { return }
            reading(other) { x in
                ThreadPool.shared.runRanges(other.count, grain: elementGrain) {
                    tavis_accumulate(sum + $0.lowerBound, x + $0.lowerBound, $0.count)
                }
            }
        }
    }
}

extension Gradients {
    /// √Σ g² over all leaves.
    public var norm: Float {
        let leaves = leaves.sorted { $0.key < $1.key }.map(\.value)
        var squares = [Double](repeating: 0, count: leaves.count)
        squares.withUnsafeMutableBufferPointer { squares in
            ThreadPool.shared.run(leaves.count) {
                squares[$0] = Double((leaves[$0] * leaves[$0]).sum().scalar)
            }
        }
        return Float(squares.reduce(0, +).squareRoot())
    }

    /// Adds another sample's gradients.
    public mutating func add(_ other: Gradients) {
        for (id, gradient) in other.leaves {
            if var sum = leaves.removeValue(forKey: id) {
                sum.add(gradient)
                leaves[id] = sum
            } else {
                leaves[id] = gradient
            }
        }
    }
}
