// SPDX-License-Identifier: Apache-2.0
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("The BPE tokenizer")
struct BPETokenizerTests {
    /// CLIP's merges file, which is not part of the repository.
    static let clipFile: URL? = ProcessInfo.processInfo.environment["TAVIS_SHARED"].map {
        URL(fileURLWithPath: $0).appending(path: "data/bpe_simple_vocab_16e6.txt.gz")
    }

    static let table: [(String, [Int])] = [
        ("A dog.", [320, 1929, 269]),
        ("A car", [320, 1615]),
        ("A bird", [320, 3329]),
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("A ambulance siren", [320, 15555, 33026]),
        ("A acoustic_guitar", [320, 10616, 318, 5084]),
        ("A male speech, man speaking", [320, 2801, 4902, 267, 786, 3714]),
        ("it's 2024!!", [585, 568, 273, 271, 273, 275, 748]),
        ("I'M 100% sure &amp;amp; ok", [328, 880, 272, 271, 271, 260, 1650, 261, 2481]),
        ("日本", [39121, 19277, 361]),
        ("!", [256]),
        (" \n", []),
        ("x <|endoftext|>", [343, 49407]),
    ]

    @Test("texts get the reference's ids", .enabled(if: clipFile != nil))
    func clip() throws {
        let tokenizer = try BPETokenizer(mergesFile: try #require(Self.clipFile))
        #expect(tokenizer.vocabulary == 49408)
        for (text, tokens) in Self.table {
            let framed = [49406] + tokens + [49407]
            #expect(
                tokenizer.encode(text) == framed + Array(repeating: 0, count: 77 - framed.count), "\(text)")
        }
        let golden = try Golden("06_imagebind_preprocess")
        let texts = try #require(golden.manifest["texts"] as? [String])
        #expect(texts.map { tokenizer.encode($0) } == (try golden.tensor("tokens")).idRows)
    }

    /// Merges "t h", "th e</w>", "a b".
    private static let made = Data("#version\nt h\nth e</w>\na b\nx x\n".utf8)

    @Test("merges apply by rank, at word ends only where they say so")
    func made() throws {
        let tokenizer = try BPETokenizer(merges: Self.made, count: 3)
        #expect(tokenizer.startID == 515 && tokenizer.endID == 516 && tokenizer.vocabulary == 517)
        let (a, b, e, t, h) = (64, 65, 68, 83, 71)
        #expect(tokenizer.tokens(of: "The thea") == [513, 512, e, a + 256])
        #expect(tokenizer.tokens(of: "abab ab") == [514, a, b + 256, a, b + 256])
        #expect(tokenizer.tokens(of: "t h") == [t + 256, h + 256])
    }

    @Test("a long text keeps its end mark")
    func long() throws {
        let tokenizer = try BPETokenizer(merges: Self.made, count: 3)
        let ids = tokenizer.encode(String(repeating: "a ", count: 100))
        #expect(ids == [515] + Array(repeating: 64 + 256, count: 75) + [516])
    }

    @Test("texts split into contractions, letters, single digits and signs")
    func split() {
        #expect(
            TextPieces.split(TextPieces.cleaned("  It\u{2019}s\t10 o'clock&#33;&amp;lt; Cafe\u{301} "))
                == ["it", "'s", "1", "0", "o", "'", "clock", "!<", "café"])
        #expect(TextPieces.cleaned("AT&T &nosuch; &#x41;") == "at&t &nosuch; a")
        #expect(
            TextPieces.split("they'll we've <|startoftext|>") == [
                "they", "'ll", "we", "'ve", "<|startoftext|>",
            ])
    }

    @Test("wrong files are refused with what was expected")
    func wrongFiles() throws {
        func message(_ data: Data, count: Int = 3) -> String {
            do {
                _ = try BPETokenizer(merges: data, count: count, path: "file")
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(message(Data()) == "file: expected a header and 3 merges, found 1 lines")
        #expect(
            message(Data("#\nt h\nq\n\n".utf8))
                == "file: line 3: expected two symbols known by then, found \"q\"")
        #expect(message(Self.compressed.prefix(30)) == "file: gzip data ends early")
        #expect(message(Self.compressed) == "accepted")
        var damaged = Self.compressed
        damaged[12] ^= 0xff
        #expect(message(damaged).hasPrefix("file: damaged gzip data"))
        #expect(throws: TokenizerError.self) {
            try BPETokenizer(mergesFile: URL(fileURLWithPath: "/nonexistent/merges"))
        }
    }

    @Test("a small file cannot expand without bound")
    func bounded() throws {
        #expect(throws: GunzipError.self) { try gunzipped(Self.compressed, limit: 10) }
        #expect(try gunzipped(Self.compressed, limit: 100) == Self.made)
    }

    /// `made`, compressed.
    private static let compressed = Data(
        base64Encoded: "H4sIAAAAAAACA1MuSy0qzszP4ypRyOAqyVBItdEvt+NKVEjiqlCo4AIAWz4DBx4AAAA=")!
}
