// SPDX-License-Identifier: Apache-2.0
package import Foundation
package import TensorEngine
package import Testing

/// Reference tensors made by the official code: `NAME.safetensors` and its manifest `NAME.json`.
///
/// A large tensor is stored as every `stride`-th element of its row-major order, in one dimension.
package struct Golden: CustomTestStringConvertible, Sendable {
    package let name: String
    package let file: SafetensorsFile
    package let manifestData: Data

    package var testDescription: String { name }

    package struct Entry {
        package let shape: [Int]
        package let stride: Int
    }

    /// The whole set: `TAVIS_GOLDEN`, else `TAVIS_SHARED/golden`, else only the small ones beside the tests.
    package static let folder: URL = {
        let environment = ProcessInfo.processInfo.environment
        if let path = environment["TAVIS_GOLDEN"] { return URL(fileURLWithPath: path) }
        if let path = environment["TAVIS_SHARED"] {
            return URL(fileURLWithPath: path).appending(path: "golden")
        }
        return fixtures.appending(path: "golden")
    }()

    /// Whether the whole set is at hand.
    package static var isComplete: Bool { folder != fixtures.appending(path: "golden") }

    /// `Tests/Fixtures`.
    package static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures")

    /// All goldens whose names match, sorted; further files of the same pattern are picked up by themselves.
    package static func matching(_ pattern: String) -> [Golden] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasSuffix(".safetensors") }.map { String($0.dropLast(12)) }
            .filter { $0.range(of: "^\(pattern)$", options: .regularExpression) != nil }.sorted()
            .compactMap { try? Golden($0) }
    }

    package init(_ name: String) throws {
        self.name = name
        file = try SafetensorsFile(path: Self.folder.appending(path: name + ".safetensors").path)
        // Python writes infinities, which JSON has not.
        let text = try String(contentsOf: Self.folder.appending(path: name + ".json"), encoding: .utf8)
        manifestData = Data(text.replacing(/-?Infinity|NaN/, with: "null").utf8)
    }

    /// The manifest, as JSON.
    package var manifest: [String: Any] {
        (try? JSONSerialization.jsonObject(with: manifestData) as? [String: Any]) ?? [:]
    }

    package var tensorNames: [String] { file.tensors.map(\.key) }

    package func has(_ tensor: String) -> Bool { file.tensors.contains { $0.key == tensor } }

    package func entry(_ tensor: String) throws -> Entry {
        let rows = manifest["tensors"] as? [String: Any]
        let row = try #require(rows?[tensor] as? [String: Any], "\(name): no tensor \(tensor)")
        return Entry(shape: try #require(row["shape"] as? [Int]), stride: row["stride"] as? Int ?? 1)
    }

    /// What the file stores of a tensor, flat.
    package func stored(_ tensor: String) throws -> [Float] {
        let found = try #require(file.tensors.first { $0.key == tensor }, "\(name): no tensor \(tensor)")
        return try found.readFloats()
    }

    /// A tensor that is stored in full.
    package func tensor(_ tensor: String) throws -> Tensor {
        let entry = try entry(tensor)
        try #require(entry.stride == 1, "\(name): \(tensor) is not stored in full")
        return Tensor(try stored(tensor), shape: entry.shape)
    }

    /// Compares every stored element, and the shape, with a result in the reference's layout.
    ///
    /// - Parameters:
    ///   - relativeRMS: bound on ‖difference‖ / ‖reference‖.
    ///   - largest: bound on the largest difference, relative to the largest reference magnitude.
    package func expect(
        _ result: Tensor, equals tensor: String, relativeRMS: Double = 1e-5, largest: Double = 5e-5,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let entry = try entry(tensor)
        #expect(result.shape == entry.shape, "\(name): \(tensor)", sourceLocation: sourceLocation)
        guard result.count == entry.shape.reduce(1, *) else { return }
        let values = result.values
        let picked =
            entry.stride == 1
            ? values : stride(from: 0, to: values.count, by: entry.stride).map { values[$0] }
        expectClose(
            picked, try stored(tensor), "\(name): \(tensor)", stride: entry.stride, relativeRMS: relativeRMS,
            largest: largest, sourceLocation: sourceLocation)
    }
}

/// Compares element by element and names the worst one.
package func expectClose(
    _ found: [Float], _ expected: [Float], _ what: String, stride: Int = 1, relativeRMS: Double = 1e-5,
    largest: Double = 5e-5, sourceLocation: SourceLocation = #_sourceLocation
) {
    guard found.count == expected.count else {
        Issue.record(
            "\(what): \(found.count) values, expected \(expected.count)", sourceLocation: sourceLocation)
        return
    }
    var squares = 0.0, reference = 0.0, worst = -1.0, worstIndex = 0, peak = 0.0
    for (i, (a, b)) in zip(found, expected).enumerated() {
        let difference = a == b ? 0 : Double(a) - Double(b)
        squares += difference * difference
        if b.isFinite { reference += Double(b) * Double(b) }
        peak = max(peak, b.isFinite ? Double(abs(b)) : 0)
        if !(abs(difference) <= worst) { (worst, worstIndex) = (abs(difference), i) }
    }
    let rms = (squares / max(reference, 1e-30)).squareRoot()
    let report =
        "\(what): relative RMS \(rms) (bound \(relativeRMS)), worst \(worst) at \(worstIndex * stride) "
        + "(\(found.isEmpty ? 0 : found[worstIndex]), expected \(expected.isEmpty ? 0 : expected[worstIndex]); "
        + "bound \(largest * peak))"
    if ProcessInfo.processInfo.environment["TAVIS_REPORT"] != nil { print(report) }
    #expect(rms <= relativeRMS && worst <= largest * peak, "\(report)", sourceLocation: sourceLocation)
}
