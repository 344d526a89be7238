// SPDX-License-Identifier: Apache-2.0

/// The directory of a zip file of stored entries, as `torch.save` writes it. Entries are used in place.
///
/// Everything in it is checked here: where each entry lies, that no two share a byte or a name, that nothing is
/// compressed or encrypted. Contents are checked against their CRC-32 by whoever reads them.
struct ZipArchive {
    struct Entry {
        var name: String
        var data: Range<Int>
        var crc: UInt32
    }

    let file: MappedFile
    let entries: [Entry]
    private let positions: [String: Int]

    subscript(name: String) -> Entry? { positions[name].map { entries[$0] } }

    init(_ file: MappedFile) throws {
        do {
            let directory = try Self.findDirectory(file.bytes)
            let records = try Self.readDirectory(file.bytes, directory)
            try Self.checkDisjoint(records, end: directory.range.lowerBound)
            self.file = file
            entries = records.map(\.entry)
            positions = try Self.index(entries)
        } catch let end as ByteReader.EndOfBytes {
            throw CheckpointError(
                .corruptFile, path: file.path,
                "zip directory: \(end.wanted) bytes expected at offset \(end.position)")
        } catch let failure as Failure {
            throw CheckpointError(failure.code, path: file.path, failure.detail)
        }
    }

    /// The checked content of a small entry.
    func contents(_ entry: Entry) throws -> UnsafeRawBufferPointer {
        let storage = CheckpointStorage(
            file: file, byteOffset: entry.data.lowerBound, byteCount: entry.data.count, checksum: entry.crc)
        try storage.verify(key: entry.name)
        return storage.bytes
    }

    // MARK: - Directory

    private struct Failure: Error {
        var code: CheckpointError.Code
        var detail: String

        init(_ detail: String, _ code: CheckpointError.Code = .corruptFile) {
            self.code = code
            self.detail = "zip directory: " + detail
        }
    }

    private struct Directory {
        var range: Range<Int>
        var count: Int
    }

    private struct Record {
        var entry: Entry
        /// From its local header to the end of its data.
        var span: Range<Int>
    }

    private enum Signature {
        static let localHeader: UInt32 = 0x0403_4B50
        static let directoryEntry: UInt32 = 0x0201_4B50
        static let end: UInt32 = 0x0605_4B50
        static let end64: UInt32 = 0x0606_4B50
        static let end64Locator: UInt32 = 0x0706_4B50
    }

    private static func findDirectory(_ bytes: UnsafeRawBufferPointer) throws -> Directory {
        let end = try findEnd(bytes)
        var reader = ByteReader(bytes, at: end + 4)
        let disk: UInt16 = try reader.read()
        let directoryDisk: UInt16 = try reader.read()
        let countHere: UInt16 = try reader.read()
        let count: UInt16 = try reader.read()
        let size: UInt32 = try reader.read()
        let offset: UInt32 = try reader.read()
        if let directory = try findDirectory64(bytes, end: end) { return directory }
        guard disk == 0, directoryDisk == 0, count == countHere else { throw Failure("spans several disks") }
        return try directory(offset: UInt64(offset), size: UInt64(size), count: UInt64(count), limit: end)
    }

    /// Position of the end record: the last one whose comment reaches exactly to the end of the file.
    private static func findEnd(_ bytes: UnsafeRawBufferPointer) throws -> Int {
        let last = bytes.count - 22
        for position in stride(from: last, through: max(0, last - 0xFFFF), by: -1) {
            var reader = ByteReader(bytes, at: position)
            guard try reader.read(UInt32.self) == Signature.end else { continue }
            _ = try reader.take(16)
            if Int(try reader.read(UInt16.self)) == reader.remaining { return position }
        }
        throw Failure("no end record; the file is truncated")
    }

    private static func findDirectory64(_ bytes: UnsafeRawBufferPointer, end: Int) throws -> Directory? {
        guard end >= 20 else { return nil }
        var locator = ByteReader(bytes, at: end - 20)
        guard try locator.read(UInt32.self) == Signature.end64Locator else { return nil }
        _ = try locator.read(UInt32.self)
        let position: UInt64 = try locator.read()
        guard position <= UInt64(end - 20) else {
            throw Failure("zip64 end record at \(position), outside the file")
        }

        var reader = ByteReader(bytes, at: Int(position))
        guard try reader.read(UInt32.self) == Signature.end64 else { throw Failure("no zip64 end record") }
        _ = try reader.take(12)  // size of the record, versions
        let disk: UInt32 = try reader.read()
        let directoryDisk: UInt32 = try reader.read()
        let countHere: UInt64 = try reader.read()
        let count: UInt64 = try reader.read()
        let size: UInt64 = try reader.read()
        let offset: UInt64 = try reader.read()
        guard disk == 0, directoryDisk == 0, count == countHere else { throw Failure("spans several disks") }
        return try directory(offset: offset, size: size, count: count, limit: Int(position))
    }

    private static func directory(offset: UInt64, size: UInt64, count: UInt64, limit: Int) throws -> Directory
    {
        let limit = UInt64(limit)
        guard offset <= limit, size <= limit - offset else {
            throw Failure("\(size) bytes at \(offset), outside the file")
        }
        guard count <= size / 46 else { throw Failure("\(count) entries in \(size) bytes") }
        return Directory(range: Int(offset)..<Int(offset + size), count: Int(count))
    }

