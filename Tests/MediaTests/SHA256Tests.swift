// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Media

@Suite("SHA-256")
struct SHA256Tests {
    /// FIPS 180-2, appendix B.
    private let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test("the standard's example, in one piece and in two")
    func example() {
        let (whole, pieces) = (SHA256(), SHA256())
        whole.add(Array("abc".utf8))
        pieces.add(Array("a".utf8))
        pieces.add([UInt8]())
        pieces.add(Array("bc".utf8))
        #expect(whole.text == abc && pieces.text == abc)
    }

    @Test("of a file; one that is not there is named")
    func file() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "sha-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("abc".utf8).write(to: file)
        #expect(try SHA256.text(ofFile: file.path) == abc)
        let error = #expect(throws: MediaError.self) { try SHA256.text(ofFile: file.path + "x") }
        #expect(error.map { "\($0)".contains(file.path + "x") } == true)
    }
}
