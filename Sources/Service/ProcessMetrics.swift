// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Streaming

/// What the process takes of the machine, under the names that Prometheus' own libraries use.
enum ProcessMetrics {
    static var families: [MetricFamily] {
        var families = [
            MetricFamily(
                "process_cpu_seconds_total", .counter,
                help: "Time of all cores, in the program and in the kernel.",
                samples: [.init(cpuSeconds)])
        ]
        if let bytes = residentBytes {
            families.append(
                MetricFamily(
                    "process_resident_memory_bytes", .gauge, help: "Memory in use.",
                    samples: [.init(Double(bytes))]))
        }
        if let count = entries(of: "/proc/self/fd") {
            families.append(
                MetricFamily(
                    "process_open_fds", .gauge, help: "Open file descriptors.",
                    samples: [.init(Double(count))]))
        }
        if let count = entries(of: "/proc/self/task") {
            families.append(
                MetricFamily("process_threads", .gauge, help: "Threads.", samples: [.init(Double(count))]))
        }
        return families
    }

    private static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static var residentBytes: Int? {
        let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        let pages = text?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        return pages.map { $0 * sysconf(Int32(_SC_PAGESIZE)) }
    }

    private static func entries(of folder: String) -> Int? {
        try? FileManager.default.contentsOfDirectory(atPath: folder).count
    }
}
