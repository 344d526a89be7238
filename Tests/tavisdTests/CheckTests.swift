// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

@Suite("tavisd check")
struct CheckTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    private struct Report: Decodable {
        struct Item: Decodable {
            let name, status, value: String
            let mend: String?
        }
        let ok: Bool
        let items: [Item]
        let numbers: [String: Double]

        func item(_ name: String) -> Item? { items.first { $0.name == name } }
    }

    private func check(_ arguments: String...) throws -> (code: Int32, report: Report) {
        let outcome = try place.start(["check", "--json"] + arguments).wait()
        return (outcome.code, try JSONDecoder().decode(Report.self, from: Data(outcome.out.utf8)))
    }

    @Test("the machine that runs the tests passes, with measured speeds and a frame")
    func passes() throws {
        let (code, report) = try check()
        #expect(code == 0 && report.ok)
        for name in ["cpu", "cpu.cores", "cpu.kernels", "matrix", "gstreamer", "model", "inference"] {
            #expect(report.item(name)?.status == "ok", "\(name)")
        }
        #expect(report.numbers["matrix.float32.single"] ?? 0 > 0.1)
        #expect(report.numbers["matrix.float32.all"] ?? 0 > 0.1)
        #expect(report.numbers["frame_seconds"] ?? 0 > 0)
        #expect(report.item("gstreamer.appsink")?.status == "ok")
        for item in report.items where item.status != "ok" {
            #expect(item.mend?.isEmpty == false, "\(item.name)")
        }
    }

    @Test("a bundle that is not one fails and says what to do")
    func broken() throws {
        try FileManager.default.createDirectory(atPath: place.path("b"), withIntermediateDirectories: true)
        let (code, report) = try check("--model", "b")
        #expect(code == 1 && !report.ok)
        #expect(report.item("model")?.status == "failed")
        #expect(report.item("model")?.mend?.contains("tavisd import") == true)
    }
}
