// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import TensorEngine

/// Where times were taken.
struct Machine: Encodable {
    let cpu, matrixProvider: String
    let threads: Int
    /// Multiply-adds of registers alone, all threads at once, in GFLOP/s or GOP/s: what nothing can be faster than.
    let peakFloat32: Double
    /// 0 where it is not known how this CPU is fastest.
    let peakInt8: Double

    var text: String {
        let peaks = String(format: "peak %.0f GFLOP/s float32, %.0f GOP/s int8", peakFloat32, peakInt8)
        return "\(cpu); \(threads) threads; \(matrixProvider); \(peaks)"
    }

    static func measured() -> Machine {
        let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = info.split(separator: "\n").first { $0.hasPrefix("model name") }
        let name = line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
        return Machine(
            cpu: name ?? "unnamed CPU", matrixProvider: String(cString: tavis_matmul_description()),
            threads: ThreadPool.shared.threads, peakFloat32: peak(tavis_peak_float32),
            peakInt8: peak(tavis_peak_int8))
    }

    /// The best of five, each at least a twentieth of a second long.
    private static func peak(_ loop: (Int) -> Int) -> Double {
        let threads = ThreadPool.shared.threads
        func rate(_ rounds: Int) -> (rate: Double, seconds: Double) {
            var done = 0
            let seconds = Stopwatch.seconds {
                ThreadPool.shared.run(threads) { _ in _ = loop(rounds) }
            }
            done = threads * loop(1) * rounds
            return (2 * Double(done) / seconds / 1e9, seconds)
        }
        guard loop(1) > 0 else { return 0 }
        var rounds = 1 << 16
        while rate(rounds).seconds < 0.05 { rounds *= 2 }
        return (0..<5).map { _ in rate(rounds).rate }.max() ?? 0
    }
}

enum Stopwatch {
    static func seconds(_ body: () -> Void) -> Double {
        let parts = ContinuousClock().measure(body).components
        return Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
    }
}

/// What a process has used so far; differences say what a stage used.
struct Usage {
    let work: tavis_matmul_work
    /// Tensors' memory that came from the system, as no freed buffer fitted.
    let allocations: Int
    /// Pages that the system had to supply, of all memory.
    let faults: Int

    static var now: Usage {
        var usage = rusage()
        getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
        return Usage(
            work: tavis_matmul_done(), allocations: BufferPool.shared.systemAllocations,
            faults: usage.ru_minflt)
    }
}

/// The largest resident size, from `reset` on where the system allows that, else of the whole process.
enum PeakMemory {
    static func reset() {
        // Linux: 5 sets the mark back to the present size.
        guard let file = fopen("/proc/self/clear_refs", "w") else { return }
        fputs("5", file)
        fclose(file)
    }

    static var bytes: Double {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return 1024 * (line?.split(separator: " ").compactMap { Double($0) }.first ?? 0)
    }
}
