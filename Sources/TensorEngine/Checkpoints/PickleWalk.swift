// SPDX-License-Identifier: Apache-2.0

/// Turns the result of an `Unpickler` into a tree and gives every tensor its dotted key.
///
/// The arena may share and repeat values without end; here each place counts, and depth, places, tensors and bytes
/// of keys are bounded.
struct PickleWalk {
    private(set) var tensors: [(key: String, tensor: Int)] = []

    private let nodes: [PickleNode]
    private let path: String
    private var components: [String] = []
    private var open: Set<PickleNode.Position> = []
    private var places = 0
    private var keyBytes = 0

    init(_ nodes: [PickleNode], path: String) {
        self.nodes = nodes
        self.path = path
    }

    mutating func tree(_ position: PickleNode.Position) throws -> PickleValue {
        places += 1
        guard places <= CheckpointLimits.pickleItems else {
            throw failure(.limitExceeded, "more than \(CheckpointLimits.pickleItems) values")
        }
        switch nodes[Int(position)] {
        case .none: return .none
        case .bool(let value): return .bool(value)
        case .int(let value): return .int(value)
        case .long(let bytes): return .long(bytes)
        case .float(let value): return .float(value)
        case .string(let text): return .string(text)
        case .bytes(let bytes): return .bytes(bytes)
        case .tuple(let items): return .tuple(try within(position) { try $0.sequence(items) })
        case .list(let items): return .list(try within(position) { try $0.sequence(items) })
        case .dict(let members, _): return .dict(try within(position) { try $0.members(members) })
        case .tensor(let tensor): return .tensor(try place(tensor))
        case .storage, .callable:
            throw failure(.unsupportedType, "\(nodes[Int(position)].kind) by itself")
        }
    }

    private mutating func within<R>(
        _ position: PickleNode.Position, _ body: (inout PickleWalk) throws -> R
    ) throws -> R {
        guard open.insert(position).inserted else { throw failure(.corruptFile, "a value contains itself") }
        guard open.count <= CheckpointLimits.nesting else {
            throw failure(.limitExceeded, "nested deeper than \(CheckpointLimits.nesting)")
        }
        defer { open.remove(position) }
        return try body(&self)
    }

    private mutating func sequence(_ items: [PickleNode.Position]) throws -> [PickleValue] {
        var values: [PickleValue] = []
        for (index, item) in items.enumerated() {
            components.append(String(index))
            values.append(try tree(item))
            components.removeLast()
        }
        return values
    }

    private mutating func members(
        _ items: [(key: PickleNode.Position, value: PickleNode.Position)]
    ) throws -> [PickleValue.Member] {
        var members: [PickleValue.Member] = []
        var seen: Set<PickleValue.Key> = []
        for item in items {
            let key = try memberKey(nodes[Int(item.key)])
            guard seen.insert(key).inserted else {
                throw failure(.corruptFile, "key \"\(key)\" appears twice")
            }
            components.append(key.description)
            members.append(PickleValue.Member(key: key, value: try tree(item.value)))
            components.removeLast()
        }
        return members
    }

    private func memberKey(_ node: PickleNode) throws -> PickleValue.Key {
        switch node {
        case .string(let text) where text.utf8.count <= CheckpointLimits.keyBytes: return .string(text)
        case .int(let number): return .int(number)
        case .string:
            throw failure(.limitExceeded, "a dict key of more than \(CheckpointLimits.keyBytes) bytes")
        default: throw failure(.unsupportedType, "\(node.kind) as a dict key")
        }
    }

    private mutating func place(_ tensor: Int) throws -> Int {
        let key = components.joined(separator: ".")
        keyBytes += key.utf8.count
        guard tensors.count < CheckpointLimits.tensors, keyBytes <= CheckpointLimits.keyBytesInAll else {
            throw failure(
                .limitExceeded, "more than \(CheckpointLimits.tensors) tensors, or their keys are too long")
        }
        tensors.append((key, tensor))
        return tensors.count - 1
    }

    private func failure(_ code: CheckpointError.Code, _ detail: String) -> CheckpointError {
        CheckpointError(code, path: path, key: components.joined(separator: "."), detail)
    }
}
