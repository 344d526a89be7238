// SPDX-License-Identifier: Apache-2.0

// A pickle is a program for a stack machine. This machine knows only the instructions that build plain data and
// the handful of names by which torch describes tensors; it has no way to call anything. Every other instruction
// or name is an error that says which and where.
//
// Values live in an arena and refer to each other by position, so sharing and recursion cost nothing here; both are
// bounded when the result is walked (`PickleWalk`). Each instruction adds at most one value, one memo entry or one
// reference, so the bound on instructions bounds the memory.

/// A value of the machine. Positions point into `Unpickler.nodes`.
enum PickleNode {
    typealias Position = Int32

    case none
    case bool(Bool)
    case int(Int)
    case long([UInt8])
    case float(Double)
    case string(String)
    case bytes([UInt8])
    case tuple([Position])
    case list([Position])
    case dict([(key: Position, value: Position)], isOrdered: Bool)
    case callable(PickleCallable)
    /// Position in `Unpickler.storages`.
    case storage(Int)
    /// Position in `Unpickler.tensors`.
    case tensor(Int)

    var kind: String {
        switch self {
        case .none: "None"
        case .bool: "a bool"
        case .int, .long: "an int"
        case .float: "a float"
        case .string: "a string"
        case .bytes: "bytes"
        case .tuple: "a tuple"
        case .list: "a list"
        case .dict: "a dict"
        case .callable(let callable): callable.name
        case .storage: "a storage"
        case .tensor: "a tensor"
        }
    }
}

/// The only names a pickle may mention. None of them is code: each is a form this file knows how to read.
enum PickleCallable {
    case orderedDict, rebuildTensor, rebuildTensorV2, rebuildParameter, size
    case storage(ElementType)

    init?(module: String, name: String) {
        switch (module, name) {
        case ("collections", "OrderedDict"): self = .orderedDict
        case ("torch._utils", "_rebuild_tensor"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensorV2
        case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
        case ("torch", "Size"): self = .size
        case ("torch", let name):
            guard let type = ElementType(torchStorageName: name) else { return nil }
            self = .storage(type)
        default: return nil
        }
    }

    var name: String {
        switch self {
        case .orderedDict: "OrderedDict"
        case .rebuildTensor: "_rebuild_tensor"
        case .rebuildTensorV2: "_rebuild_tensor_v2"
        case .rebuildParameter: "_rebuild_parameter"
        case .size: "torch.Size"
        case .storage(let type): type.torchStorageName
        }
    }
}

/// A storage that a pickle names: its elements are elsewhere in the file.
struct PickleStorage: Equatable {
    var type: ElementType
    var key: String
    /// Elements of the whole storage `key`.
    var count: Int
    /// The part of it that is meant, in elements (legacy files have storages that view others).
    var view: Range<Int>
}

struct PickleTensor {
    /// Position in `Unpickler.storages`.
    var storage: Int
    var offset: Int
    var shape: [Int]
    var strides: [Int]
}

struct Unpickler {
    private(set) var nodes: [PickleNode] = []
    private(set) var storages: [PickleStorage] = []
    private(set) var tensors: [PickleTensor] = []

    private var reader: ByteReader
    private let path: String
    /// Added to positions in messages.
    private let origin: Int
    private var stack: [PickleNode.Position] = []
    private var marks: [Int] = []
    private var memo: [UInt32: PickleNode.Position] = [:]
    /// Start of the instruction at hand.
    private var instruction = 0

    /// - Parameters:
    ///   - bytes: begin with the pickle; what follows its end is left alone.
    ///   - origin: position of `bytes` in the file or entry, for messages.
    init(_ bytes: UnsafeRawBufferPointer, path: String, origin: Int = 0) {
        reader = ByteReader(bytes)
        self.path = path
        self.origin = origin
    }

    /// Bytes used so far.
    var consumed: Int { reader.position }

    /// Runs the pickle to its end and gives its result.
    mutating func run() throws -> PickleNode.Position {
        do {
            for _ in 0..<CheckpointLimits.pickleItems {
                instruction = reader.position
                if let result = try step(try reader.read()) { return result }
            }
        } catch let end as ByteReader.EndOfBytes {
            throw failure(.corruptFile, "\(end.wanted) bytes expected, \(reader.remaining) left")
        }
        throw failure(.limitExceeded, "more than \(CheckpointLimits.pickleItems) instructions")
    }

