// SPDX-License-Identifier: Apache-2.0
public import Foundation

/// Why a merges file could not be used.
public struct TokenizerError: Error, CustomStringConvertible, Sendable {
    /// The file, or what stands for it.
    public var path: String
    public var detail: String
    public var description: String { "\(path): \(detail)" }
}

/// Texts to token ids by byte pair encoding, as CLIP and ImageBind do.
///
/// Ids: the 256 bytes, the 256 bytes at the end of a word, one per merge, start mark, end mark.
/// Source: `imagebind/models/multimodal_preprocessors.py`, `SimpleTokenizer`.
public struct BPETokenizer: Sendable {
    /// Merges in use of `bpe_simple_vocab_16e6.txt.gz`; later lines are ignored.
    public static let clipMerges = 48_894
    /// Ids of one text.
    public static let context = 77
    private static let largestFile = 16 << 20

    public let startID, endID: Int
    public var vocabulary: Int { endID + 1 }
    /// Rank of each pair of ids that merges; the merged id is 512 + rank.
    private let ranks: [Pair: Int]

    private struct Pair: Hashable {
        var left, right: Int32
        init(_ left: Int, _ right: Int) { (self.left, self.right) = (Int32(left), Int32(right)) }
    }

    /// - Parameters:
    ///   - mergesFile: CLIP's merges file, gzip or plain text.
    ///   - merges: how many of its lines count.
    public init(mergesFile: URL, merges: Int = clipMerges) throws {
        let data: Data
        do {
            data = try Data(contentsOf: mergesFile, options: .mappedIfSafe)
        } catch {
            throw TokenizerError(path: mergesFile.path, detail: "not readable: \(error.localizedDescription)")
        }
        try self.init(merges: data, count: merges, path: mergesFile.path)
    }

    /// - Parameters:
    ///   - merges: a header line, then a pair of symbols per line; gzip or plain text.
    ///   - path: names the data in errors.
    public init(merges data: Data, count: Int = clipMerges, path: String = "merges") throws {
        do {
            let text = isGzip(data) ? try gunzipped(data, limit: Self.largestFile) : data
            ranks = try Self.parse(text, count: count, path: path)
        } catch let error as GunzipError {
            throw TokenizerError(path: path, detail: "\(error)")
        }
        startID = 512 + count
        endID = startID + 1
    }

    /// Texts by their bytes alone, without merges: a vocabulary of 514.
    public static let bytes = BPETokenizer(ranks: [:])

    private init(ranks: [Pair: Int]) {
        self.ranks = ranks
        startID = 512 + ranks.count
        endID = startID + 1
    }

    /// The ids of a text: start mark, at most 75 tokens, end mark, zeros up to 77.
    public func encode(_ text: String) -> [Int] {
        let tokens = tokens(of: text).prefix(Self.context - 2)
        let framed = [startID] + tokens + [endID]
        return framed + Array(repeating: 0, count: Self.context - framed.count)
    }

    /// The tokens of a text, unframed.
    func tokens(of text: String) -> [Int] {
        TextPieces.split(TextPieces.cleaned(text)).flatMap { piece -> [Int] in
            switch piece {
            case TextPieces.startMark: [startID]
            case TextPieces.endMark: [endID]
            default: merged(piece)
            }
        }
    }

    /// Applies the merges to one word, lowest rank first.
    private func merged(_ word: String) -> [Int] {
        var ids = word.utf8.map { ByteSymbols.id[Int($0)] }
        ids[ids.count - 1] += 256
        while ids.count > 1 {
            var best = Int.max
            for i in 1..<ids.count { best = min(best, ranks[Pair(ids[i - 1], ids[i])] ?? .max) }
            guard best < .max else { break }
            var next: [Int] = []
            var i = 0
            while i < ids.count {
                if i + 1 < ids.count, ranks[Pair(ids[i], ids[i + 1])] == best {
                    next.append(512 + best)
                    i += 2
                } else {
                    next.append(ids[i])
                    i += 1
                }
            }
            ids = next
        }
        return ids
    }

    /// Reads `count` merges after the header line; each joins symbols known by then.
    private static func parse(_ text: Data, count: Int, path: String) throws -> [Pair: Int] {
        let lines = text.split(
            separator: UInt8(ascii: "\n"), maxSplits: count + 1, omittingEmptySubsequences: false)
        guard lines.count > count else {
            throw TokenizerError(
                path: path, detail: "expected a header and \(count) merges, found \(lines.count) lines")
        }
        var ids = ByteSymbols.ids
        ids.reserveCapacity(512 + count)
        var ranks: [Pair: Int] = [:]
        ranks.reserveCapacity(count)
        for (rank, line) in lines[1...count].enumerated() {
            let symbols = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map {
                String(decoding: $0, as: UTF8.self)
            }
            guard symbols.count == 2, let left = ids[symbols[0]], let right = ids[symbols[1]] else {
                throw TokenizerError(
                    path: path,
                    detail: "line \(rank + 2): expected two symbols known by then, found "
                        + "\"\(String(decoding: line.prefix(40), as: UTF8.self))\"")
            }
            ids[symbols[0] + symbols[1]] = 512 + rank
            ranks[Pair(left, right)] = rank
        }
        return ranks
    }
}

/// How the merges file writes bytes: printable ones as themselves, the others as letters from U+0100 on.
private enum ByteSymbols {
    private static let printable = Array(33...126) + Array(161...172) + Array(174...255)
    /// Bytes in the order of their ids.
    private static let order = printable + (0...255).filter { !Set(printable).contains($0) }

    /// Id of each byte.
    static let id: [Int] = {
        var id = [Int](repeating: 0, count: 256)
        for (index, byte) in order.enumerated() { id[byte] = index }
        return id
    }()

    /// Ids of the single symbols, inside and at the end of a word.
    static let ids: [String: Int] = {
        var ids: [String: Int] = [:]
        for (index, byte) in order.enumerated() {
            let code = index < printable.count ? byte : 0x100 + index - printable.count
            guard let scalar = Unicode.Scalar(code) else { continue }
            ids[String(scalar)] = index
            ids[String(scalar) + "</w>"] = index + 256
        }
        return ids
    }()
}
