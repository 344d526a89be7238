// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

/// Class names of one's own, told from the sound alone or also from the picture.
@Suite("tavisd segment --classes")
struct ClassFileTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    /// Enough names that one of them wins over the background with weights that mean nothing.
    private static let names = (1...12).map { "dog of breed \($0)" }

    /// CLIP's merges file, which is not part of the repository.
    private static let clipMerges = ProcessInfo.processInfo.environment["TAVIS_SHARED"].map {
        $0 + "/data/bpe_simple_vocab_16e6.txt.gz"
    }

    @Test("objects are named from the file", arguments: ["audio", "audio+image"])
    func named(evidence: String) throws {
        try writeBundle(merges: Self.madeMerges)
        try expectNamed(classes: Self.names, evidence)
    }

    @Test("background comes first wherever it stands")
    func background() throws {
        try writeBundle(merges: Self.madeMerges)
        try expectNamed(classes: Array(Self.names[..<5]) + ["background"] + Array(Self.names[5...]), "audio")
    }

    @Test("with the published merges, too", .enabled(if: clipMerges != nil, "TAVIS_SHARED is not set"))
    func publishedMerges() throws {
        try writeBundle(merges: try Data(contentsOf: URL(fileURLWithPath: try #require(Self.clipMerges))))
        try expectNamed(classes: Self.names, "audio+image")
    }

    @Test("what a name is told from changes its score")
    func evidence() throws {
        try writeBundle(merges: Self.madeMerges)
        try expectNamed(classes: Self.names, "audio")
        let heard = try events().map { $0.objects.map(\.score) }
        try expectNamed(classes: Self.names, "audio+image")
        #expect(try events().map { $0.objects.map(\.score) } != heard)
    }

    @Test(
        "a file that is no list of class names is refused by name",
        arguments: [
            ("", "holds no class names"), ("\n  \n# dog\n", "holds no class names"),
            ("background\n", "holds no class names"), ("dog\ncat\n dog \n", "has the class dog twice"),
            ("dog\nc\u{fffd}t", "is not UTF-8 text"),
            ((0...10_000).map { "\($0)\n" }.joined(), "holds 10001 class names, at most 10000"),
            (String(repeating: "long ", count: 50), "has a class name of 249 bytes, at most 200"),
            (String(repeating: "dog\n", count: 1 << 19), "is larger than 1 MiB"),
        ])
    func refused(text: String, reason: String) throws {
        // U+FFFD stands for a byte that no UTF-8 text has.
        var bytes = Data(text.utf8)
        while let range = bytes.range(of: Data("\u{fffd}".utf8)) {
            bytes.replaceSubrange(range, with: [0xff])
        }
        try bytes.write(to: URL(fileURLWithPath: place.path("classes.txt")))
        try expectRefused("classes.txt", reason)
    }

    @Test("neither a folder nor a file without end is read", arguments: [".", "/dev/zero", "nowhere.txt"])
    func unreadable(path: String) throws {
        try expectRefused(
            path, path == "/dev/zero" ? "is larger than 1 MiB" : "cannot be read as a text file")
    }

    @Test("a model without merges says that it needs them")
    func noMerges() throws {
        try writeBundle(merges: nil)
        try Data("dog\n".utf8).write(to: URL(fileURLWithPath: place.path("classes.txt")))
        let outcome = try place.segment(
            try place.clip(), "--model", "b", "--classes", "classes.txt", "--events", "e.jsonl")
        #expect(outcome.code == 65)
        #expect(outcome.errors.contains("import it with --merges"), "\(outcome.errors)")
    }

    // MARK: Helpers

    /// As many merges as CLIP's file has; two of them make "dog", the others nothing.
    private static let madeMerges = Data(
        ("#version\nd o\ndo g</w>\n" + String(repeating: "! !\n", count: BPETokenizer.clipMerges - 2)).utf8)

    private func writeBundle(merges: Data?) throws {
        var architecture = tinyTAViS
        architecture.imageBind.vocabulary = BPETokenizer.clipMerges + 514
        let info = BundleInfo(
            name: "tiny", architecture: architecture, classes: ["background", "thing"], licences: [],
            provenance: [])
        try FileManager.default.createDirectory(atPath: place.path("b"), withIntermediateDirectories: true)
        func file(_ name: String) -> URL { URL(fileURLWithPath: place.path("b/\(name)")) }
        try info.encoded().write(to: file(ModelBundle.infoName))
        try merges?.write(to: file(ModelBundle.mergesName))
        let shapes = try TAViS.parameterShapes(architecture)
        let writer = try SafetensorsWriter(
            path: file(ModelBundle.weightsName).path,
            entries: shapes.map { SafetensorsWriter.Entry($0.key, shape: $0.value) })
        for (key, shape) in shapes {
            try writer.append(SeededWeights.values(key: key, shape: shape), to: key)
        }
        try writer.finish()
    }

    private struct Event: Decodable {
        struct Object: Decodable {
            var `class`: String
            var classIndex: Int
            var score: Float
        }
        var objects: [Object]
    }

    private func events() throws -> [Event] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try String(contentsOfFile: place.path("e.jsonl"), encoding: .utf8).split(separator: "\n")
            .map { try decoder.decode(Event.self, from: Data($0.utf8)) }
    }

    private func expectNamed(classes: [String], _ evidence: String) throws {
        let text = "\u{feff}# mine\r\n" + classes.map { "  \($0)\t\r\n" }.joined()
        try Data(text.utf8).write(to: URL(fileURLWithPath: place.path("classes.txt")))
        let outcome = try place.segment(
            try place.clip(frames: 12), "--model", "b", "--classes", "classes.txt", "--class-scores",
            evidence,
            "--events", "e.jsonl", "--audio-hop", "0.1")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let objects = try events().flatMap(\.objects)
        #expect(!objects.isEmpty)
        for object in objects {
            #expect((1...Self.names.count).contains(object.classIndex))
            #expect(object.class == Self.names[object.classIndex - 1])
        }
    }

    private func expectRefused(_ classes: String, _ reason: String) throws {
        let outcome = try place.segment(try place.clip(), "--classes", classes, "--events", "e.jsonl")
        #expect(outcome.code == 64)
        #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("tavisd: \(classes): \(reason)"), "\(outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: place.path("e.jsonl")))
    }
}