    func failure(_ code: CheckpointError.Code, _ detail: String) -> CheckpointError {
        CheckpointError(code, path: path, "pickle, byte \(origin + instruction): \(detail)")
    }
}

// MARK: - Instructions

extension Unpickler {
    /// Carries out one instruction; the result of the whole pickle when it was STOP.
    private mutating func step(_ code: UInt8) throws -> PickleNode.Position? {
        switch code {
        case Opcode.proto: try checkProtocol()
        case Opcode.frame: try checkFrame()
        case Opcode.stop: return try finish()
        case Opcode.mark: marks.append(stack.count)

        case Opcode.none: push(.none)
        case Opcode.newTrue: push(.bool(true))
        case Opcode.newFalse: push(.bool(false))
        case Opcode.binInt: push(.int(Int(try reader.read(Int32.self))))
        case Opcode.binInt1: push(.int(Int(try reader.read(UInt8.self))))
        case Opcode.binInt2: push(.int(Int(try reader.read(UInt16.self))))
        case Opcode.long1: push(Self.integer(try reader.take(reader.read(UInt8.self))))
        case Opcode.long4: push(Self.integer(try reader.take(reader.read(UInt32.self))))
        case Opcode.binFloat: push(.float(Double(bitPattern: UInt64(bigEndian: try reader.readRaw()))))
        case Opcode.shortBinUnicode, Opcode.shortBinString: try pushString(reader.read(UInt8.self))
        case Opcode.binUnicode, Opcode.binString: try pushString(reader.read(UInt32.self))
        case Opcode.binUnicode8: try pushString(reader.read(UInt64.self))
        case Opcode.shortBinBytes: push(.bytes(Array(try reader.take(reader.read(UInt8.self)))))
        case Opcode.binBytes: push(.bytes(Array(try reader.take(reader.read(UInt32.self)))))
        case Opcode.binBytes8: push(.bytes(Array(try reader.take(reader.read(UInt64.self)))))

        case Opcode.emptyTuple: push(.tuple([]))
        case Opcode.tuple1: try pushTuple(1)
        case Opcode.tuple2: try pushTuple(2)
        case Opcode.tuple3: try pushTuple(3)
        case Opcode.tuple: push(.tuple(try popToMark()))
        case Opcode.emptyList: push(.list([]))
        case Opcode.list: push(.list(try popToMark()))
        case Opcode.append: try extendList([try pop()])
        case Opcode.appends: try extendList(try popToMark())
        case Opcode.emptyDict: push(.dict([], isOrdered: false))
        case Opcode.dict: push(.dict(try pairs(try popToMark()), isOrdered: false))
        case Opcode.setItem:
            let value = try pop()
            try extendDict([try pop(), value])
        case Opcode.setItems: try extendDict(try popToMark())

        case Opcode.binGet: try recall(UInt32(reader.read(UInt8.self)))
        case Opcode.longBinGet: try recall(reader.read(UInt32.self))
        case Opcode.binPut: try remember(UInt32(reader.read(UInt8.self)))
        case Opcode.longBinPut: try remember(reader.read(UInt32.self))
        case Opcode.memoize: try remember(UInt32(memo.count))

        case Opcode.global: try pushGlobal(module: try textLine(), name: try textLine())
        case Opcode.stackGlobal:
            let name = try popString()
            try pushGlobal(module: try popString(), name: name)
        case Opcode.reduce: try reduce()
        case Opcode.build: try build()
        case Opcode.binPersID: try resolvePersistentID()
        default: throw failure(.forbiddenPickle, "instruction \(Opcode.name(code)) is not allowed")
        }
        return nil
    }

    private mutating func checkProtocol() throws {
        let version: UInt8 = try reader.read()
        guard version <= 5 else { throw failure(.unsupportedFormat, "protocol \(version)") }
    }

    private mutating func checkFrame() throws {
        let count: UInt64 = try reader.read()
        guard count <= UInt64(reader.remaining) else {
            throw failure(.corruptFile, "frame of \(count) bytes, \(reader.remaining) left")
        }
    }

    private func finish() throws -> PickleNode.Position {
        guard stack.count == 1, marks.isEmpty else {
            throw failure(.corruptFile, "\(stack.count) values left at the end, expected 1")
        }
        return stack[0]
    }

    // MARK: Stack and memo

    private mutating func push(_ node: PickleNode) {
        stack.append(PickleNode.Position(nodes.count))
        nodes.append(node)
    }

    private mutating func pop() throws -> PickleNode.Position {
        guard stack.count > (marks.last ?? 0), let top = stack.popLast() else {
            throw failure(.corruptFile, "a value is missing on the stack")
        }
        return top
    }

    private mutating func popNode() throws -> PickleNode { nodes[Int(try pop())] }

    private mutating func popString() throws -> String {
        let node = try popNode()
        guard case .string(let text) = node else {
            throw failure(.corruptFile, "expected a string, found \(node.kind)")
        }
        return text
    }

