// SPDX-License-Identifier: Apache-2.0
import Foundation

#if MPI
    import CMPI
#endif

/// How this process was started: by itself, or by `mpirun` or `srun` as one of several.
package enum Processes {
    /// Where the launchers of OpenMPI, of MPICH and of Slurm say how many they started.
    private static let counts = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]

    /// Joins the processes started along with this one.
    ///
    /// - Throws: `CommunicatorError` where they cannot talk: each would train for itself, into the same folder.
    package static func join(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws -> any Communicator {
        let count = counts.lazy.compactMap { environment[$0].flatMap { Int($0) } }.first ?? 1
        guard count > 1 else { return SingleProcess() }
        #if MPI
            let found = try MPIProcesses()
            guard found.size == count else {
                throw CommunicatorError(
                    rank: found.rank, detail: "MPI knows of \(found.size) processes, \(count) were started")
            }
            return found
        #else
            throw CommunicatorError(
                rank: 0,
                detail: "one of \(count), but built without MPI: see swift build --traits MPI")
        #endif
    }
}

#if MPI
    /// The processes of an MPI job. For one thread; there is one in a program.
    private final class MPIProcesses: Communicator {
        let rank, size: Int
        /// Floats in a message: bounds what MPI holds beside them.
        private static let longest = 1 << 24

        init() throws {
            var (rank, size): (Int32, Int32) = (0, 1)
            let code = tavis_mpi_start(&rank, &size)
            (self.rank, self.size) = (Int(rank), Int(size))
            try check(code, "start")
        }

        func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
            guard let base = values.baseAddress else { return }
            for start in stride(from: 0, to: values.count, by: Self.longest) {
                let count = min(Self.longest, values.count - start)
                try check(tavis_mpi_sum(base + start, Int32(count)), "sum")
            }
        }

        func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
            guard let count = Int32(exactly: bytes.count) else {
                throw CommunicatorError(rank: rank, detail: "a message of \(bytes.count) bytes")
            }
            var counts = [Int32](repeating: 0, count: size)
            try check(tavis_mpi_gather_counts(count, &counts), "gather")
            let ends = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + Int($1)) }
            guard let total = Int32(exactly: ends[size]) else {
                throw CommunicatorError(rank: rank, detail: "messages of \(ends[size]) bytes")
            }
            var all = [UInt8](repeating: 0, count: Int(total))
            try check(tavis_mpi_gather(bytes, count, &all, counts, ends.map { Int32($0) }), "gather")
            return (0..<size).map { Array(all[ends[$0]..<ends[$0 + 1]]) }
        }

        func finish() throws { try check(tavis_mpi_finish(), "finish") }

        private func check(_ code: Int32, _ call: String) throws {
            guard code != MPI_SUCCESS else { return }
            var text = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING))
            tavis_mpi_explain(code, &text)
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw CommunicatorError(
                rank: rank,
                detail: "MPI \(call): \(String(decoding: bytes, as: UTF8.self)); is another process lost?")
        }
    }
#endif
