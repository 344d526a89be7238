// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

@Suite("Hostile zip archives")
struct HostileZipTests {
    private static let pickle = Pickle.file([
        ("w", Pickle.tensor([2], strides: [1], storage: Pickle.storage(count: 2)))
    ])
    private static let storage = Pickle.little(Float(1).bitPattern) + Pickle.little(Float(2).bitPattern)

    private static func valid() -> ZipBuilder { ZipBuilder(pickle: pickle, storages: [("0", storage)]) }

    /// The archive after `change`; nil when it opens and reads.
    private static func error(_ change: (inout ZipBuilder) -> Void) -> CheckpointError? {
        var zip = valid()
        change(&zip)
        return HostilePickleTests.error(zip.build())
    }

    @Test("an archive without a lie is read, in either byte order")
    func validArchive() throws {
        let folder = try TemporaryFolder()
        let checkpoint = try Checkpoint.open(try folder.write(Self.valid().build()))
        #expect(try checkpoint.tensor("w").readFloats() == [1, 2])
        let big = ZipBuilder(
            pickle: Self.pickle, storages: [("0", [0x3F, 0x80, 0, 0, 0x40, 0, 0, 0])], byteOrder: "big")
        let swapped = try Checkpoint.open(try folder.write(big.build(), "big")).tensor("w")
        #expect(try swapped.readFloats() == [1, 2])
        #expect(swapped.mappedFloat32 == nil)
    }

    @Test("a wrong checksum of the pickle is refused before the pickle runs")
    func pickleChecksum() {
        let error = Self.error { $0.entries[0].crc = 1 }
        #expect(error?.code == .corruptFile)
        #expect(error?.description.contains("expected CRC-32 0x1") == true)
    }

    @Test("a wrong checksum of a storage is refused when its tensor is read, by the tensor's name")
    func storageChecksum() throws {
        var zip = Self.valid()
        zip.entries[2].crc = 0
        let folder = try TemporaryFolder()
        let tensor = try Checkpoint.open(try folder.write(zip.build())).tensor("w")
        let error = checkpointError { _ = try tensor.readFloats() }
        #expect(error?.code == .corruptFile)
        #expect(error?.key == "w")
        #expect(checkpointError { try tensor.verify() } != nil)
        #expect(tensor.mappedFloat32 == nil)
    }

    @Test("compressed and encrypted entries are refused by name, whatever they would inflate to")
    func compressed() {
        let deflated = Self.error { $0.entries[2].method = 8 }
        #expect(deflated?.code == .unsupportedFormat)
        #expect(deflated?.detail.contains("x/data/0: compressed (method 8)") == true)
        #expect(Self.error { $0.entries[2].flags = 1 }?.code == .unsupportedFormat)
    }

    @Test("two entries of one name are refused")
    func duplicateNames() {
        let error = Self.error { $0.entries.append($0.entries[2]) }
        #expect(error?.detail.contains("x/data/0: appears twice") == true)
    }

    @Test("entries that share bytes are refused")
    func overlapping() {
        let error = Self.error {
            var second = $0.entries[2]
            second.name = "x/data/1"
            second.localName = "x/data/0"
            second.offset = 0
            $0.entries.append(second)
        }
        #expect(error?.code == .corruptFile)
        // The same local header behind two names of the directory.
        let shared = Self.error {
            var second = $0.entries[0]
            second.offset = 0
            second.name = "y/data.pkl"
            $0.entries.append(second)
        }
        #expect(shared?.code == .corruptFile)
        // An entry whose size reaches into the next.
        let long = Self.error {
            $0.entries[1].size = 20
            $0.entries[1].crc = 0
        }
        #expect(long?.detail.contains("overlaps another entry") == true)
    }

    @Test("sizes and offsets outside the file are refused")
    func outside() {
        #expect(Self.error { $0.entries[2].size = 1 << 30 }?.code == .corruptFile)
        #expect(Self.error { $0.entries[2].packedSize = 4 }?.code == .corruptFile)
        #expect(Self.error { $0.entries[2].offset = 1 << 30 }?.code == .corruptFile)
        #expect(Self.error { $0.entries[2].offset = 1 }?.code == .corruptFile)
        #expect(Self.error { $0.entries[2].localName = "x/data/9" }?.code == .corruptFile)
        for wide in [UInt64.max, 1 << 63, 1 << 40] {
            let field =
                Pickle.little(UInt16(1)) + Pickle.little(UInt16(16)) + Pickle.little(wide)
                + Pickle.little(wide)
            let error = Self.error {
                $0.entries[2].size = .max
                $0.entries[2].extra = field
            }
            #expect(error?.code == .corruptFile)
        }
        #expect(Self.error { $0.entries[2].size = .max }?.detail.contains("no zip64 field") == true)
    }

    @Test("an archive with no pickle, two pickles or an unknown byte order is refused")
    func contents() {
        #expect(Self.error { $0.entries.removeFirst() }?.code == .unsupportedFormat)
        #expect(
            Self.error { $0.entries.append(.init(name: "y/data.pkl", data: [])) }?.code == .unsupportedFormat)
        #expect(Self.error { $0.entries[1].data = Array("middle".utf8) }?.code == .corruptFile)
        #expect(Self.error { $0.entries.removeLast() }?.detail.contains("storage 0 is missing") == true)
    }

    @Test("end records that point nowhere are refused")
    func endRecords() {
        let bytes = Self.valid().build()
        for field in [10, 12, 16] {
            for value: UInt8 in [0x7F, 0xFF] {
                var changed = bytes
                changed[bytes.count - 22 + field + 1] = value
                #expect(HostilePickleTests.error(changed)?.code == .corruptFile)
            }
        }
        // A zip64 locator with an absurd position, before the end record.
        let end = Array(bytes.suffix(22))
        for position in [UInt64.max, 1 << 63, 4] {
            let locator =
                Pickle.little(UInt32(0x0706_4B50)) + Pickle.little(UInt32(0)) + Pickle.little(position)
                + Pickle.little(UInt32(1))
            #expect(HostilePickleTests.error(bytes.dropLast(22) + locator + end)?.code == .corruptFile)
        }
        #expect(
            HostilePickleTests.error(Array("PK\u{5}\u{6}".utf8) + [UInt8](repeating: 0, count: 18)) != nil)
    }
}