    private mutating func popToMark() throws -> [PickleNode.Position] {
        guard let mark = marks.popLast() else {
            throw failure(.corruptFile, "a mark is missing on the stack")
        }
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    /// The value that stays on top while something is added to it.
    private func top() throws -> Int {
        guard stack.count > (marks.last ?? 0), let top = stack.last else {
            throw failure(.corruptFile, "a value is missing on the stack")
        }
        return Int(top)
    }

    private mutating func remember(_ key: UInt32) throws { memo[key] = PickleNode.Position(try top()) }

    private mutating func recall(_ key: UInt32) throws {
        guard let position = memo[key] else { throw failure(.corruptFile, "memo \(key) was never set") }
        stack.append(position)
    }

    // MARK: Plain values

    private static func integer(_ bytes: UnsafeRawBufferPointer) -> PickleNode {
        guard bytes.count <= 8 else { return .long(Array(bytes)) }
        let isNegative = bytes.last.map { $0 & 0x80 != 0 } ?? false
        var value = isNegative ? -1 : 0
        for byte in bytes.reversed() { value = value << 8 | Int(byte) }
        return .int(value)
    }

    private mutating func pushString<N: BinaryInteger>(_ count: N) throws {
        guard let text = String(validating: try reader.take(count), as: UTF8.self) else {
            throw failure(.corruptFile, "a string is not UTF-8")
        }
        push(.string(text))
    }

    private mutating func pushTuple(_ count: Int) throws {
        var items: [PickleNode.Position] = []
        for _ in 0..<count { items.append(try pop()) }
        push(.tuple(items.reversed()))
    }

    private mutating func extendList(_ items: [PickleNode.Position]) throws {
        let position = try top()
        guard case .list(var list) = nodes[position] else {
            throw failure(.corruptFile, "expected a list, found \(nodes[position].kind)")
        }
        nodes[position] = .none  // gives up its reference, so that the append is in place
        list.append(contentsOf: items)
        nodes[position] = .list(list)
    }

    private mutating func extendDict(_ items: [PickleNode.Position]) throws {
        let position = try top()
        let added = try pairs(items)
        guard case .dict(var members, let isOrdered) = nodes[position] else {
            throw failure(.corruptFile, "expected a dict, found \(nodes[position].kind)")
        }
        nodes[position] = .none
        members.append(contentsOf: added)
        nodes[position] = .dict(members, isOrdered: isOrdered)
    }

    private func pairs(
        _ items: [PickleNode.Position]
    ) throws -> [(key: PickleNode.Position, value: PickleNode.Position)] {
        guard items.count % 2 == 0 else { throw failure(.corruptFile, "a key without a value") }
        return stride(from: 0, to: items.count, by: 2).map { (items[$0], items[$0 + 1]) }
    }

    // MARK: Names

    private mutating func textLine() throws -> String {
        guard let text = String(validating: try reader.line(limit: 1024), as: UTF8.self) else {
            throw failure(.corruptFile, "a name is not UTF-8")
        }
        return text
    }

    private mutating func pushGlobal(module: String, name: String) throws {
        guard let callable = PickleCallable(module: module, name: name) else {
            throw failure(.forbiddenPickle, "name \(module).\(name) is not allowed")
        }
        push(.callable(callable))
    }

    private mutating func reduce() throws {
        let arguments = try popNode()
        let function = try popNode()
        guard case .callable(let callable) = function, case .tuple(let items) = arguments else {
            throw failure(
                .forbiddenPickle, "REDUCE of \(function.kind) with \(arguments.kind) is not allowed")
        }
        switch callable {
        case .orderedDict: push(.dict(try orderedMembers(items), isOrdered: true))
        case .size: push(.tuple(try sizeItems(items)))
        case .rebuildTensor: try pushTensor(items, counts: 4...4)
        case .rebuildTensorV2: try pushTensor(items, counts: 6...7)
        case .rebuildParameter: try pushParameter(items)
        case .storage: throw failure(.forbiddenPickle, "REDUCE of \(callable.name) is not allowed")
        }
    }

    /// BUILD sets attributes. The one that occurs is `_metadata` of a module's state dict: version numbers, unused.
    private mutating func build() throws {
        let state = try popNode()
        let target = nodes[try top()]
        guard case .dict(_, isOrdered: true) = target, case .dict(let members, _) = state,
            members.allSatisfy({ member in
                if case .string("_metadata") = nodes[Int(member.key)] { true } else { false }
            })
        else { throw failure(.forbiddenPickle, "BUILD of \(target.kind) is not allowed") }
    }

    /// `OrderedDict()`, or `OrderedDict([[key, value], …])` as Python 2 wrote it.
    private func orderedMembers(
        _ items: [PickleNode.Position]
    ) throws -> [(key: PickleNode.Position, value: PickleNode.Position)] {
        guard let first = items.first else { return [] }
        guard items.count == 1, let members = sequence(first) else {
            throw failure(.corruptFile, "OrderedDict of something other than a list")
        }
        return try members.map { member in
            guard let pair = sequence(member), pair.count == 2 else {
                throw failure(.corruptFile, "OrderedDict of something other than pairs")
            }
            return (pair[0], pair[1])
        }
    }

    private func sizeItems(_ items: [PickleNode.Position]) throws -> [PickleNode.Position] {
        guard items.count == 1, let sizes = sequence(items[0]) else {
            throw failure(.corruptFile, "torch.Size of something other than a tuple")
        }
        return sizes
    }

    private func sequence(_ position: PickleNode.Position) -> [PickleNode.Position]? {
        switch nodes[Int(position)] {
        case .tuple(let items), .list(let items): items
        default: nil
        }
    }
}

// MARK: - Tensors

extension Unpickler {
    /// `(storage, offset, size, stride)`, then for v2 `requires_grad, hooks` and perhaps metadata.
    private mutating func pushTensor(_ items: [PickleNode.Position], counts: ClosedRange<Int>) throws {
        guard counts.contains(items.count), case .storage(let storage) = nodes[Int(items[0])],
            case .int(let offset) = nodes[Int(items[1])], let shape = integers(items[2]),
            let strides = integers(items[3])
        else { throw failure(.corruptFile, "a tensor's storage, offset, size and stride are expected") }
        guard shape.count <= CheckpointLimits.rank, shape.count == strides.count else {
            throw failure(.corruptFile, "a tensor with \(shape.count) sizes and \(strides.count) strides")
        }
        if items.count > 4 {
            guard case .bool = nodes[Int(items[4])] else {
                throw failure(.corruptFile, "requires_grad is no bool")
            }
            try checkEmpty(items[5], "hooks")
        }
        if items.count > 6 { try checkEmpty(items[6], "metadata") }
        tensors.append(PickleTensor(storage: storage, offset: offset, shape: shape, strides: strides))
        push(.tensor(tensors.count - 1))
    }

