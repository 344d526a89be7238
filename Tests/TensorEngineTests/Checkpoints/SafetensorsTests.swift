// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

@Suite("Safetensors")
struct SafetensorsTests {
    @Test("what is written is read back bit for bit, aligned and with its metadata")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.safetensors"
        let odd: [Float] = [1, -0.0, .infinity, .leastNonzeroMagnitude, 5]
        let even = (0..<64).map { Float($0) }
        try SafetensorsWriter.write(
            path: path,
            tensors: [
                ("odd \"é\\\n", [5], odd), ("even", [4, 16], even), ("empty", [0, 3], []), ("s", [], [2]),
            ],
            metadata: ["note": "a \"quoted\"\ttab", "format": "pt"])

        let file = try SafetensorsFile(path: path)
        #expect(file.metadata == ["note": "a \"quoted\"\ttab", "format": "pt"])
        let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.key, $0) })
        #expect(tensors.count == 4)
        #expect(try tensors["odd \"é\\\n"]?.readFloats().map(\.bitPattern) == odd.map(\.bitPattern))
        #expect(try tensors["even"]?.readFloats() == even)
        #expect(tensors["even"]?.shape == [4, 16])
        #expect(try tensors["empty"]?.readFloats() == [])
        #expect(try tensors["s"]?.readFloats() == [2])
        let place = try #require(tensors["even"]?.mappedFloat32)
        #expect(place.byteOffset % 64 == 0)
        #expect(place.file.bytes.loadUnaligned(fromByteOffset: place.byteOffset + 4, as: Float.self) == 1)
        #expect(folder.names == ["model.safetensors"])
    }

    @Test("a writer that is dropped leaves nothing behind")
    func abandoned() throws {
        let folder = try TemporaryFolder()
        do {
            let writer = try SafetensorsWriter(path: folder.path + "/x", entries: [.init("a", shape: [2])])
            try writer.append([1], to: "a")
            #expect(folder.names.count == 1)
        }
        #expect(folder.names == [])
    }

    @Test("a folder that does not exist is an error that names the file")
    func unwritable() {
        let error = checkpointError {
            try SafetensorsWriter.write(path: "/nonexistent/x.safetensors", tensors: [])
        }
        #expect(error?.code == .cannotWrite)
        #expect(error?.description.contains("/nonexistent/x.safetensors") == true)
    }

    @Test("a missing file, a folder, a device and an empty file are errors")
    func unreadable() throws {
        let folder = try TemporaryFolder()
        #expect(checkpointError { _ = try MappedFile(path: folder.path + "/none") }?.code == .cannotOpen)
        #expect(checkpointError { _ = try MappedFile(path: folder.path) }?.code == .cannotOpen)
        #expect(checkpointError { _ = try MappedFile(path: "/dev/zero") }?.code == .cannotOpen)
        let empty = try folder.write([])
        #expect(checkpointError { _ = try SafetensorsFile(path: empty) }?.code == .corruptFile)
    }

    static let hostileHeaders: [(String, String, Int, CheckpointError.Code)] = [
        (
            "overlap",
            #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
            6, .corruptFile
        ),
        (
            "gap",
            #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}"#,
            6, .corruptFile
        ),
        ("trailing bytes", #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#, 3, .corruptFile),
        ("past the end", #"{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}"#, 8, .corruptFile),
        ("end before begin", #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[4,2]}}"#, 4, .corruptFile),
        ("negative dimension", #"{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}"#, 1, .corruptFile),
        ("negative offset", #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}"#, 1, .corruptFile),
        ("fraction", #"{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}"#, 1, .corruptFile),
        (
            "product overflow",
            #"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#, 0, .corruptFile
        ),
        (
            "product overflow hidden by zero",
            #"{"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}}"#, 0, .corruptFile
        ),
        (
            "huge number", #"{"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,0]}}"#, 0,
            .corruptFile
        ),
        (
            "shape against offsets", #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4,
            .corruptFile
        ),
        ("three offsets", #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}"#, 1, .corruptFile),
        (
            "unknown dtype", #"{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}"#, 1,
            .unsupportedType
        ),
        (
            "duplicate tensor",
            #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#,
            2, .duplicateTensor
        ),
        (
            "repeated field", #"{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#, 1,
            .corruptFile
        ),
        ("missing field", #"{"a":{"dtype":"U8","shape":[1]}}"#, 1, .corruptFile),
        ("metadata that is no string", #"{"__metadata__":{"a":1}}"#, 0, .corruptFile),
        ("metadata twice", #"{"__metadata__":{},"__metadata__":{}}"#, 0, .duplicateTensor),
        ("array at the root", "[]", 0, .corruptFile),
        ("text after the object", "{} {}", 0, .corruptFile),
        ("no end", "{", 0, .corruptFile),
        ("control character in a name", "{\"a\u{01}\":{}}", 0, .corruptFile),
        ("lone surrogate", #"{"\ud800":{}}"#, 0, .corruptFile),
        (
            "65 dimensions",
            #"{"a":{"dtype":"U8","shape":[\#([String](repeating: "1", count: 65).joined(separator: ","))],"data_offsets":[0,1]}}"#,
            1, .corruptFile
        ),
    ]

    @Test("a header with a lie in it is refused", arguments: hostileHeaders)
    func hostileHeader(name: String, header: String, dataCount: Int, code: CheckpointError.Code) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Self.file(Array(header.utf8), dataCount: dataCount))
        let error = checkpointError { _ = try SafetensorsFile(path: path) }
        #expect(error?.code == code, "\(name): \(String(describing: error))")
        #expect(error?.path == path)
    }

    @Test("deep nesting of the header is refused without recursion")
    func deepNesting() throws {
        let folder = try TemporaryFolder()
        for opener in ["[", "{\"a\":", "{\"__metadata__\":{\"a\":["] {
            let path = try folder.write(
                Self.file(Array(String(repeating: opener, count: 200_000).utf8), dataCount: 0))
            #expect(checkpointError { _ = try SafetensorsFile(path: path) }?.code == .corruptFile)
        }
    }

    @Test("a header length beyond the bound or the file is refused before it is read")
    func headerLength() throws {
        let folder = try TemporaryFolder()
        let beyondFile = withUnsafeBytes(of: UInt64(1000).littleEndian, Array.init) + Array("{}".utf8)
        #expect(
            checkpointError { _ = try SafetensorsFile(path: try folder.write(beyondFile)) }?.code
                == .corruptFile)
        for length in [UInt64.max, 1 << 63, 100_000_001] {
            let bytes = withUnsafeBytes(of: length.littleEndian, Array.init) + Array("{}".utf8)
            #expect(
                checkpointError { _ = try SafetensorsFile(path: try folder.write(bytes)) }?.code
                    == .limitExceeded)
        }
    }

    static func file(_ header: [UInt8], dataCount: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header
            + [UInt8](repeating: 0, count: dataCount)
    }
}
