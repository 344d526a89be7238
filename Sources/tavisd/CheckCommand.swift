// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CKernels
import Foundation
import Media
import Models
import TensorEngine

/// Whether this machine has what the program needs, and how fast it is.
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Looks over CPU, libraries, GStreamer and the model.",
        discussion: "Ends with exit code 1 where something necessary is missing, and says how to mend it.")

    @Option(
        help: ArgumentHelp(
            "Folder of a model bundle; without it the small built-in model.", valueName: "folder"))
    var model: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        var report = CheckReport()
        Processor.check(&report)
        MatrixProduct.check(&report)
        Self.checkElements(&report)
        checkModel(&report)
        print(json ? try report.json() : report.text)
        if !report.ok { throw ExitCode(1) }
    }

    // MARK: GStreamer

    /// Without these not even an mp4 file can be read and written.
    private static let necessary: Set = [
        "filesrc", "appsrc", "appsink", "uridecodebin", "videoconvert", "audioconvert", "audioresample",
        "qtdemux",
        "avdec_h264", "avdec_aac", "x264enc", "mp4mux",
    ]

    private static func checkElements(_ report: inout CheckReport) {
        do {
            let entries = try ElementCatalog.check()
            report.add(
                "gstreamer", .ok,
                "\(GStreamer.version), \(entries.count(where: \.isPresent)) of \(entries.count) elements")
            for entry in entries {
                report.add(
                    "gstreamer.\(entry.element)",
                    entry.isPresent ? .ok : necessary.contains(entry.element) ? .failed : .missing,
                    entry.purpose,
                    mend: entry.isPresent ? nil : "apt install \(entry.debianPackage)")
            }
        } catch {
            report.add("gstreamer", .failed, "\(error)", mend: "apt install gstreamer1.0-plugins-base")
        }
    }

    // MARK: Model

    private func checkModel(_ report: inout CheckReport) {
        let clock = ContinuousClock()
        let bundle: ModelBundle
        let start = clock.now
        do {
            bundle =
                try model.map { try ModelBundle.load(directory: URL(fileURLWithPath: $0)) }
                ?? ModelBundle.embedded()
        } catch {
            report.add("model", .failed, "\(error)", mend: "make the bundle again with tavisd import")
            return
        }
        let seconds = (clock.now - start).seconds
        let info = bundle.info
        report.add(
            "model", .ok,
            "\(info.name), \(info.imageSize) pixels, \(info.classes.count) classes, loaded in \(decimals(seconds, 2)) s"
                + (info.seeded ? "; its weights are made up from their names" : ""))
        for licence in info.licences { report.add("model.licence", .ok, licence) }
        if bundle.labelBank == nil {
            report.add(
                "model.labels", .missing, "no label embeddings: classes cannot be named",
                mend: "import it again with --merges")
        }
        checkFrame(bundle, &report)
    }

    /// One frame of noise and one window of it, through the whole model.
    private func checkFrame(_ bundle: ModelBundle, _ report: inout CheckReport) {
        let model = bundle.model, side = bundle.info.imageSize, config = model.config.imageBind
        let mel = noise("mel", [1, config.melBins, config.melFrames])
        let image = noise("image", [1, side, side, 3])
        let small = noise("small", [1, model.config.imageBindSide, model.config.imageBindSide, 3])
        func frame() -> Tensor {
            let prompts = model.audioPrompts(mel: mel)
            return model.segment(image: image, prompts: prompts, dense: model.densePrompt(image: small))
                .logits
        }
        _ = frame()
        let clock = ContinuousClock(), start = clock.now
        let logits = frame()
        let seconds = (clock.now - start).seconds
        guard logits.withValues({ $0.allSatisfy(\.isFinite) }) else {
            report.add(
                "inference", .failed, "one frame gives numbers that are not finite",
                mend:
                    "compare with TAVIS_MATMUL=openblas in the environment; if that helps not, import the weights again"
            )
            return
        }
        report.add("inference", .ok, "one frame with its sound in \(decimals(seconds * 1000, 1)) ms")
        report.numbers["frame_seconds"] = seconds
    }

    private func noise(_ name: String, _ shape: [Int]) -> Tensor {
        Tensor(SeededWeights.input(name, shape: shape, scale: 1), shape: shape)
    }
}

/// What was looked at, in order.
struct CheckReport: Encodable {
    enum Status: String, Encodable {
        case ok
        /// Not here, and not necessary.
        case missing
        case failed
    }

    struct Item: Encodable {
        let name: String
        let status: Status
        let value: String
        let mend: String?
    }

    private(set) var ok = true
    private(set) var items: [Item] = []
    /// Measurements, by name with unit.
    var numbers: [String: Double] = [:]

