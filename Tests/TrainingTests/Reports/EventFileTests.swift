// SPDX-License-Identifier: Apache-2.0
import Foundation
import Media
import Testing

@testable import Training

/// Fields of a protocol-buffer message, as a reader of our own sees them.
private struct Fields {
    enum Value: Equatable {
        case number(UInt64), double(Double), float(Float), bytes([UInt8])
    }
    private(set) var fields: [(field: UInt64, value: Value)] = []

    init(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let tag = try Self.varint(&rest)
            switch tag & 7 {
            case 0: fields.append((tag >> 3, .number(try Self.varint(&rest))))
            case 1: fields.append((tag >> 3, .double(Double(bitPattern: try Self.fixed(&rest)))))
            case 2:
                let count = Int(try Self.varint(&rest))
                fields.append((tag >> 3, .bytes(try Self.take(count, &rest))))
            case 5: fields.append((tag >> 3, .float(Float(bitPattern: try Self.fixed(&rest)))))
            default: throw Broken()
            }
        }
    }

    subscript(_ field: UInt64) -> Value? { fields.first { $0.field == field }?.value }
    func text(_ field: UInt64) -> String? { bytes(field).map { String(decoding: $0, as: UTF8.self) } }
    func bytes(_ field: UInt64) -> [UInt8]? { if case .bytes(let bytes) = self[field] { bytes } else { nil } }
    func message(_ field: UInt64) throws -> Fields { try Fields(#require(bytes(field))) }

    struct Broken: Error {}

    static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) throws -> [UInt8] {
        guard count >= 0, rest.count >= count else { throw Broken() }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    static func fixed<Number: FixedWidthInteger>(_ rest: inout ArraySlice<UInt8>) throws -> Number {
        try take(MemoryLayout<Number>.size, &rest).reversed().reduce(0) { $0 << 8 | Number($1) }
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = try take(1, &rest)[0]
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
        }
        throw Broken()
    }
}

@Suite("TensorBoard event files")
struct EventFileTests {
    /// The messages of a file, after both checksums of each.
    private func events(_ path: String) throws -> [Fields] {
        var rest = Array(try Data(contentsOf: URL(fileURLWithPath: path)))[...]
        var events: [Fields] = []
        while !rest.isEmpty {
            let length = Array(rest.prefix(8))
            let count: UInt64 = try Fields.fixed(&rest)
            #expect(try Fields.fixed(&rest) == CRC32C.masked(length))
            let message = try Fields.take(Int(count), &rest)
            #expect(try Fields.fixed(&rest) == CRC32C.masked(message))
            events.append(try Fields(message))
        }
        return events
    }

    /// Source: RFC 3720, B.4.
    @Test(
        "CRC-32C equals the published vectors",
        arguments: [
            (Array("123456789".utf8), 0xE306_9283), (Array(repeating: 0, count: 32), 0x8A91_36AA),
            (Array(repeating: 0xFF, count: 32), 0x62A8_AB43), (Array(0..<32), 0x46DD_794E), ([], 0),
        ] as [([UInt8], UInt32)])
    func vectors(bytes: [UInt8], checksum: UInt32) { #expect(CRC32C.checksum(bytes) == checksum) }

    @Test("scalars come back with their names, step and time")
    func scalars() throws {
        try withReportFolder { folder in
            let writer = try EventFileWriter(folder: folder, step: 0, clock: { 1_700_000_000.5 })
            try writer.add([("loss/total", 1.25), ("rate", 3e-5)], step: 300)
            let events = try events(writer.path)
            #expect(events.count == 2 && writer.path.contains("events.out.tfevents.1700000000"))
            #expect(events[0].text(3) == "brain.Event:2" && events[0][1] == .double(1_700_000_000.5))
            #expect(events[1][2] == .number(300))
            let values = try events[1].message(5).fields.map { field, value in
                guard field == 1, case .bytes(let bytes) = value else { throw Fields.Broken() }
                return try Fields(bytes)
            }
            #expect(values.map { $0.text(1) } == ["loss/total", "rate"])
            #expect(values.map { $0[2] } == [.float(1.25), .float(3e-5)])
        }
    }

    @Test("a picture comes back as the PNG it was")
    func picture() throws {
        try withReportFolder { folder in
            let writer = try EventFileWriter(folder: folder, step: 0)
            let image = RGBImage(width: 3, height: 2, pixels: (0..<18).map { UInt8($0 * 14) })
            try writer.add(image, name: "panel", step: 7)
            let value = try #require(try events(writer.path).last).message(5).message(1)
            let picture = try value.message(4)
            #expect(value.text(1) == "panel" && picture[1] == .number(2) && picture[2] == .number(3))
            #expect(picture[3] == .number(3))
            #expect(try PNGReader.decode(#require(picture.bytes(4))).rgb == image.pixels)
        }
    }

    @Test("a run that is taken up says from which step on")
    func resumed() throws {
        try withReportFolder { folder in
            let writer = try EventFileWriter(folder: folder, step: 40)
            let events = try events(writer.path)
            #expect(events.count == 2 && events[1][2] == .number(40))
            #expect(try events[1].message(7)[1] == .number(1))
        }
    }

    @Test("a folder that is not there is an error")
    func missing() {
        #expect(throws: RunFileError.self) { try EventFileWriter(folder: "/nonexistent/folder", step: 0) }
    }
}
