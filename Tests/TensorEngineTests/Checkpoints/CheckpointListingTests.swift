// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

@Suite("Checkpoint files")
struct CheckpointListingTests {
    /// `X.pt.json` and `X.safetensors.json` beside `X.pt` and `X.safetensors`, written by PyTorch.
    static let listings = CheckpointFixtures.listed("files", "checkpoints", suffix: ".json")

    @Test("every tensor of a file has the listed type, layout and values", arguments: listings)
    func tensors(listing: String) throws {
        let json = try #require(try CheckpointFixtures.json(listing) as? [String: Any])
        let rows = try #require(json["tensors"] as? [[String: Any]])
        let checkpoint = try Checkpoint.open(String(listing.dropLast(".json".count)))
        #expect(checkpoint.tensors.count == rows.count)
        for row in rows {
            let key = try #require(row["path"] as? [Any]).map { "\($0)" }.joined(separator: ".")
            let tensor = try checkpoint.tensor(key)
            #expect(tensor.dtype.rawValue == row["dtype"] as? String, "\(key)")
            #expect(tensor.shape == row["shape"] as? [Int], "\(key)")
            #expect(tensor.strides == row["stride"] as? [Int] || tensor.elementCount == 0, "\(key)")
            #expect(tensor.storageOffset == row["storage_offset"] as? Int, "\(key)")
            let values = try tensor.readFloats()
            let first = try #require(row["first8"] as? [Any]).map { Float(CheckpointFixtures.number($0)) }
            #expect(values.prefix(8).map(\.bitPattern) == first.map(\.bitPattern), "\(key)")
            expectSum(values, CheckpointFixtures.number(row["sum_f64"]), tensor, key)
        }
    }

