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

    @Test("several bundles become their mean, which has no scores yet; another architecture is refused")
    func mean() throws {
        #expect(try work.run("export", checkpoint, "--output", "half", "--precision", "float16").code == 0)
        let outcome = try work.run("export", checkpoint, "half", "--output", "mean", "--score", "mine")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let key = "image_encoder.neck.convs.0.conv.weight"
        func weights(_ path: String) throws -> [Float] {
            try Checkpoint.open(work.path(path)).tensor(key).readFloats()
        }
        let (whole, half) = (try weights(checkpoint), try weights("half"))
        #expect(try weights("mean") == zip(whole, half).map { ($0 + $1) / 2 } && whole != half)
        let info = try bundle("mean").info
        #expect(
            info.scores == ["mine"] && info.provenance.contains { $0.hasPrefix("the mean of the weights of") }
        )

        let description = URL(fileURLWithPath: work.path("half/model.json"))
        let text = try String(contentsOf: description, encoding: .utf8)
        for (old, new, reason) in [
            ("\"maxObjectPointers\" : 16", "\"maxObjectPointers\" : 8", "another architecture"),
            ("\"background\"", "\"backdrop\"", "other classes"),
        ] {
            #expect(text.contains(old))
            try text.replacing(old, with: new).write(to: description, atomically: true, encoding: .utf8)
            let other = try work.run("export", checkpoint, "half", "--output", "no")
            #expect(other.code == 65 && other.errors.contains(reason), "\(other.errors)")
        }
        let bytes = try work.run("export", checkpoint, "half", "--output", "no", "--precision", "int8")
        #expect(bytes.code == 64 && bytes.errors.contains("one bundle"))
        #expect(!work.contents.contains("no"))
    }

    @Test("int8 turns layers into bytes that find the same, tells which, and serves inference only")
    func bytes() throws {
        let outcome = try work.run("export", checkpoint, "--output", "bytes", "--precision", "int8")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let found = try bundle("bytes"), before = try bundle(checkpoint)
        let quantization = try #require(found.info.quantization)
        #expect(quantization.byteLayers > 50 && quantization.calibration.count == 1)
        #expect(try #require(quantization.worst).cosine >= quantization.leastCosine)
        #expect(outcome.out.contains("\(quantization.byteLayers) linear layers as bytes"))
        let tensors = try Checkpoint.open(work.path("bytes")).tensors
        #expect(tensors.count { $0.dtype == .int8 } == quantization.byteLayers)

        let side = before.info.imageSize
        let image = Tensor(
            SeededWeights.input("image", shape: [1, side, side, 3], scale: 1), shape: [1, side, side, 3])
        let mel = Tensor(SeededWeights.input("mel", shape: [1, 128, 204], scale: 1), shape: [1, 128, 204])
        let logits = [before, found].map { bundle in
            let prompts = bundle.model.audioPrompts(mel: mel)
            let dense = Tensor([1, before.info.architecture.sam2.hiddenDim])
            return bundle.model.segment(image: image, prompts: prompts, dense: dense).logits.values
        }
        let difference = zip(logits[0], logits[1]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        let spread = logits[0].reduce(0) { $0 + $1 * $1 }
        #expect(difference > 0 && difference < 0.01 * spread, "\(difference) of \(spread)")

        let compared = try work.run(
            "eval", "--synthetic", "easy", "--clips", "1", "--model", "bytes", "--compare", checkpoint)
        let worst = try #require(quantization.worst)
        #expect(
            compared.out.contains("\(quantization.byteLayers) layers in bytes, the worst with cosine 0.9"),
            "\(compared.errors)")
        #expect(compared.out.contains(worst.key))
        let again = try work.run("export", "bytes", "--output", "floats")
        #expect(again.code == 65 && again.errors.contains("bytes already"))
        let clip = try work.clip()
        #expect(try work.run("segment", clip, "--model", "bytes", "--output", "out.mp4").code == 0)
    }

    @Test("layers that lose more than allowed stay floats and are listed")
    func strict() throws {
        let outcome = try work.run(
            "export", checkpoint, "--output", "strict", "--precision", "int8", "--least-cosine", "1")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let quantization = try #require(try bundle("strict").info.quantization)
        #expect(quantization.byteLayers < 5 && quantization.floatLayers.count > 50)
        #expect(quantization.floatLayers.allSatisfy { $0.cosine < 1 })
    }

    @Test("clips of one's own calibrate; options that belong to int8 alone are refused elsewhere")
    func calibration() throws {
        let clip = try work.clip(frames: 4)
        let outcome = try work.run(
            "export", checkpoint, "--output", "own", "--precision", "int8", "--calibration", clip)
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try bundle("own").info.quantization?.calibration == ["clip.mp4"])
        let absent = try work.run(
            "export", checkpoint, "--output", "no", "--precision", "int8", "--calibration", "absent.mp4")
        #expect(absent.code != 0 && absent.errors.contains("absent.mp4"))
        #expect(try work.run("export", checkpoint, "--output", "no", "--calibration", clip).code == 64)
        #expect(!work.contents.contains("no"))
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
