// SPDX-License-Identifier: Apache-2.0
import Foundation
import Models
import TensorEngine
import Testing

/// A complete TAViS at dimensions for tests: 1.3 million parameters.
let tinyTAViS: TAViSConfig = {
    var sam2 = SAM2Config(
        version: .v2_0,
        trunk: HieraConfig(
            embedDim: 16, heads: 1, stages: [1, 2, 3, 1], globalAttentionBlocks: [4], windows: [8, 4, 14, 7]),
        imageSize: 224)
    sam2.hiddenDim = 64
    sam2.memoryDim = 16
    sam2.memoryAttentionLayers = 1
    sam2.memoryAttentionHidden = 96
    sam2.decoderHidden = 96
    var imageBind = ImageBindConfig(
        vision: TowerConfig(dim: 32, blocks: 2, heads: 2), audio: TowerConfig(dim: 32, blocks: 2, heads: 2),
        text: TowerConfig(dim: 32, blocks: 2, heads: 2), embeddingDim: 16)
    imageBind.vocabulary = 64
    return TAViSConfig(sam2: sam2, imageBind: imageBind)
}()

/// The program's import, on small checkpoints with name-seeded tensors.
@Suite("tavisd import")
struct ImportTests {
    private let place: Workplace
    private let shapes: [String: [Int]]

    init() throws {
        place = try Workplace()
        shapes = try TAViS.parameterShapes(tinyTAViS)
        try JSONEncoder().encode(tinyTAViS).write(to: URL(fileURLWithPath: place.path("tiny.json")))
    }

    /// Keys that a published file has beside those that are read.
    private static let extras = [
        "CEloss.weight": [71], "no_mask_embed.weight": [1, 64],
        "imagebind.modality_trunks.depth.blocks.0.norm_1.weight": [8],
        "imagebind.modality_preprocessors.text.mask": [77, 77],
        "image_encoder.prompt_generator.lightweight_mlp_48.0.bias": [512],
    ]

    @discardableResult
    private func write(_ name: String, _ shapes: [String: [Int]], seed: String = "") throws -> String {
        let writer = try SafetensorsWriter(
            path: place.path(name), entries: shapes.map { SafetensorsWriter.Entry($0.key, shape: $0.value) })
        for (key, shape) in shapes {
            try writer.append(SeededWeights.values(key: seed + key, shape: shape), to: key)
        }
        try writer.finish()
        return name
    }

    private func importing(_ files: String..., and more: [String] = []) throws -> Workplace.Outcome {
        try place.start(["import"] + files + ["--output", "bundle", "--architecture", "tiny.json"] + more)
            .wait()
    }

    /// Compares every element of every tensor. `seed`: prefix that the values of a key were made with.
    private func expectBundle(seed: (String) -> String = { _ in "" }) throws {
        let bundle = try Checkpoint.open(place.path("bundle"))
        #expect(Set(bundle.tensors.map(\.key)) == Set(shapes.keys))
        for tensor in bundle.tensors {
            #expect(tensor.dtype == .float32 && tensor.shape == shapes[tensor.key], "\(tensor.key)")
            let expected = SeededWeights.values(key: seed(tensor.key), shape: tensor.shape)
            #expect(try tensor.readFloats() == expected, "\(tensor.key)")
        }
    }

    /// SAM 2, ImageBind with keys of its own, and the additions.
    private func writeParts() throws {
        let sam2 = shapes.filter { key, _ in
            !key.hasPrefix("imagebind.")
                && ["image_encoder.trunk", "image_encoder.neck", "sam_", "memory_", "mask", "no_", "obj_ptr"]
                    .contains { key.hasPrefix($0) }
        }
        try write("sam2.safetensors", sam2, seed: "base.")
        var imageBind: [String: [Int]] = [:]
        for (key, shape) in shapes where key.hasPrefix("imagebind.") {
            imageBind[String(key.dropFirst(10))] = shape
        }
        imageBind["modality_trunks.imu.blocks.0.norm_1.weight"] = [4]
        try write("imagebind.safetensors", imageBind, seed: "base.")
        // The mask decoder was trained too: it is in both files.
        let additions = shapes.filter { key, _ in
            !key.hasPrefix("imagebind.") && (sam2[key] == nil || key.hasPrefix("sam_mask_decoder."))
        }
        try write("additions.safetensors", additions, seed: "new.")
    }

