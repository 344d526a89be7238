// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

/// Pickles that want to run something, take all memory, or lie about their tensors.
@Suite("Hostile pickles")
struct HostilePickleTests {
    private static let command = Pickle.tuple([Pickle.string("touch /tmp/should-not-exist")])

    /// Name, pickle, and what the message must say.
    static let calls: [(name: String, pickle: [UInt8], named: String)] = [
        ("GLOBAL os.system and REDUCE", Pickle.global("os", "system") + command + Pickle.reduce, "os.system"),
        (
            "STACK_GLOBAL posix.system",
            Pickle.string("posix") + Pickle.string("system") + [0x93] + command + Pickle.reduce,
            "posix.system"
        ),
        ("builtins.eval", Pickle.global("builtins", "eval"), "builtins.eval"),
        ("torch.load", Pickle.global("torch", "load"), "torch.load"),
        (
            "an unknown torch storage", Pickle.global("torch", "ComplexFloatStorage"),
            "torch.ComplexFloatStorage"
        ),
        (
            "loading from bytes", Pickle.global("torch.storage", "_load_from_bytes"),
            "torch.storage._load_from_bytes"
        ),
        (
            "a dotted name", Pickle.global("collections", "OrderedDict.__init__"),
            "collections.OrderedDict.__init__"
        ),
        ("numpy", Pickle.global("numpy.core.multiarray", "scalar"), "numpy.core.multiarray.scalar"),
        ("INST", Pickle.mark + Pickle.string("x") + Array("ios\nsystem\n".utf8), "INST"),
        ("OBJ", Pickle.mark + Pickle.global("torch", "Size") + Pickle.op("o"), "OBJ"),
        ("NEWOBJ", Pickle.global("torch", "Size") + Pickle.emptyTuple + [0x81], "NEWOBJ"),
        (
            "NEWOBJ_EX", Pickle.global("torch", "Size") + Pickle.emptyTuple + Pickle.emptyDict + [0x92],
            "NEWOBJ_EX"
        ),
        ("EXT1", [0x82, 1], "EXT1"),
        ("EXT2", [0x83, 1, 0], "EXT2"),
        ("EXT4", [0x84, 1, 0, 0, 0], "EXT4"),
        ("PERSID", Array("Pid\n".utf8), "PERSID"),
        (
            "a persistent id of a module", Pickle.tuple([Pickle.string("module")]) + Pickle.op("Q"),
            "persistent id"
        ),
        ("BUILD of a dict", Pickle.emptyDict + Pickle.emptyDict + Pickle.op("b"), "BUILD of a dict"),
        (
            "BUILD of an OrderedDict's class",
            Pickle.global("collections", "OrderedDict") + Pickle.emptyTuple + Pickle.reduce + Pickle.emptyDict
                + Pickle.string("__class__") + Pickle.none + Pickle.setItem + Pickle.op("b"), "BUILD"
        ),
        (
            "BUILD of a tensor",
            Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: 1)) + Pickle.emptyDict
                + Pickle.op("b"),
            "BUILD of a tensor"
        ),
        (
            "REDUCE of a storage class", Pickle.global("torch", "FloatStorage") + command + Pickle.reduce,
            "REDUCE"
        ),
        ("REDUCE of a string", Pickle.string("x") + Pickle.emptyTuple + Pickle.reduce, "REDUCE of a string"),
        (
            "a tensor with hooks",
            Pickle.tensor(
                [1], strides: [1], storage: Pickle.storage(count: 1),
                hooks: Pickle.emptyDict + Pickle.int(1) + Pickle.int(1) + Pickle.setItem), "hooks"
        ),
        ("a set", [0x8F], "EMPTY_SET"),
        ("a byte array", [0x96] + Pickle.little(UInt64(0)), "BYTEARRAY8"),
        ("text instructions", Array("I1\n".utf8), "INT"),
        ("an unknown instruction", [0xFF], "0xff"),
    ]

    @Test(
        "an instruction or name that could construct anything is refused by name and position",
        arguments: calls)
    func callsAreRefused(name: String, pickle: [UInt8], named: String) throws {
        let whole = Pickle.proto + pickle + Pickle.stop
        for bytes in [
            ZipBuilder(pickle: whole, storages: [("0", [0, 0, 0, 0])]).build(),
            legacyFile(pickle: whole, keys: ["0"], storages: Pickle.little(1) + [0, 0, 0, 0]),
        ] {
            let error = Self.error(bytes)
            #expect(error?.code == .forbiddenPickle, "\(name): \(String(describing: error))")
            #expect(error?.detail.contains(named) == true, "\(name): \(String(describing: error))")
            #expect(error?.detail.contains("byte ") == true)
        }
        #expect(!FileManager.default.fileExists(atPath: "/tmp/should-not-exist"))
    }

    static let liars: [(name: String, tensor: [UInt8])] = [
        ("negative dimension", Pickle.tensor([-1], strides: [1], storage: Pickle.storage(count: 4))),
        ("negative stride", Pickle.tensor([2], strides: [-1], offset: 1, storage: Pickle.storage(count: 4))),
        ("negative offset", Pickle.tensor([1], strides: [1], offset: -1, storage: Pickle.storage(count: 4))),
        (
            "offset beyond the storage",
            Pickle.tensor([1], strides: [1], offset: 4, storage: Pickle.storage(count: 4))
        ),
        (
            "empty, offset beyond",
            Pickle.tensor([0], strides: [1], offset: 5, storage: Pickle.storage(count: 4))
        ),
        ("shape beyond the storage", Pickle.tensor([5], strides: [1], storage: Pickle.storage(count: 4))),
        (
            "stride beyond the storage",
            Pickle.tensor([2, 2], strides: [3, 1], storage: Pickle.storage(count: 4))
        ),
        (
            "shape product overflow",
            Pickle.tensor([1 << 40, 1 << 40], strides: [0, 0], storage: Pickle.storage(count: 4))
        ),
        (
            "overflow hidden by a zero",
            Pickle.tensor([0, 1 << 40, 1 << 40], strides: [1, 1, 1], storage: Pickle.storage(count: 4))
        ),
        ("stride product overflow", Pickle.tensor([3], strides: [.max], storage: Pickle.storage(count: 4))),
        (
            "stride sum overflow",
            Pickle.tensor([2, 2], strides: [.max, .max], storage: Pickle.storage(count: 4))
        ),
        ("terabytes by stride 0", Pickle.tensor([1 << 40], strides: [0], storage: Pickle.storage(count: 4))),
        ("more strides than sizes", Pickle.tensor([1], strides: [1, 1], storage: Pickle.storage(count: 4))),
        (
            "65 dimensions",
            Pickle.tensor(
                [Int](repeating: 1, count: 65), strides: [Int](repeating: 1, count: 65),
                storage: Pickle.storage(count: 4))
        ),
        (
            "storage smaller than described",
            Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: 5))
        ),
        (
            "storage of another type",
            Pickle.tensor([1], strides: [1], storage: Pickle.storage(type: "LongStorage", count: 4))
        ),
        ("storage of negative size", Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: -4))),
        ("storage of absurd size", Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: .max))),
        (
            "storage that is not there",
            Pickle.tensor([1], strides: [1], storage: Pickle.storage("1", count: 4))
        ),
        (
            "storage outside its folder",
            Pickle.tensor([1], strides: [1], storage: Pickle.storage("../data.pkl", count: 4))
        ),
        (
            "view outside its storage",
            Pickle.tensor(
                [1], strides: [1],
                storage: Pickle.storage(
                    count: 4, view: Pickle.tuple([Pickle.string("v"), Pickle.int(3), Pickle.int(2)])))
        ),
        (
            "tensor outside its view",
            Pickle.tensor(
                [2], strides: [1],
                storage: Pickle.storage(
                    count: 4, view: Pickle.tuple([Pickle.string("v"), Pickle.int(3), Pickle.int(1)])))
        ),
        ("a tensor of a string", Pickle.tensor([1], strides: [1], storage: Pickle.string("0"))),
    ]

    @Test("a tensor that does not fit its storage is refused when the file is opened", arguments: liars)
    func liarsAreRefused(name: String, tensor: [UInt8]) {
        let pickle = Pickle.file([("w", tensor)])
        let storage = [UInt8](repeating: 0, count: 16)
        for bytes in [
            ZipBuilder(pickle: pickle, storages: [("0", storage)]).build(),
            legacyFile(pickle: pickle, keys: ["0"], storages: Pickle.little(4) + storage),
        ] {
            let code = Self.error(bytes)?.code
            #expect(code == .corruptFile || code == .limitExceeded, "\(name)")
        }
    }

    @Test("one storage described in two ways is refused")
    func twoDescriptions() {
        let pickle = Pickle.file([
            ("a", Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: 4))),
            ("b", Pickle.tensor([1], strides: [1], storage: Pickle.storage(type: "IntStorage", count: 4))),
        ])
        let bytes = ZipBuilder(pickle: pickle, storages: [("0", [UInt8](repeating: 0, count: 16))]).build()
        #expect(Self.error(bytes)?.detail.contains("two ways") == true)
    }

    static let malformed: [(name: String, pickle: [UInt8])] = [
        ("nothing", []),
        ("no end", Pickle.none),
        ("empty stack at the end", Pickle.stop),
        ("two values at the end", Pickle.none + Pickle.none + Pickle.stop),
        ("an open mark", Pickle.mark + Pickle.none + Pickle.stop),
        ("a tuple without a mark", Pickle.tuple + Pickle.stop),
        ("a value from below the mark", Pickle.none + Pickle.mark + [0x85] + Pickle.stop),
        ("a memo entry never set", Pickle.get(9) + Pickle.stop),
        ("a memo entry of an empty stack", Pickle.put(9) + Pickle.stop),
        ("append to None", Pickle.none + Pickle.none + Pickle.append + Pickle.stop),
        ("items of a list", Pickle.emptyList + Pickle.none + Pickle.none + Pickle.setItem + Pickle.stop),
        (
            "a key without a value",
            Pickle.emptyDict + Pickle.mark + Pickle.none + Pickle.setItems + Pickle.stop
        ),
        ("a string longer than the file", [UInt8(ascii: "X"), 0xFF, 0xFF, 0xFF, 0xFF, 0x41]),
        ("a string of 2^64 bytes", [0x8D] + Pickle.little(UInt64.max) + [0x41]),
        ("bytes of 2^64 bytes", [0x8E] + Pickle.little(UInt64.max) + [0x41]),
        ("an integer longer than the file", [0x8B, 0xFF, 0xFF, 0xFF, 0x7F, 1]),
        ("a frame longer than the file", [0x95] + Pickle.little(UInt64.max)),
        ("a string that is not UTF-8", [UInt8(ascii: "X"), 1, 0, 0, 0, 0xFF] + Pickle.stop),
        ("a name without an end", Array("cos".utf8)),
        ("the same key twice", Pickle.file([("a", Pickle.none), ("a", Pickle.none)])),
        (
            "a list that contains itself",
            Pickle.emptyList + Pickle.put(0) + Pickle.get(0) + Pickle.append + Pickle.stop
        ),
        (
            "a dict that contains itself",
            Pickle.emptyDict + Pickle.put(0) + Pickle.string("d") + Pickle.get(0) + Pickle.setItem
                + Pickle.stop
        ),
        (
            "a tuple in a list in itself",
            Pickle.emptyList + Pickle.put(0) + Pickle.get(0) + [0x85] + Pickle.append + Pickle.stop
        ),
        ("bytes after the end", Pickle.none + Pickle.stop + Pickle.none),
    ]

    @Test("a malformed pickle is refused", arguments: malformed)
    func malformedIsRefused(name: String, pickle: [UInt8]) {
        let error = Self.error(ZipBuilder(pickle: pickle).build())
        #expect(error?.code == .corruptFile, "\(name): \(String(describing: error))")
    }

    @Test("keys and values that have no place in a checkpoint are refused")
    func unsupported() {
        let keyed = Pickle.emptyDict + Pickle.emptyTuple + Pickle.none + Pickle.setItem + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: keyed).build())?.code == .unsupportedType)
        let named = Pickle.global("torch", "FloatStorage") + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: named).build())?.code == .unsupportedType)
        let version = [0x80, 9] + Pickle.none + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: version).build())?.code == .unsupportedFormat)
    }

    @Test("two tensors with one dotted key are refused")
    func ambiguousKeys() {
        let tensor = Pickle.tensor([1], strides: [1], storage: Pickle.storage(count: 1))
        let inner = Pickle.emptyDict + Pickle.string("b") + tensor + Pickle.setItem
        let bytes = ZipBuilder(
            pickle: Pickle.file([("a.b", tensor), ("a", inner)]), storages: [("0", [0, 0, 0, 0])])
        #expect(Self.error(bytes.build())?.code == .duplicateTensor)
    }

    @Test("deep nesting is refused at a fixed depth")
    func deepNesting() {
        let depth = 300_000
        let lists =
            [UInt8](repeating: UInt8(ascii: "]"), count: depth)
            + [UInt8](repeating: UInt8(ascii: "a"), count: depth - 1) + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: lists).build())?.code == .limitExceeded)
        let tuples = Pickle.emptyTuple + [UInt8](repeating: 0x85, count: depth) + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: tuples).build())?.code == .limitExceeded)
        let marks =
            [UInt8](repeating: UInt8(ascii: "("), count: depth)
            + [UInt8](repeating: UInt8(ascii: "t"), count: depth) + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: marks).build())?.code == .limitExceeded)
    }

    @Test("a small pickle that stands for an endless tree is refused")
    func doubling() {
        var pickle = Pickle.emptyList + Pickle.put(0)
        for level in 1...60 {
            pickle +=
                Pickle.get(UInt8(level - 1)) + Pickle.get(UInt8(level - 1)) + [0x86]
                + Pickle.put(UInt8(level))
        }
        // All but the last tuple are still on the stack: take them as a list.
        pickle = Pickle.mark + pickle + Pickle.op("l") + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: pickle).build())?.code == .limitExceeded)
    }

    @Test("more instructions than any checkpoint needs are refused")
    func tooManyInstructions() {
        let pickle =
            Pickle.mark + [UInt8](repeating: UInt8(ascii: "N"), count: 2_000_001) + Pickle.op("l")
            + Pickle.stop
        #expect(Self.error(ZipBuilder(pickle: pickle).build())?.code == .limitExceeded)
    }

    @Test("a legacy file with missing, repeated or wrong storages is refused")
    func legacyStorages() {
        let pickle = Pickle.file([("w", Pickle.tensor([2], strides: [1], storage: Pickle.storage(count: 2)))])
        let storage = Pickle.little(2) + [UInt8](repeating: 0, count: 8)
        func code(_ keys: [String], _ storages: [UInt8]) -> CheckpointError.Code? {
            Self.error(legacyFile(pickle: pickle, keys: keys, storages: storages))?.code
        }
        #expect(code(["0"], storage) == nil)
        #expect(code([], []) == .corruptFile)
        #expect(code(["0", "0"], storage + storage) == .corruptFile)
        #expect(code(["0", "1"], storage + storage) == .corruptFile)
        #expect(code(["0"], Pickle.little(3) + [UInt8](repeating: 0, count: 12)) == .corruptFile)
        #expect(code(["0"], Pickle.little(-2) + [UInt8](repeating: 0, count: 8)) == .corruptFile)
        #expect(code(["0"], Array(storage.dropLast())) == .corruptFile)
        #expect(code(["0"], storage + [0]) == .corruptFile)
    }

    static func error(_ bytes: [UInt8]) -> CheckpointError? {
        checkpointError {
            let checkpoint = try Checkpoint.open(MappedFile(guarding: bytes))
            for tensor in checkpoint.tensors { _ = try tensor.readFloats() }
        }
    }
}
