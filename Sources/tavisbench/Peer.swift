// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Times of another program, or of an earlier run of this one, by the same names of stages.
struct PeerReport: Decodable {
    struct Stage: Decodable {
        let name: String
        let seconds: Double
    }
    let program: String
    let stages: [Stage]
    /// Where a report says so; ours has it within `machine`.
    let cpu: String?
    let threads: Int?

    private struct Place: Decodable {
        let cpu: String
        let threads: Int
    }
    private enum CodingKeys: CodingKey { case program, stages, cpu, threads, machine }

    init(from decoder: any Decoder) throws {
        let file = try decoder.container(keyedBy: CodingKeys.self)
        program = try file.decode(String.self, forKey: .program)
        stages = try file.decode([Stage].self, forKey: .stages)
        let place = try file.decodeIfPresent(Place.self, forKey: .machine)
        cpu = try place?.cpu ?? file.decodeIfPresent(String.self, forKey: .cpu)
        threads = try place?.threads ?? file.decodeIfPresent(Int.self, forKey: .threads)
        for stage in stages where !(stage.seconds > 0) {
            throw DecodingError.dataCorruptedError(
                forKey: .stages, in: file,
                debugDescription: "\(stage.name) takes \(stage.seconds) seconds")
        }
    }

    func seconds(_ name: String) -> Double? { stages.first { $0.name == name }?.seconds }

    /// Reads a report.
    /// - Throws: `PeerError` that names the file and what is wrong with it.
    static func read(_ path: String) throws -> PeerReport {
        do {
            return try JSONDecoder().decode(
                PeerReport.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
        } catch let error as DecodingError {
            throw PeerError(description: "\(path) is no report of times: \(error.reason)")
        } catch {
            throw PeerError(description: "\(path): \(error.localizedDescription)")
        }
    }

    /// What makes the comparison unfair; nil where nothing is known to.
    func objection(to machine: Machine) -> String? {
        if let cpu, cpu != machine.cpu { return "\(program) was timed on another CPU: \(cpu)" }
        if let threads, threads != machine.threads {
            return "\(program) was timed with \(threads) threads, this with \(machine.threads)"
        }
        return nil
    }
}

struct PeerError: Error, CustomStringConvertible { let description: String }

extension DecodingError {
    fileprivate var reason: String {
        switch self {
        case .keyNotFound(let key, let context): "it lacks \((context.codingPath + [key]).text)"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            "\(context.codingPath.text) is of another type"
        case .dataCorrupted(let context): context.debugDescription
        @unknown default: "\(self)"
        }
    }
}

extension [any CodingKey] {
    fileprivate var text: String { map(\.stringValue).joined(separator: ".") }
}
