// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Cleaning and splitting of a text before byte pair encoding.
///
/// The reference repairs texts with `ftfy` first; of that only the composed form of accents and straight quotes are
/// done here, which is all that intact text needs.
enum TextPieces {
    static let startMark = "<|startoftext|>"
    static let endMark = "<|endoftext|>"

    /// Unescaped twice, white space collapsed and trimmed, lower case.
    static func cleaned(_ text: String) -> String {
        let straight = String(
            String.UnicodeScalarView(
                text.precomposedStringWithCanonicalMapping.unicodeScalars.map { quotes[$0] ?? $0 }))
        let words = unescaped(unescaped(straight)).unicodeScalars.split(whereSeparator: isSpace)
        return words.map { String($0) }.joined(separator: " ").lowercased()
    }

    /// Marks, contractions, runs of letters, single digits, runs of anything else but white space.
    static func split(_ text: String) -> [String] {
        let scalars = Array(text.unicodeScalars)
        var pieces: [String] = []
        var i = 0
        while i < scalars.count {
            let rest = scalars[i...]
            if isSpace(scalars[i]) {
                i += 1
                continue
            }
            let length: Int
            if let fixed = fixedPieces.first(where: { rest.starts(with: $0) }) {
                length = fixed.count
            } else if isLetter(scalars[i]) {
                length = rest.prefix(while: isLetter).count
            } else if isNumber(scalars[i]) {
                length = 1
            } else {
                length = rest.prefix { !isSpace($0) && !isLetter($0) && !isNumber($0) }.count
            }
            var piece = String.UnicodeScalarView()
            piece.append(contentsOf: scalars[i..<i + length])
            pieces.append(String(piece))
            i += length
        }
        return pieces
    }

    private static let quotes: [Unicode.Scalar: Unicode.Scalar] = [
        "\u{2018}": "'", "\u{2019}": "'", "\u{201C}": "\"", "\u{201D}": "\"",
    ]

    private static let fixedPieces: [[Unicode.Scalar]] = [
        startMark, endMark, "'s", "'t", "'re", "'ve", "'m", "'ll", "'d",
    ].map { Array($0.unicodeScalars) }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }

    private static func isNumber(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .decimalNumber, .letterNumber, .otherNumber: true
        default: false
        }
    }

    /// White space as Python's `str` counts it.
    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    // MARK: HTML

    private static let entities: [Substring: Unicode.Scalar] = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": "\u{A0}", "ndash": "\u{2013}",
        "mdash": "\u{2014}", "hellip": "\u{2026}", "lsquo": "\u{2018}", "rsquo": "\u{2019}",
        "ldquo": "\u{201C}", "rdquo": "\u{201D}", "copy": "\u{A9}", "reg": "\u{AE}", "deg": "\u{B0}",
        "euro": "\u{20AC}",
    ]

    /// Numbered entities and the common named ones; anything else stays as it is.
    private static func unescaped(_ text: String) -> String {
        guard text.contains("&") else { return text }
        let longestName = 32
        var result = ""
        var rest = Substring(text)
        while let start = rest.firstIndex(of: "&") {
            result += rest[..<start]
            let after = rest.index(after: start)
            if let end = rest[after...].prefix(longestName).firstIndex(of: ";"),
                let scalar = entity(rest[after..<end])
            {
                result.unicodeScalars.append(scalar)
                rest = rest[rest.index(after: end)...]
            } else {
                result += "&"
                rest = rest[after...]
            }
        }
        return result + rest
    }

    private static func entity(_ name: Substring) -> Unicode.Scalar? {
        guard name.first == "#" else { return entities[name] }
        let digits = name.dropFirst()
        let code =
            digits.first == "x" || digits.first == "X"
            ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
        guard let code else { return nil }
        return Unicode.Scalar(code) ?? "\u{FFFD}"
    }
}
