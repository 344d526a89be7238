// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// The units for systemd, as far as systemd judges them without running them.
@Suite("systemd units")
struct UnitTests {
    private static let analyzer = "/usr/bin/systemd-analyze"
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "systemd")

    @Test(
        "systemd finds no fault with any of them",
        .enabled(if: FileManager.default.isExecutableFile(atPath: analyzer), "systemd is not installed"))
    func verified() throws {
        let place = try Workplace()
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".service") }
        #expect(!names.isEmpty)
        for name in names {
            // It looks for the program, which is not installed here.
            let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
            #expect(text.contains("=/usr/local/bin/tavisd "))
            try text.replacing("=/usr/local/bin/tavisd ", with: "=\(Workplace.program) ")
                .write(toFile: place.path(name), atomically: true, encoding: .utf8)
            let (code, faults) = try analyze("verify", "--man=no", place.path(name))
            #expect(code == 0 && faults.isEmpty, "\(name): \(faults)")
            // In tenths.
            let (exposure, table) = try analyze(
                "security", "--offline=true", "--threshold=25", place.path(name))
            #expect(exposure == 0, "\(name): \(table)")
        }
    }

    private func analyze(_ arguments: String...) throws -> (code: Int32, faults: String) {
        let process = Process(), faults = Pipe()
        process.executableURL = URL(fileURLWithPath: Self.analyzer)
        process.arguments = arguments
        process.standardOutput = FileHandle.nullDevice
        process.standardError = faults
        try process.run()
        let text = String(decoding: faults.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}
