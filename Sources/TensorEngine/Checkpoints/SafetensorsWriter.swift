// SPDX-License-Identifier: Apache-2.0

/// Writes a safetensors file whose shapes are known beforehand, tensor by tensor, in any order and in pieces.
///
/// The file appears under its name only with `finish()`; dropped before that, it leaves nothing behind.
/// The data starts at a multiple of 64 bytes and tensors are laid out by falling alignment of their size, so every
/// tensor whose size is a multiple of 64 bytes can be used in place by vector code.
package final class SafetensorsWriter {
    package struct Entry: Sendable {
        package var key: String
        package var dtype: ElementType
        package var shape: [Int]

        package init(_ key: String, _ dtype: ElementType = .float32, shape: [Int]) {
            self.key = key
            self.dtype = dtype
            self.shape = shape
        }
    }

    private struct Slot {
        var entry: Entry
        var begin: Int
        var end: Int
        var written = 0
    }

    private static let alignment = 64

    private let file: AtomicFile
    private let dataStart: Int
    private var slots: [String: Slot]

    package init(path: String, entries: [Entry], metadata: [String: String] = [:]) throws {
        let layout = try Self.layout(entries, path: path)
        let header = Self.header(layout, metadata)
        slots = Dictionary(uniqueKeysWithValues: layout.map { ($0.entry.key, $0) })
        dataStart = header.count
        file = try AtomicFile(path: path)
        try header.withUnsafeBytes { try file.write($0, at: 0) }
    }

    /// Appends the next elements of a float32 tensor.
    package func append(_ values: UnsafeBufferPointer<Float>, to key: String) throws {
        precondition(slots[key]?.entry.dtype == .float32, "\(key): not declared as float32")
        try append(bytes: UnsafeRawBufferPointer(values), to: key)
    }

    package func append(_ values: [Float], to key: String) throws {
        try values.withUnsafeBufferPointer { try append($0, to: key) }
    }

    /// Appends the next bytes (little-endian elements) of any tensor.
    package func append(bytes: UnsafeRawBufferPointer, to key: String) throws {
        guard var slot = slots[key] else { preconditionFailure("\(key): not declared") }
        precondition(bytes.count <= slot.end - slot.begin - slot.written, "\(key): more than its shape holds")
        try file.write(bytes, at: dataStart + slot.begin + slot.written)
        slot.written += bytes.count
        slots[key] = slot
    }

    /// Makes the file durable under its name. Every declared tensor must be complete.
    package func finish() throws {
        for slot in slots.values {
            precondition(slot.written == slot.end - slot.begin, "\(slot.entry.key): incomplete")
        }
        try file.commit()
    }

    /// Writes small float32 tensors in one go.
    package static func write(
        path: String, tensors: [(key: String, shape: [Int], values: [Float])],
        metadata: [String: String] = [:]
    ) throws {
        let writer = try SafetensorsWriter(
            path: path, entries: tensors.map { Entry($0.key, shape: $0.shape) }, metadata: metadata)
        for tensor in tensors { try writer.append(tensor.values, to: tensor.key) }
        try writer.finish()
    }

    private static func layout(_ entries: [Entry], path: String) throws -> [Slot] {
        var seen: Set<String> = []
        let sized = try entries.enumerated().map { position, entry in
            guard entry.key != "__metadata__", seen.insert(entry.key).inserted else {
                throw CheckpointError(.duplicateTensor, path: path, key: entry.key, "cannot be written twice")
            }
            guard let count = CheckpointTensor.checkedElementCount(entry.shape) else {
                throw CheckpointError(
                    .limitExceeded, path: path, key: entry.key, "shape \(entry.shape) is too large")
            }
            return (position: position, entry: entry, byteCount: count * entry.dtype.byteCount)
        }
        func rank(_ byteCount: Int) -> Int {
            min(byteCount.trailingZeroBitCount, Self.alignment.trailingZeroBitCount)
        }
        let ordered = sized.sorted { a, b in
            (rank(b.byteCount), a.position) < (rank(a.byteCount), b.position)
        }
        var offset = 0
        return ordered.map { row in
            defer { offset += row.byteCount }
            return Slot(entry: row.entry, begin: offset, end: offset + row.byteCount)
        }
    }

    /// Header length and header, padded with spaces to the alignment.
    private static func header(_ slots: [Slot], _ metadata: [String: String]) -> [UInt8] {
        var members: [String] = []
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
        }
        members += slots.map { slot in
            let shape = slot.entry.shape.map(String.init).joined(separator: ",")
            return
                "\(quoted(slot.entry.key)):{\"dtype\":\"\(slot.entry.dtype.safetensorsName)\",\"shape\":[\(shape)],\"data_offsets\":[\(slot.begin),\(slot.end)]}"
        }
        var json = Array("{\(members.joined(separator: ","))}".utf8)
        let unaligned = (8 + json.count) % alignment
        if unaligned != 0 { json.append(contentsOf: repeatElement(0x20, count: alignment - unaligned)) }
        return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json
    }

    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{00}"..<" ":
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