    // MARK: What works

    @Test("a whole TAViS becomes a bundle with the same tensors, without the unused ones")
    func whole() throws {
        try write("whole.safetensors", shapes.merging(Self.extras) { a, _ in a })
        let outcome = try importing("whole.safetensors", and: ["--name", "small"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.out.contains("2 tensors of ImageBind's other modalities, 3 that nothing reads"))
        #expect(outcome.out.contains("CC BY-NC 4.0, non-commercial use only"))
        try expectBundle { $0 }
        let bundle = try ModelBundle.load(directory: URL(fileURLWithPath: place.path("bundle")))
        #expect(bundle.info.name == "small" && bundle.info.architecture == tinyTAViS)
        #expect(bundle.info.classes.count == 71 && bundle.info.licences.count == 3)
        #expect(bundle.info.provenance.first?.hasPrefix("whole.safetensors (TAViS, whole), ") == true)
        #expect(place.contents == ["bundle", "tiny.json", "whole.safetensors"])
    }

    @Test(
        "SAM 2, ImageBind and the additions are told apart in any order; the additions win",
        arguments: [["sam2", "imagebind", "additions"], ["additions", "sam2", "imagebind"]])
    func parts(order: [String]) throws {
        try writeParts()
        let files = order.map { $0 + ".safetensors" }
        let outcome = try importing(files[0], files[1], files[2])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let additions = Set(try Checkpoint.open(place.path("additions.safetensors")).tensors.map(\.key))
        try expectBundle { key in
            if additions.contains(key) { return "new." + key }
            return "base." + (key.hasPrefix("imagebind.") ? String(key.dropFirst(10)) : key)
        }
    }

    @Test("the published dimensions are told from the shapes alone")
    func detection() throws {
        let published = try TAViS.parameterShapes(.large)
        #expect(try TAViSConfig.detect(published, imageSize: 224) == .large)
        let error = #expect(throws: BundleError.self) { try TAViSConfig.detect(shapes, imageSize: 224) }
        #expect(error?.detail.contains("--architecture") == true)
    }

    @Test("class names come from a file, with background first")
    func classes() throws {
        try write("whole.safetensors", shapes)
        try Data("dog\n# a remark\nbackground\ntrain\n".utf8)
            .write(to: URL(fileURLWithPath: place.path("classes.txt")))
        let outcome = try importing("whole.safetensors", and: ["--classes", "classes.txt"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let info = try ModelBundle.readInfo(URL(fileURLWithPath: place.path("bundle")))
        #expect(info.classes == ["background", "dog", "train"])
    }

    static let merges = ProcessInfo.processInfo.environment["TAVIS_SHARED"].map {
        $0 + "/data/bpe_simple_vocab_16e6.txt.gz"
    }

    @Test("with the merges the bundle has its label embeddings", .enabled(if: merges != nil))
    func labels() throws {
        var config = tinyTAViS
        config.imageBind.vocabulary = 49_408
        try JSONEncoder().encode(config).write(to: URL(fileURLWithPath: place.path("tiny.json")))
        try write("whole.safetensors", try TAViS.parameterShapes(config))
        let merges = try #require(Self.merges)
        let outcome = try importing("whole.safetensors", and: ["--merges", merges])
        #expect(outcome.code == 0, "\(outcome.errors)")
        let bundle = try ModelBundle.load(directory: URL(fileURLWithPath: place.path("bundle")))
        let stored = try #require(bundle.labelBank)
        let computed = try bundle.labelBank(names: avsBenchClasses)
        #expect(stored.embeddings.shape == [71, 16])
        #expect(stored.embeddings.values == computed.embeddings.values)
    }

    // MARK: What is refused

    @Test("an import to bytes leaves one bundle, of bytes")
    func bytes() throws {
        try write("whole.safetensors", shapes)
        // Its label embeddings need merges; without them nothing can be measured.
        let outcome = try importing("whole.safetensors", and: ["--precision", "int8"])
        #expect(outcome.code == 65 && outcome.errors.contains("label embeddings"), "\(outcome.errors)")
        #expect(!place.contents.contains { $0.hasPrefix("bundle") })
        let halves = try importing("whole.safetensors", and: ["--precision", "float16"])
        #expect(halves.code == 0, "\(halves.errors)")
        #expect(try Checkpoint.open(place.path("bundle")).tensors.allSatisfy { $0.dtype == .float16 })
        #expect(place.contents.count { $0.hasPrefix("bundle") } == 1)
    }

    private func expectRefusal(
        _ outcome: Workplace.Outcome, code: Int32 = 65, _ words: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: sourceLocation)
        for word in words {
            #expect(outcome.errors.contains(word), "\(outcome.errors)", sourceLocation: sourceLocation)
        }
        #expect(
            !place.contents.contains { $0.hasPrefix("bundle") }, "\(place.contents)",
            sourceLocation: sourceLocation)
    }

    @Test("missing, misshapen and strange keys are all named, and nothing is written")
    func report() throws {
        var wrong = shapes
        wrong["down.bias"] = nil
        wrong["imagebind.modality_heads.audio.2.weight"] = nil
        wrong["mlp.bias"] = [7]
        wrong["stranger.weight"] = [3]
        try write("whole.safetensors", wrong)
        expectRefusal(
            try importing("whole.safetensors"), "missing: down.bias\n",
            "missing: imagebind.modality_heads.audio.2.weight\n", "mlp.bias: expected [64], file has [7]",
            "unused: stranger.weight\n", "nothing written")
    }

    @Test("a base alone says which files are still needed")
    func incomplete() throws {
        try writeParts()
        expectRefusal(try importing("sam2.safetensors"), "also needed: ImageBind file, TAViS, additions file")
        expectRefusal(
            try importing("sam2.safetensors", "sam2.safetensors"), "is another SAM 2 file beside")
    }

    @Test("files that are no checkpoint of these models are named")
    func strangers() throws {
        try write("other.safetensors", ["a.weight": [2, 2]])
        expectRefusal(try importing("other.safetensors"), "other.safetensors", "not those of SAM 2")
        try Data("hello".utf8).write(to: URL(fileURLWithPath: place.path("text.pt")))
        expectRefusal(try importing("text.pt"), "text.pt: neither safetensors nor a PyTorch file")
        expectRefusal(try importing("absent.pt"), "absent.pt: No such file")
    }

    @Test("a truncated checkpoint is refused before anything is written")
    func truncated() throws {
        try write("whole.safetensors", shapes)
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: place.path("whole.safetensors")))
        try file.truncate(atOffset: try file.seekToEnd() - 4)
        try file.close()
        expectRefusal(try importing("whole.safetensors"), "whole.safetensors")
    }

    @Test("merges that are none, or of another vocabulary, are refused")
    func wrongMerges() throws {
        try write("whole.safetensors", shapes)
        try Data("#version\na b\n".utf8).write(to: URL(fileURLWithPath: place.path("merges.txt")))
        expectRefusal(
            try importing("whole.safetensors", and: ["--merges", "merges.txt"]), "merges.txt")
        if let merges = Self.merges {
            expectRefusal(
                try importing("whole.safetensors", and: ["--merges", merges]), "49408 token ids")
        }
    }

    @Test("a bundle is replaced only when asked for, another folder never")
    func existing() throws {
        try write("whole.safetensors", shapes)
        #expect(try importing("whole.safetensors").code == 0)
        let again = try importing("whole.safetensors")
        #expect(again.code != 0 && again.errors.contains("--force"))
        try write("whole.safetensors", shapes, seed: "second.")
        #expect(try importing("whole.safetensors", and: ["--force"]).code == 0)
        try expectBundle { "second." + $0 }
        try FileManager.default.createDirectory(atPath: place.path("mine"), withIntermediateDirectories: true)
        try Data("x".utf8).write(to: URL(fileURLWithPath: place.path("mine/notes.txt")))
        let outcome = try place.run(
            "import", "whole.safetensors", "--output", "mine", "--architecture", "tiny.json", "--force")
        #expect(outcome.code != 0 && outcome.errors.contains("not a bundle"), "\(outcome.errors)")
        #expect(try String(contentsOfFile: place.path("mine/notes.txt"), encoding: .utf8) == "x")
    }

    @Test("an output that cannot be made is an error", arguments: ["absent/bundle", "tiny.json/bundle"])
    func unwritable(output: String) throws {
        try write("whole.safetensors", shapes)
        let outcome = try place.run(
            "import", "whole.safetensors", "--output", output, "--architecture", "tiny.json")
        #expect(outcome.code == 73 && outcome.errors.contains(output), "\(outcome.errors)")
    }
}
