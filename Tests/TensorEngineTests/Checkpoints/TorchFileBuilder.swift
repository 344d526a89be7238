// SPDX-License-Identifier: Apache-2.0

@testable import TensorEngine

/// Writes pickles instruction by instruction, so that tests can write what no pickler would.
enum Pickle {
    static let proto: [UInt8] = [0x80, 2]
    static let stop: [UInt8] = [UInt8(ascii: ".")]
    static let mark: [UInt8] = [UInt8(ascii: "(")]
    static let none: [UInt8] = [UInt8(ascii: "N")]
    static let reduce: [UInt8] = [UInt8(ascii: "R")]
    static let emptyList: [UInt8] = [UInt8(ascii: "]")]
    static let emptyDict: [UInt8] = [UInt8(ascii: "}")]
    static let emptyTuple: [UInt8] = [UInt8(ascii: ")")]
    static let tuple: [UInt8] = [UInt8(ascii: "t")]
    static let falsehood: [UInt8] = [0x89]
    static let append: [UInt8] = [UInt8(ascii: "a")]
    static let setItem: [UInt8] = [UInt8(ascii: "s")]
    static let setItems: [UInt8] = [UInt8(ascii: "u")]

    static func op(_ character: Character) -> [UInt8] { [character.asciiValue!] }
    static func put(_ key: UInt8) -> [UInt8] { [UInt8(ascii: "q"), key] }
    static func get(_ key: UInt8) -> [UInt8] { [UInt8(ascii: "h"), key] }

    static func string(_ text: String) -> [UInt8] {
        [UInt8(ascii: "X")] + little(UInt32(text.utf8.count)) + Array(text.utf8)
    }

    static func int(_ value: Int) -> [UInt8] { [0x8A, 8] + little(value) }

    static func global(_ module: String, _ name: String) -> [UInt8] {
        [UInt8(ascii: "c")] + Array("\(module)\n\(name)\n".utf8)
    }

    static func tuple(_ items: [[UInt8]]) -> [UInt8] { mark + items.flatMap(\.self) + tuple }

    static func ints(_ values: [Int]) -> [UInt8] { tuple(values.map(int)) }

    static func storage(_ key: String = "0", type: String = "FloatStorage", count: Int, view: [UInt8] = [])
        -> [UInt8]
    {
        tuple([string("storage"), global("torch", type), string(key), string("cpu"), int(count), view])
            + op("Q")
    }

    static func tensor(
        _ shape: [Int], strides: [Int], offset: Int = 0, storage: [UInt8], hooks: [UInt8] = emptyDict
    ) -> [UInt8] {
        global("torch._utils", "_rebuild_tensor_v2")
            + tuple([storage, int(offset), ints(shape), ints(strides), falsehood, hooks]) + reduce
    }

    /// A whole pickle of `{key: value, …}`.
    static func file(_ members: [(String, [UInt8])]) -> [UInt8] {
        proto + emptyDict + mark + members.flatMap { string($0.0) + $0.1 } + setItems + stop
    }

    static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }
}

/// Writes zip archives, with lies where a test wants them.
struct ZipBuilder {
    struct Entry {
        var name: String
        var data: [UInt8]
        var method: UInt16 = 0
        var flags: UInt16 = 0
        var crc: UInt32?
        var size: UInt32?
        var packedSize: UInt32?
        var offset: UInt32?
        var localName: String?
        var extra: [UInt8] = []
    }

    var entries: [Entry]

    /// What `torch.save` writes: the pickle, the byte order, one entry for each storage.
    init(pickle: [UInt8], storages: [(String, [UInt8])] = [], byteOrder: String = "little") {
        entries = [
            Entry(name: "x/data.pkl", data: pickle), Entry(name: "x/byteorder", data: Array(byteOrder.utf8)),
        ]
        entries += storages.map { Entry(name: "x/data/\($0.0)", data: $0.1) }
    }

    func build() -> [UInt8] {
        var out: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let offset = entry.offset ?? UInt32(out.count)
            let crc = entry.crc ?? Self.crc(entry.data)
            let size = entry.size ?? UInt32(entry.data.count)
            let common =
                Pickle.little(entry.flags) + Pickle.little(entry.method) + Pickle.little(UInt32(0))
                + Pickle.little(crc)
                + Pickle.little(entry.packedSize ?? size) + Pickle.little(size)
            let localName = Array((entry.localName ?? entry.name).utf8)
            out += Pickle.little(UInt32(0x0403_4B50)) + Pickle.little(UInt16(20)) + common
            out += Pickle.little(UInt16(localName.count)) + Pickle.little(UInt16(0)) + localName + entry.data
            directory += Pickle.little(UInt32(0x0201_4B50)) + Pickle.little(UInt32(20)) + common
            directory +=
                Pickle.little(UInt16(entry.name.utf8.count)) + Pickle.little(UInt16(entry.extra.count))
            directory += [UInt8](repeating: 0, count: 10) + Pickle.little(offset)
            directory += Array(entry.name.utf8) + entry.extra
        }
        let count = Pickle.little(UInt16(entries.count))
        let end =
            Pickle.little(UInt32(0x0605_4B50)) + Pickle.little(UInt32(0)) + count + count
            + Pickle.little(UInt32(directory.count)) + Pickle.little(UInt32(out.count))
            + Pickle.little(UInt16(0))
        return out + directory + end
    }

    static func crc(_ data: [UInt8]) -> UInt32 {
        var crc = CRC32()
        data.withUnsafeBytes { crc.update($0) }
        return crc.value
    }
}

/// A legacy file around a pickle.
func legacyFile(pickle: [UInt8], keys: [String] = [], storages: [UInt8] = []) -> [UInt8] {
    let magic =
        Pickle.proto + [0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19] + Pickle.stop
    let version = Pickle.proto + Pickle.int(1001) + Pickle.stop
    let facts = Pickle.proto + Pickle.emptyDict + Pickle.stop
    let list =
        Pickle.proto + Pickle.emptyList + Pickle.mark + keys.flatMap(Pickle.string) + Pickle.op("e")
        + Pickle.stop
    return magic + version + facts + pickle + list + storages
}