    mutating func add(_ name: String, _ status: Status, _ value: String, mend: String? = nil) {
        items.append(Item(name: name, status: status, value: value, mend: mend))
        ok = ok && status != .failed
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    var text: String {
        let width = items.map(\.name.count).max() ?? 0
        let lines = items.map { item in
            let name = item.name.padding(toLength: width, withPad: " ", startingAt: 0)
            let status = item.status.rawValue.padding(toLength: 7, withPad: " ", startingAt: 0)
            return "\(status)  \(name)  \(item.value)" + (item.mend.map { "; mend: \($0)" } ?? "")
        }
        return (lines + [ok ? "all that is necessary is here" : "something necessary is missing"])
            .joined(separator: "\n")
    }
}

/// The CPU's name and what of it the kernels use.
private enum Processor {
    static func check(_ report: inout CheckReport) {
        report.add("cpu", .ok, name)
        let cores = ProcessInfo.processInfo.activeProcessorCount
        report.add("cpu.cores", .ok, "\(cores), \(ThreadPool.shared.threads) threads in use")
        report.numbers["cores"] = Double(cores)
        let level =
            switch tavis_isa_current() {
            case TAVIS_ISA_AVX512: "AVX-512"
            case TAVIS_ISA_AVX2: "AVX2 and FMA"
            default: "baseline"
            }
        report.add("cpu.kernels", .ok, level)
    }

    private static var name: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unnamed"
    }
}

/// The library that multiplies matrices, and its speed.
private enum MatrixProduct {
    static func check(_ report: inout CheckReport) {
        let isReference = tavis_matmul_current() == TAVIS_MATMUL_REFERENCE
        report.add(
            "matrix", isReference ? .failed : .ok, String(cString: tavis_matmul_description()),
            mend: isReference ? "apt install libdnnl2 (x86-64) or libopenblas0-pthread" : nil)
        let n = isReference ? 256 : 1024
        let a = noise("a", [n, n]), b = noise("b", [n, n])
        let operations = 2 * Double(n * n * n)
        var out = [Float](repeating: 0, count: n * n)
        let single = fastest {
            a.withValues { a in
                b.withValues { b in
                    tavis_sgemm(
                        false, true, n, n, n, 1, a.baseAddress, n, b.baseAddress, n, 0, &out, n)
                }
            }
        }
        record(
            "matrix.float32", "GFLOP/s", operations / single, operations / fastest { _ = linear(a, b) },
            &report)
        checkBytes(&report, n)
    }

    private static func checkBytes(_ report: inout CheckReport, _ n: Int) {
        let a = [UInt8](repeating: 3, count: n * n), b = [Int8](repeating: -2, count: n * n)
        let threads = ThreadPool.shared.threads
        var out = [Int32](repeating: 0, count: n * n)
        guard tavis_gemm_u8_available() else {
            report.add("matrix.int8", .missing, "not supported", mend: "apt install libdnnl2 (x86-64 only)")
            return
        }
        let single = fastest { tavis_gemm_u8s8s32(n, n, n, a, b, &out) }
        let all = out.withUnsafeMutableBufferPointer { out in
            nonisolated(unsafe) let out = out
            return fastest {
                ThreadPool.shared.run(threads) { part in
                    let (first, end) = (part * n / threads, (part + 1) * n / threads)
                    a.withUnsafeBufferPointer { a in
                        tavis_gemm_u8s8s32(
                            end - first, n, n, a.baseAddress! + first * n, b, out.baseAddress! + first * n)
                    }
                }
            }
        }
        let operations = 2 * Double(n * n * n)
        record("matrix.int8", "GOP/s", operations / single, operations / all, &report)
    }

    private static func record(
        _ name: String, _ unit: String, _ single: Double, _ all: Double, _ report: inout CheckReport
    ) {
        report.add(
            name, .ok, "\(decimals(single / 1e9, 0)) \(unit) on one thread, \(decimals(all / 1e9, 0)) on all")
        report.numbers["\(name).single"] = single / 1e9
        report.numbers["\(name).all"] = all / 1e9
    }

    /// Seconds of the best of several runs, after one that does not count.
    private static func fastest(_ body: () -> Void) -> Double {
        body()
        let clock = ContinuousClock()
        return (0..<5).map { _ in clock.measure(body).seconds }.min() ?? .infinity
    }

    private static func noise(_ name: String, _ shape: [Int]) -> Tensor {
        Tensor(SeededWeights.input(name, shape: shape, scale: 1), shape: shape)
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

/// A number with a fixed count of decimals.
private func decimals(_ value: Double, _ count: Int) -> String { String(format: "%.\(count)f", value) }