    private func expectSum(_ values: [Float], _ listed: Double, _ tensor: CheckpointTensor, _ key: String) {
        let sum = values.reduce(0) { $0 + Double($1) }
        if listed.isNaN || listed.isInfinite {
            #expect(sum.isNaN == listed.isNaN && (sum.isNaN || sum == listed), "\(key)")
            return
        }
        // Doubles and long integers were rounded to float32, once each.
        let isRounded = tensor.dtype == .float64 || tensor.dtype == .int64
        let magnitude = values.reduce(0) { $0 + Double(abs($1)) }
        #expect(
            abs(sum - listed) <= magnitude * (isRounded ? 1e-7 : 1e-14), "\(key): \(sum), listed \(listed)")
    }

    @Test("plain values of a file are the listed ones, in order", arguments: listings)
    func scalars(listing: String) throws {
        let json = try #require(try CheckpointFixtures.json(listing) as? [String: Any])
        let rows = (json["scalars"] as? [[String: Any]]) ?? []
        let checkpoint = try Checkpoint.open(String(listing.dropLast(".json".count)))
        var found: [(String, PickleValue)] = []
        if let tree = checkpoint.tree { Self.flatten(tree, [], into: &found) }
        #expect(
            found.map(\.0)
                == rows.map { row in (row["path"] as? [Any] ?? []).map { "\($0)" }.joined(separator: ".") })
        for (row, (key, value)) in zip(rows, found) {
            switch value {
            case .none: #expect(row["value"] is NSNull, "\(key)")
            case .bool(let value): #expect(row["value"] as? Bool == value, "\(key)")
            case .int(let value): #expect(row["value"] as? Int == value, "\(key)")
            case .float(let value):
                #expect(Float(value) == Float(CheckpointFixtures.number(row["value"])), "\(key)")
            case .string(let value): #expect(row["value"] as? String == value, "\(key)")
            default: Issue.record("\(key): unexpected \(value)")
            }
        }
    }

    private static func flatten(
        _ value: PickleValue, _ path: [String], into found: inout [(String, PickleValue)]
    ) {
        switch value {
        case .tensor: return
        case .tuple(let items), .list(let items):
            for (i, item) in items.enumerated() { flatten(item, path + [String(i)], into: &found) }
        case .dict(let members):
            for member in members { flatten(member.value, path + [member.key.description], into: &found) }
        default: found.append((path.joined(separator: "."), value))
        }
    }

    @Test("whole numbers are read exactly, and a float tensor is not taken for them")
    func integers() throws {
        let checkpoint = try Checkpoint.open(CheckpointFixtures.file("dtypes.pt"))
        #expect(
            try checkpoint.tensor("i64").readInt64s()[0...2] == [
                -5_000_000_000_000, -4_000_000_000_000, -3_000_000_000_000,
            ])
        let error = checkpointError { _ = try checkpoint.tensor("f32").readInt64s() }
        #expect(error?.code == .unsupportedType)
        #expect(error?.description.hasSuffix("dtypes.pt: f32: expected integers, file has float32") == true)
    }

    @Test("any range of elements of any layout equals the same range of the whole")
    func ranges() throws {
        for name in ["views.pt", "dtypes.pt", "mixed.safetensors"] {
            for tensor in try Checkpoint.open(CheckpointFixtures.file(name)).tensors {
                let whole = try tensor.readFloats()
                for start in 0...whole.count {
                    for end in start...whole.count {
                        var part = [Float](repeating: 0, count: end - start)
                        try part.withUnsafeMutableBufferPointer { try tensor.floats(start..<end, into: $0) }
                        #expect(
                            part.map(\.bitPattern) == whole[start..<end].map(\.bitPattern), "\(tensor.key)")
                    }
                }
            }
        }
    }

    @Test("halves convert to float32 exactly, all 65536 of them")
    func halves() {
        for bits in UInt16.min ... .max {
            let exact = Float(Float16(bitPattern: bits))
            let found = float32(half: bits)
            #expect(found.bitPattern == exact.bitPattern || found.isNaN && exact.isNaN)
        }
    }

    @Test("a state dict wrapped as published for SAM 2 is unwrapped, others stay as they are")
    func unwrapping() throws {
        let nested = try Checkpoint.open(CheckpointFixtures.file("nested_model.pt"))
        #expect(nested["model.image_encoder.scale"] != nil)
        let inner = try nested.unwrapped()
        #expect(inner.tensors.count == 5)
        #expect(try inner.tensor("image_encoder.scale").readFloats() == [1.5])
        #expect(inner.tree?["image_encoder.scale"] == .tensor(3))
        let flat = try Checkpoint.open(CheckpointFixtures.file("zip_default.pt"))
        #expect(try flat.unwrapped().listing == flat.listing)
    }

    @Test("float32 of a zip file is used in place once its checksum was compared")
    func inPlace() throws {
        let tensor = try Checkpoint.open(CheckpointFixtures.file("zip_default.pt")).tensor("trunk.weight")
        #expect(tensor.mappedFloat32 == nil)
        try tensor.verify()
        let place = try #require(tensor.mappedFloat32)
        let first = place.file.bytes.loadUnaligned(fromByteOffset: place.byteOffset, as: Float.self)
        #expect(try first == tensor.readFloats()[0])
    }

    @Test("a listing names every tensor, its type and shape, and goes through JSON")
    func listingRows() throws {
        let rows = try Checkpoint.open(CheckpointFixtures.file("views.pt")).listing
        #expect(rows.first == .init(name: "transposed", dtype: "float32", shape: [10, 6]))
        let coded = try JSONEncoder().encode(rows)
        #expect(try JSONDecoder().decode([Checkpoint.ListingRow].self, from: coded) == rows)
    }

    @Test("files that are no checkpoint are refused by their content")
    func sniffing() throws {
        let folder = try TemporaryFolder()
        func code(_ bytes: [UInt8]) throws -> CheckpointError.Code? {
            let path = try folder.write(bytes)
            return checkpointError { _ = try Checkpoint.open(path) }?.code
        }
        #expect(try code([]) == .unknownFormat)
        #expect(try code(Array("<html><body>Not Found</body></html>".utf8)) == .unknownFormat)
        #expect(try code(Array("PK".utf8)) == .corruptFile)
        #expect(try code([0x80]) == .corruptFile)
        #expect(try code([0x80, 2, UInt8(ascii: "N"), UInt8(ascii: ".")]) == .unsupportedFormat)
        #expect(checkpointError { _ = try Checkpoint.open(folder.path) }?.code == .cannotOpen)
        #expect(checkpointError { _ = try Checkpoint.open(folder.path + "/none") }?.code == .cannotOpen)
    }
}
