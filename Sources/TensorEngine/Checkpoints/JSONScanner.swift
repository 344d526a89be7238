// SPDX-License-Identifier: Apache-2.0

/// Reads JSON of a known form straight from bytes, forwards only.
///
/// The caller asks for what must come next, so nothing is built but what the form has a place for: a hostile file
/// cannot make it nest or allocate, and duplicate names stay visible. Errors carry the byte position.
struct JSONScanner {
    struct Failure: Error {
        let position: Int
        let expected: String
    }

    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Calls `member` for each name of an object, positioned at its value.
    mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
        try expect(UInt8(ascii: "{"))
        if accept(UInt8(ascii: "}")) { return }
        repeat {
            let name = try string()
            try expect(UInt8(ascii: ":"))
            try member(&self, name)
        } while accept(UInt8(ascii: ","))
        try expect(UInt8(ascii: "}"))
    }

    /// An array of at most `limit` non-negative integers.
    mutating func integers(limit: Int) throws -> [Int] {
        var values: [Int] = []
        try expect(UInt8(ascii: "["))
        if accept(UInt8(ascii: "]")) { return values }
        repeat {
            guard values.count < limit else { throw failure("at most \(limit) numbers") }
            values.append(try integer())
        } while accept(UInt8(ascii: ","))
        try expect(UInt8(ascii: "]"))
        return values
    }

    mutating func integer() throws -> Int {
        skipSpace()
        let start = position
        var value = 0
        while let digit = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= digit {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow2) = scaled.addingReportingOverflow(Int(digit - UInt8(ascii: "0")))
            guard !overflow, !overflow2 else { throw failure("a number below 2^63") }
            value = sum
            position += 1
        }
        let hasLeadingZero = position > start + 1 && bytes[start] == UInt8(ascii: "0")
        guard position > start, !hasLeadingZero else { throw failure("a non-negative integer") }
        return value
    }

    mutating func string() throws -> String {
        try expect(UInt8(ascii: "\""))
        var text: [UInt8] = []
        while let byte = peek() {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw failure("valid UTF-8")
                }
                return string
            case UInt8(ascii: "\\"):
                text.append(contentsOf: String(try escape()).utf8)
            case 0..<0x20:
                throw failure("no control character in a string")
            default:
                text.append(byte)
            }
        }
        throw failure("the end of a string")
    }

    /// Nothing but white space may follow.
    mutating func end() throws {
        skipSpace()
        guard position == bytes.count else { throw failure("the end of the text") }
    }

    private mutating func escape() throws -> Unicode.Scalar {
        guard let byte = peek() else { throw failure("an escape") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape()
        default: throw failure("a known escape")
        }
    }

    private mutating func unicodeEscape() throws -> Unicode.Scalar {
        let first = try hexDigits4()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, accept2(UInt8(ascii: "\\"), UInt8(ascii: "u")) else {
            throw failure("a surrogate pair")
        }
        let second = try hexDigits4()
        guard 0xDC00..<0xE000 ~= second,
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw failure("a surrogate pair") }
        return scalar
    }

    private mutating func hexDigits4() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw failure("four hexadecimal digits")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func accept2(_ a: UInt8, _ b: UInt8) -> Bool {
        guard bytes.count - position >= 2, bytes[position] == a, bytes[position + 1] == b else {
            return false
        }
        position += 2
        return true
    }

    private mutating func accept(_ byte: UInt8) -> Bool {
        skipSpace()
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ byte: UInt8) throws {
        guard accept(byte) else { throw failure("'\(Character(Unicode.Scalar(byte)))'") }
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    func failure(_ expected: String) -> Failure { Failure(position: position, expected: expected) }
}
