// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import TensorEngine

/// Where the checkpoint tests find their files, and small helpers to make more.
enum CheckpointFixtures {
    /// `Tests/Fixtures/checkpoints`, committed.
    static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/checkpoints").path

    /// The full set of golden files, where the environment names it.
    static let goldenFolder: String? = {
        let environment = ProcessInfo.processInfo.environment
        return environment["TAVIS_GOLDEN"] ?? environment["TAVIS_SHARED"].map { $0 + "/golden" }
    }()

    static func file(_ name: String) -> String { folder + "/files/" + name }

    /// Every file with a listing beside it, by listing name, from the fixtures and the golden folder.
    static func listed(_ local: String, _ golden: String, suffix: String) -> [String] {
        let folders = [folder + "/" + local] + (goldenFolder.map { [$0 + "/" + golden] } ?? [])
        return folders.flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
                .filter { $0.hasSuffix(suffix) }.sorted().map { folder + "/" + $0 }
        }
    }

    /// JSON as Python writes it: `NaN` and `Infinity` become strings first.
    static func json(_ path: String) throws -> Any {
        let text = try String(contentsOfFile: path, encoding: .utf8)
            .replacing(/([\s\[:,])(-?Infinity|NaN)\b/) { "\($0.output.1)\"\($0.output.2)\"" }
        return try JSONSerialization.jsonObject(with: Data(text.utf8))
    }

    static func number(_ value: Any?) -> Double {
        if let text = value as? String {
            return text == "NaN" ? .nan : text.hasPrefix("-") ? -.infinity : .infinity
        }
        return (value as? NSNumber)?.doubleValue ?? .nan
    }

    static func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }
}

/// A folder of its own for one test, removed afterwards.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/checkpoints-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], _ name: String = "file") throws -> String {
        let file = path + "/" + name
        try Data(bytes).write(to: URL(filePath: file))
        return file
    }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// The error that `body` throws, which must be a `CheckpointError`.
func checkpointError(_ body: () throws -> Void) -> CheckpointError? {
    do {
        try body()
        return nil
    } catch { return error as? CheckpointError }
}

extension MappedFile {
    /// The bytes in memory that ends at a page no one may touch: reading one byte too far stops the test.
    convenience init(guarding bytes: [UInt8], name: String = "memory") {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let length = (bytes.count + page - 1) / page * page + page
        let base = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
        let start = base + (length - page - bytes.count)
        bytes.withUnsafeBytes {
            start.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(start), byteCount: $0.count)
        }
        mprotect(base + (length - page), page, PROT_NONE)
        self.init(
            name: name, adopting: UnsafeRawBufferPointer(start: start, count: bytes.count),
            in: UnsafeRawBufferPointer(start: base, count: length))
    }
}
