// SPDX-License-Identifier: Apache-2.0

/// A safetensors file, mapped. The header is checked completely before any tensor is handed out.
///
/// Layout: header length (u64), header (JSON: name → dtype, shape, data_offsets), data. As in the reference
/// implementation the tensors must cover the data without gap or overlap, so nothing can hide in the file.
package struct SafetensorsFile: Sendable {
    package let file: MappedFile
    /// In header order.
    package let tensors: [CheckpointTensor]
    package let metadata: [String: String]

    package init(path: String) throws { try self.init(file: MappedFile(path: path)) }

    package init(file: MappedFile) throws {
        defer { withExtendedLifetime(file) {} }
        let header = try Self.header(of: file)
        var parser = HeaderParser()
        do {
            try parser.parse(UnsafeRawBufferPointer(rebasing: file.bytes[header]))
        } catch let failure as JSONScanner.Failure {
            throw CheckpointError(
                .corruptFile, path: file.path,
                "header, byte \(failure.position): expected \(failure.expected)")
        } catch var error as CheckpointError {
            error.path = file.path
            throw error
        }
        try Self.checkCoverage(parser.rows, dataCount: file.byteCount - header.upperBound, path: file.path)
        self.file = file
        metadata = parser.metadata
        tensors = try parser.rows.map { row in
            try CheckpointTensor(
                checkedKey: row.key, dtype: row.dtype, shape: row.shape,
                storage: CheckpointStorage(
                    file: file, byteOffset: header.upperBound + row.begin, byteCount: row.end - row.begin))
        }
    }

    private static func header(of file: MappedFile) throws -> Range<Int> {
        guard file.byteCount >= 8 else {
            throw CheckpointError(
                .corruptFile, path: file.path, "file has \(file.byteCount) bytes, a header length needs 8")
        }
        let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(CheckpointLimits.safetensorsHeaderBytes) else {
            throw CheckpointError(
                .limitExceeded, path: file.path,
                "header of \(length) bytes, at most \(CheckpointLimits.safetensorsHeaderBytes) are allowed")
        }
        guard Int(length) <= file.byteCount - 8 else {
            throw CheckpointError(
                .corruptFile, path: file.path, "header of \(length) bytes in a file of \(file.byteCount)")
        }
        return 8..<8 + Int(length)
    }

    /// Every byte of the data belongs to exactly one tensor, and each tensor has the bytes its shape needs.
    private static func checkCoverage(_ rows: [HeaderParser.Row], dataCount: Int, path: String) throws {
        func fail(_ key: String, _ detail: String) -> CheckpointError {
            CheckpointError(.corruptFile, path: path, key: key, detail)
        }
        for row in rows {
            guard row.begin <= row.end, row.end <= dataCount else {
                throw fail(
                    row.key, "data_offsets [\(row.begin), \(row.end)] outside the \(dataCount) bytes of data")
            }
            guard let count = CheckpointTensor.checkedElementCount(row.shape) else {
                throw fail(row.key, "shape \(row.shape.prefix(8)) is too large")
            }
            guard count * row.dtype.byteCount == row.end - row.begin else {
                throw fail(
                    row.key,
                    "shape \(row.shape) of \(row.dtype.rawValue) needs \(count * row.dtype.byteCount) bytes, data_offsets give \(row.end - row.begin)"
                )
            }
        }
        var covered = 0
        for row in rows.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            guard row.begin == covered else {
                let relation =
                    row.begin < covered ? "overlaps the tensor before it" : "leaves a gap before it"
                throw fail(
                    row.key, "data_offsets [\(row.begin), \(row.end)]: \(relation), expected \(covered)")
            }
            covered = row.end
        }
        guard covered == dataCount else {
            throw fail("", "\(dataCount) bytes of data, tensors cover \(covered)")
        }
    }
}

/// The header's fixed form: names with three fields each, and one optional map of strings.
private struct HeaderParser {
    struct Row {
        var key: String
        var dtype: ElementType
        var shape: [Int]
        var begin: Int
        var end: Int
    }

    var rows: [Row] = []
    var metadata: [String: String] = [:]

    mutating func parse(_ bytes: UnsafeRawBufferPointer) throws {
        var scanner = JSONScanner(bytes)
        var seen: Set<String> = []
        try scanner.object { scanner, key in
            guard key.utf8.count <= CheckpointLimits.keyBytes else {
                throw CheckpointError(.limitExceeded, key: key, "name of \(key.utf8.count) bytes")
            }
            guard seen.insert(key).inserted else {
                throw CheckpointError(.duplicateTensor, key: key, "appears twice in the header")
            }
            if key == "__metadata__" {
                try parseMetadata(&scanner)
            } else {
                rows.append(try parseRow(&scanner, key))
            }
        }
        try scanner.end()
    }

    private mutating func parseMetadata(_ scanner: inout JSONScanner) throws {
        try scanner.object { scanner, name in
            guard metadata.updateValue(try scanner.string(), forKey: name) == nil else {
                throw CheckpointError(.corruptFile, key: "__metadata__", "\"\(name)\" appears twice")
            }
        }
    }

    private func parseRow(_ scanner: inout JSONScanner, _ key: String) throws -> Row {
        var dtype: ElementType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.object { scanner, field in
            switch field {
            case "dtype" where dtype == nil:
                let name = try scanner.string()
                dtype = ElementType(safetensorsName: name)
                if dtype == nil {
                    throw CheckpointError(.unsupportedType, key: key, "unknown dtype \"\(name)\"")
                }
            case "shape" where shape == nil: shape = try scanner.integers(limit: CheckpointLimits.rank)
            case "data_offsets" where offsets == nil: offsets = try scanner.integers(limit: 2)
            default:
                throw CheckpointError(.corruptFile, key: key, "unexpected or repeated field \"\(field)\"")
            }
        }
        guard let dtype, let shape, let offsets, offsets.count == 2 else {
            throw CheckpointError(.corruptFile, key: key, "dtype, shape and two data_offsets are needed")
        }
        return Row(key: key, dtype: dtype, shape: shape, begin: offsets[0], end: offsets[1])
    }
}
