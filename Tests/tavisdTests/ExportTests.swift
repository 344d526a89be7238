// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

@Suite("tavisd export")
struct ExportTests {
    private let work: Workplace
    private let checkpoint: String

    init() throws {
        work = try Workplace()
        checkpoint = try SmallTraining(work).bundle()
    }

    private func bundle(_ path: String) throws -> ModelBundle {
        try ModelBundle.load(directory: URL(fileURLWithPath: work.path(path)))
    }

    @Test("a checkpoint becomes a smaller bundle that says what it is and works the same")
    func halves() throws {
        let outcome = try work.run(
            "export", checkpoint, "--output", "small", "--precision", "float16", "--name", "mine", "--score",
            "M_J 1", "--provenance", "made here", "--licence", "free")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let files = try FileManager.default.contentsOfDirectory(atPath: work.path("small")).sorted()
        #expect(files == ["model.json", "model.safetensors"])
        let (before, after) = (try bundle(checkpoint), try bundle("small"))
        #expect(after.info.name == "mine" && after.info.scores == ["M_J 1"])
        #expect(after.info.provenance == before.info.provenance + ["made here"])
        #expect(after.info.licences == ["free"] && after.info.architecture == before.info.architecture)
        func teachers(_ path: String) throws -> Int {
            try Checkpoint.open(work.path(path)).tensors.count { $0.key.hasPrefix("teacher.") }
        }
        #expect(try teachers(checkpoint) == 4 && teachers("small") == 0)
        let (size, half) = (try size(checkpoint), try size("small"))
        #expect(Double(half) < 0.55 * Double(size))
        let a = try #require(before.labelBank).embeddings, b = try #require(after.labelBank).embeddings
        let largest = a.values.map(abs).max() ?? 0
        #expect(zip(a.values, b.values).allSatisfy { abs($0 - $1) <= largest * 0x1p-10 })
        #expect(a.values != b.values)
    }

    @Test("float32 keeps every bit; what is there already stays; a folder that is no bundle is named")
    func exact() throws {
        #expect(try work.run("export", checkpoint, "--output", "same").code == 0)
        #expect(
            try bundle("same").labelBank?.embeddings.values == bundle(checkpoint).labelBank?.embeddings.values
        )
        let again = try work.run("export", checkpoint, "--output", "same")
        #expect(again.code == 73 && again.errors.contains("same"))
        #expect(try work.run("export", checkpoint, "--output", "same", "--force").code == 0)
        let absent = try work.run("export", "absent", "--output", "other")
        #expect(absent.code == 65 && absent.errors.contains("absent"))
    }

    private func size(_ folder: String) throws -> Int {
        let path = work.path("\(folder)/model.safetensors")
        return try #require(FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    }

    @Test("the built-in model is small and has names for what it knows")
    func embedded() throws {
        let bundle = try ModelBundle.embedded()
        #expect(bundle.info.classes.first == "background" && bundle.info.classes.count == 13)
        #expect(!bundle.info.seeded && bundle.labelBank?.names == bundle.info.classes)
        #expect(try bundle.labelBank(names: ["kettle"]).names == ["background", "kettle"])
    }
}
