// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TensorEngine

@Suite("Seeded weights")
struct SeededWeightsTests {
    @Test("the first eight values of every kind of key are equal bit for bit")
    func selfCheck() throws {
        let json = try #require(
            try CheckpointFixtures.json(CheckpointFixtures.folder + "/01_selfcheck.json") as? [String: Any])
        let keys = try #require(json["keys"] as? [String: [String: Any]])
        #expect(keys.count >= 6)
        for (key, row) in keys {
            #expect(String(SeededWeights.fnv1a64(key), radix: 16) == row["fnv1a64"] as? String)
            let values = SeededWeights.values(key: key, shape: try #require(row["shape"] as? [Int]))
            let bits = values.prefix(8).map { value in
                withUnsafeBytes(of: value.bitPattern.littleEndian) {
                    $0.map { String(format: "%02x", $0) }.joined()
                }
            }
            #expect(bits == row["first8_hex"] as? [String], "\(key)")
            #expect(
                abs(values.reduce(0) { $0 + Double($1) } - CheckpointFixtures.number(row["sum_f64"])) < 1e-9)
        }
        let stored = try SafetensorsFile(path: CheckpointFixtures.folder + "/01_selfcheck.safetensors")
        let input = try #require(stored.tensors.first { $0.key.hasPrefix("input.image") })
        #expect(try input.readFloats() == SeededWeights.input("input.image", shape: [8]))
    }

    @Test(
        "every key of a model has the listed first values and sum",
        arguments: CheckpointFixtures.listed("keys", "keys", suffix: ".json"))
    func keys(path: String) throws {
        let rows = try #require(try CheckpointFixtures.json(path) as? [[String: Any]])
        var buffer: [Float] = []
        for row in rows {
            let key = try #require(row["key"] as? String)
            let shape = try #require(row["shape"] as? [Int])
            let count = shape.reduce(1, *)
            // Sums only where they are cheap: the values after the first two come from the same loop.
            let isSummed = count <= 1 << 16 || path.contains("tiny")
            buffer = [Float](repeating: 0, count: isSummed ? count : min(count, 2))
            buffer.withUnsafeMutableBufferPointer { SeededWeights.fill(key: key, shape: shape, into: $0) }
            if let constant = row["constant"] {
                #expect(buffer == [Float(CheckpointFixtures.number(constant))], "\(key)")
            }
            guard let first = row["first"] as? [Any], !Self.isOverridden(key, in: path) else { continue }
            // Foundation's JSON numbers are off by a last bit of a double: the float is exact.
            #expect(Array(buffer.prefix(2)) == first.map { Float(CheckpointFixtures.number($0)) }, "\(key)")
            if isSummed {
                let sum = buffer.reduce(0) { $0 + Double($1) }
                let listed = CheckpointFixtures.number(row["sum"])
                #expect(abs(sum - listed) <= 1e-9 * Double(count) + 1e-9 * abs(listed), "\(key)")
            }
        }
    }

    /// The TAViS goldens fill this bias with 2 after seeding, so that objects count as present.
    private static func isOverridden(_ key: String, in path: String) -> Bool {
        path.hasSuffix("tavis.json") && key == "sam_mask_decoder.pred_obj_score_head.layers.2.bias"
    }

    @Test("a tensor made in pieces equals the tensor made at once")
    func pieces() {
        let whole = SeededWeights.values(key: "a.weight", shape: [13, 7])
        var pieces = [Float](repeating: 0, count: 91)
        pieces.withUnsafeMutableBufferPointer { out in
            for start in stride(from: 0, to: 91, by: 10) {
                let end = min(start + 10, 91)
                SeededWeights.fill(
                    key: "a.weight", shape: [13, 7], from: start,
                    into: UnsafeMutableBufferPointer(rebasing: out[start..<end]))
            }
        }
        #expect(pieces == whole)
    }

    @Test("buffers that the reference builds itself are as it builds them")
    func constants() {
        let mask = SeededWeights.values(key: "imagebind.modality_preprocessors.text.mask", shape: [3, 3])
        #expect(mask == [0, -.infinity, -.infinity, 0, 0, -.infinity, 0, 0, 0])
        #expect(SeededWeights.values(key: "CEloss.weight", shape: [3]) == [0.1, 1, 1])
    }
}