    /// `(tensor, requires_grad, hooks)`: to us a parameter is its tensor.
    private mutating func pushParameter(_ items: [PickleNode.Position]) throws {
        guard items.count == 3, case .tensor(let tensor) = nodes[Int(items[0])],
            case .bool = nodes[Int(items[1])]
        else { throw failure(.corruptFile, "a parameter's tensor and requires_grad are expected") }
        try checkEmpty(items[2], "hooks")
        push(.tensor(tensor))
    }

    private func checkEmpty(_ position: PickleNode.Position, _ what: String) throws {
        switch nodes[Int(position)] {
        case .none: return
        case .dict(let members, _) where members.isEmpty: return
        default: throw failure(.forbiddenPickle, "a tensor with \(what) is not allowed")
        }
    }

    private func integers(_ position: PickleNode.Position) -> [Int]? {
        guard let items = sequence(position), items.count <= CheckpointLimits.rank else { return nil }
        var values: [Int] = []
        for item in items {
            guard case .int(let value) = nodes[Int(item)] else { return nil }
            values.append(value)
        }
        return values
    }

    /// `('storage', class, key, location, count)`, in legacy files with a sixth item: a view or None.
    private mutating func resolvePersistentID() throws {
        let identifier = try popNode()
        guard case .tuple(let items) = identifier, 5...6 ~= items.count,
            case .string("storage") = nodes[Int(items[0])],
            case .callable(.storage(let type)) = nodes[Int(items[1])],
            case .string(let key) = nodes[Int(items[2])], case .string = nodes[Int(items[3])],
            case .int(let count) = nodes[Int(items[4])]
        else { throw failure(.forbiddenPickle, "a persistent id other than a storage's is not allowed") }
        guard count >= 0, count <= Int.max / 16, key.utf8.count <= CheckpointLimits.keyBytes else {
            throw failure(.corruptFile, "a storage of \(count) elements")
        }
        let view = items.count == 6 ? try viewRange(items[5], of: count) : 0..<count
        storages.append(PickleStorage(type: type, key: key, count: count, view: view))
        push(.storage(storages.count - 1))
    }

    /// None, or `(key of the view, offset, count)` in elements.
    private func viewRange(_ position: PickleNode.Position, of count: Int) throws -> Range<Int> {
        if case .none = nodes[Int(position)] { return 0..<count }
        guard let items = sequence(position), items.count == 3, case .int(let offset) = nodes[Int(items[1])],
            case .int(let viewCount) = nodes[Int(items[2])], offset >= 0, viewCount >= 0, offset <= count,
            viewCount <= count - offset
        else { throw failure(.corruptFile, "a view outside its storage of \(count) elements") }
        return offset..<offset + viewCount
    }
}

extension ByteReader {
    /// Eight bytes in the file's order.
    fileprivate mutating func readRaw() throws -> UInt64 { try take(8).loadUnaligned(as: UInt64.self) }
}
