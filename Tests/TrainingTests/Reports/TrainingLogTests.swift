// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Training

@Suite("Log of a training run")
struct TrainingLogTests {
    private func step(_ step: Int, loss: Float = 1) -> LogEntry {
        .step(
            .init(
                step: step, time: 1.5, rate: 1e-4, loss: loss, terms: ["a/b": 0.25, "c": -1], gradientNorm: 3,
                framesPerSecond: 12.5))
    }

    private let start = LogEntry.start(
        .init(step: 0, time: 1, name: "r", seed: .max, settings: [.init("batch", "8")]))
    private let evaluation = LogEntry.evaluation(.init(step: 2, time: 2, data: "s4", metrics: ["M_J": 0.5]))

    @Test("every entry is a line of JSON, on the disk at once, and comes back")
    func lines() throws {
        try withReportFolder { folder in
            let path = "\(folder)/log.jsonl", entries = [start, step(1), step(2), evaluation]
            let log = try TrainingLog(path: path, resumingAfter: 0)
            for (i, entry) in entries.enumerated() {
                try log.append(entry)
                #expect(try TrainingLog.read(path: path) == Array(entries.prefix(i + 1)))
            }
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 4)
            let object = try JSONSerialization.jsonObject(with: Data(lines[1].utf8)) as? [String: Any]
            #expect(object?["kind"] as? String == "step" && object?["gradientNorm"] as? Double == 3)
            withExtendedLifetime(log) {}
        }
    }

    @Test("what is no number is kept")
    func notANumber() throws {
        try withReportFolder { folder in
            let log = try TrainingLog(path: "\(folder)/l", resumingAfter: 0)
            try log.append(step(1, loss: .infinity))
            try log.append(.evaluation(.init(step: 1, time: 0, data: "d", metrics: ["m": .nan])))
            let entries = try TrainingLog.read(path: "\(folder)/l")
            #expect(entries.first == step(1, loss: .infinity))
            guard case .evaluation(let entry) = entries.last else { throw RunFileError("", "no evaluation") }
            #expect(entry.metrics["m"]?.isNaN == true)
        }
    }

    @Test("a run taken up after a step forgets what came later", arguments: [1, 2, 3, 9])
    func resume(after: Int) throws {
        try withReportFolder { folder in
            let path = "\(folder)/l", entries = [start, step(1), step(2), evaluation, step(3)]
            let log = try TrainingLog(path: path, resumingAfter: 0)
            for entry in entries { try log.append(entry) }
            let next = try TrainingLog(path: path, resumingAfter: after)
            try next.append(step(after + 1, loss: 7))
            let expected = entries.filter { $0.step <= after } + [step(after + 1, loss: 7)]
            #expect(try TrainingLog.read(path: path) == expected)
        }
    }

    @Test("half a line at the end, as a crash leaves it, does not spoil the next one")
    func half() throws {
        try withReportFolder { folder in
            let path = "\(folder)/l"
            try TrainingLog(path: path, resumingAfter: 0).append(step(1))
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try (whole + whole.dropLast(9)).write(to: URL(fileURLWithPath: path))
            #expect(try TrainingLog.read(path: path) == [step(1)])
            try TrainingLog(path: path, resumingAfter: 1).append(step(2))
            #expect(try TrainingLog.read(path: path) == [step(1), step(2)])
        }
    }

    @Test("a line in the middle that is no entry is passed over and stays")
    func foreign() throws {
        try withReportFolder { folder in
            let path = "\(folder)/l"
            try TrainingLog(path: path, resumingAfter: 0).append(step(1))
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("a note\n{\"kind\":\"other\"}\n".utf8))
            try TrainingLog(path: path, resumingAfter: 1).append(step(2))
            #expect(try TrainingLog.read(path: path) == [step(1), step(2)])
            #expect(try String(contentsOfFile: path, encoding: .utf8).contains("a note"))
        }
    }

    @Test("a new run begins with an empty log")
    func new() throws {
        try withReportFolder { folder in
            try TrainingLog(path: "\(folder)/l", resumingAfter: 0).append(step(1))
            try TrainingLog(path: "\(folder)/l", resumingAfter: 0).append(start)
            #expect(try TrainingLog.read(path: "\(folder)/l") == [start])
        }
    }

    @Test("a log that cannot be written or read is an error that names it")
    func unusable() throws {
        #expect { try TrainingLog(path: "/nonexistent/l", resumingAfter: 3) } throws: {
            "\($0)".contains("/nonexistent/l: ")
        }
        #expect { try TrainingLog.read(path: "/nonexistent/l") } throws: {
            "\($0)".contains("/nonexistent/l: ")
        }
    }

    @Test("the report of a step becomes an entry")
    func report() {
        let report = StepReport(
            step: 4, rate: 0.5, loss: 2, terms: [("a", 1), ("b", 3)], gradientNorm: 6, frames: 20)
        let entry = LogEntry.Step(report, time: 9, seconds: 4)
        #expect(entry.framesPerSecond == 5 && entry.terms == ["a": 1, "b": 3] && entry.gradientNorm == 6)
    }
}
