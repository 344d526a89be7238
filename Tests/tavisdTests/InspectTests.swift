// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@Suite("tavisd inspect")
struct InspectTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    private static let folder = Golden.fixtures.appending(path: "checkpoints/files").path

    /// Files with a listing by PyTorch beside them.
    static let files = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()

    @Test("names, types and shapes are those that PyTorch lists", arguments: files)
    func listing(file: String) throws {
        // Not a number, as Python writes it.
        let text = try String(contentsOfFile: "\(Self.folder)/\(file).json", encoding: .utf8)
            .replacing(/-?\bInfinity\b|\bNaN\b/, with: "null")
        let golden = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let expected = try #require(golden["tensors"] as? [[String: Any]])
        let outcome = try place.run("inspect", "\(Self.folder)/\(file)", "--json")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let found = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.out.utf8)) as? [String: Any])
        let rows = try #require(found["tensors"] as? [[String: Any]])
        #expect(Set(rows.map(Self.line)) == Set(expected.map(Self.line)))
        let plain = try place.run("inspect", "\(Self.folder)/\(file)")
        #expect(plain.out.contains(": \(expected.count) tensors, \(found["elements"] ?? "") elements, "))
        for row in expected { #expect(plain.out.contains(Self.line(row) + "\n"), "\(Self.line(row))") }
    }

    private static func line(_ row: [String: Any]) -> String {
        let path = (row["path"] as? [Any])?.map { "\($0)" }.joined(separator: ".")
        return "\(row["name"] ?? path ?? "")  \(row["dtype"] ?? "")  \(row["shape"] as? [Int] ?? [])"
    }

    @Test("what is no checkpoint ends with one line and a code")
    func strangers() throws {
        try Data().write(to: URL(fileURLWithPath: place.path("empty.pt")))
        for name in ["empty.pt", "absent.pt", "."] {
            let outcome = try place.run("inspect", name)
            #expect(outcome.code == 65 && outcome.errorLines.count == 1, "\(outcome.errors)")
        }
    }
}