    private static func readDirectory(_ bytes: UnsafeRawBufferPointer, _ directory: Directory) throws
        -> [Record]
    {
        var reader = ByteReader(
            UnsafeRawBufferPointer(rebasing: bytes[..<directory.range.upperBound]),
            at: directory.range.lowerBound)
        var records: [Record] = []
        records.reserveCapacity(directory.count)
        for _ in 0..<directory.count { records.append(try readRecord(&reader, bytes, directory)) }
        guard reader.remaining == 0 else { throw Failure("\(reader.remaining) bytes after the last entry") }
        return records
    }

    private static func readRecord(
        _ reader: inout ByteReader, _ bytes: UnsafeRawBufferPointer, _ directory: Directory
    ) throws -> Record {
        guard try reader.read(UInt32.self) == Signature.directoryEntry else {
            throw Failure("bad entry signature")
        }
        _ = try reader.take(4)  // versions
        let flags: UInt16 = try reader.read()
        let method: UInt16 = try reader.read()
        _ = try reader.take(4)  // time and date
        let crc: UInt32 = try reader.read()
        let packedSize: UInt32 = try reader.read()
        let size: UInt32 = try reader.read()
        let nameCount: UInt16 = try reader.read()
        let extraCount: UInt16 = try reader.read()
        let commentCount: UInt16 = try reader.read()
        _ = try reader.take(8)  // disk, attributes
        let offset: UInt32 = try reader.read()
        let nameBytes = try reader.take(nameCount)
        let extra = try reader.take(extraCount)
        _ = try reader.take(commentCount)

        guard let name = String(validating: nameBytes, as: UTF8.self) else {
            throw Failure("name is not UTF-8")
        }
        guard flags & 0x2041 == 0 else { throw Failure("\(name): encrypted", .unsupportedFormat) }
        guard method == 0 else {
            throw Failure("\(name): compressed (method \(method)); torch stores", .unsupportedFormat)
        }
        var wide = WideFields(extra)
        let fullSize = try wide.value(size, name)
        let fullPackedSize = try wide.value(packedSize, name)
        let fullOffset = try wide.value(offset, name)
        guard fullSize == fullPackedSize else { throw Failure("\(name): stored, but of two sizes") }
        guard fullOffset < UInt64(directory.range.lowerBound) else {
            throw Failure("\(name): at \(fullOffset), outside the file")
        }
        let start = try dataStart(bytes, Int(fullOffset), name: nameBytes)
        guard start <= directory.range.lowerBound, fullSize <= UInt64(directory.range.lowerBound - start)
        else {
            throw Failure("\(name): \(fullSize) bytes at \(start), outside the file")
        }
        let end = start + Int(fullSize)
        return Record(entry: Entry(name: name, data: start..<end, crc: crc), span: Int(fullOffset)..<end)
    }

    /// Where the data of an entry begins: its own header repeats the name and has padding of its own.
    private static func dataStart(
        _ bytes: UnsafeRawBufferPointer, _ offset: Int, name: UnsafeRawBufferPointer
    ) throws -> Int {
        var reader = ByteReader(bytes, at: offset)
        guard try reader.read(UInt32.self) == Signature.localHeader else {
            throw Failure("no entry header at \(offset)")
        }
        _ = try reader.take(4)
        guard try reader.read(UInt16.self) == 0 else {
            throw Failure("entry header at \(offset): compressed")
        }
        _ = try reader.take(16)
        let nameCount: UInt16 = try reader.read()
        let extraCount: UInt16 = try reader.read()
        guard try reader.take(nameCount).elementsEqual(name) else {
            throw Failure("entry header at \(offset): another name")
        }
        _ = try reader.take(extraCount)
        return reader.position
    }

    /// The zip64 extra field: 64-bit values for those of the 32-bit fields that are all ones, in their order.
    private struct WideFields {
        private var reader: ByteReader?

        init(_ extra: UnsafeRawBufferPointer) {
            var fields = ByteReader(extra)
            while let id: UInt16 = try? fields.read(), let count: UInt16 = try? fields.read(),
                let body = try? fields.take(count)
            {
                if id == 1 {
                    reader = ByteReader(body)
                    return
                }
            }
        }

        mutating func value(_ narrow: UInt32, _ name: String) throws -> UInt64 {
            guard narrow == .max else { return UInt64(narrow) }
            guard let wide: UInt64 = try reader?.read() else { throw Failure("\(name): no zip64 field") }
            return wide
        }
    }

    private static func checkDisjoint(_ records: [Record], end: Int) throws {
        var covered = 0
        for record in records.sorted(by: { $0.span.lowerBound < $1.span.lowerBound }) {
            guard record.span.lowerBound >= covered else {
                throw Failure("\(record.entry.name): overlaps another entry")
            }
            covered = record.span.upperBound
        }
    }

    private static func index(_ entries: [Entry]) throws -> [String: Int] {
        var positions: [String: Int] = [:]
        for (position, entry) in entries.enumerated() {
            guard positions.updateValue(position, forKey: entry.name) == nil else {
                throw Failure("\(entry.name): appears twice")
            }
        }
        return positions
    }
}
