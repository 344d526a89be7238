// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Foundation
import Service
import Streaming

/// Talks to a running daemon.
struct CtlCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ctl", abstract: "Asks a running daemon, or tells it what to do.",
        discussion: """
            The daemon is found by --socket, by --port, or by the configuration it runs with. The one of \
            tavisd.service, or else of the usual port, is found without. The exit code is 0 when it did what was \
            asked.
            """,
        subcommands: [
            Status.self, Reload.self, Add.self, Remove.self, Pause.self, Resume.self, Classes.self,
            ResetMemory.self, Record.self,
        ],
        defaultSubcommand: Status.self)
}

/// Where the daemon listens.
struct ControlOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Unix-domain socket of the daemon.", valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("Port of the daemon on 127.0.0.1.", valueName: "number"))
    var port: Int?

    @Option(help: ArgumentHelp("The configuration that the daemon runs with.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("File with the bearer token that the port asks for.", valueName: "file"))
    var tokenFile: String?

    /// Seconds to wait for an answer; a reload may have to close many streams.
    private static let patience = 30, reloadPatience = 150

    private func client(timeoutSeconds: Int) throws -> ControlClient {
        let token = try tokenFile.map { path in
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw ValidationError("\(path): cannot be read")
            }
            return text.trimmingCharacters(in: .newlines)
        }
        return ControlClient(try place(), token: token, timeoutSeconds: timeoutSeconds)
    }

    private func place() throws -> ControlClient.Place {
        if let socket { return .socket(socket) }
        if let port { return .loopback(port: port) }
        let folder = ProcessInfo.processInfo.environment["RUNTIME_DIRECTORY"]
        if let config {
            let config = try DaemonConfig(file: config)
            if let socket = config.controlSocket { return .socket(socket) }
            if folder == nil, config.http.isOn { return .loopback(port: config.http.port) }
        }
        let usual = "\(folder ?? "/run/tavisd")/control.sock"
        if folder != nil || FileManager.default.fileExists(atPath: usual) { return .socket(usual) }
        return .loopback(port: DaemonConfig.usualHTTPPort)
    }

    /// Sends a request and gives the body of a good answer.
    func ask(_ method: String, _ path: String, _ body: Data = Data()) throws -> Data {
        try ask(method, path, body, timeoutSeconds: Self.patience)
    }

    func reload() throws -> Data {
        try ask("POST", "/v1/reload", Data(), timeoutSeconds: Self.reloadPatience)
    }

    private func ask(_ method: String, _ path: String, _ body: Data, timeoutSeconds: Int) throws -> Data {
        let answer = try client(timeoutSeconds: timeoutSeconds).send(method, path, body: body)
        guard (200..<300).contains(answer.status) else { throw Refusal(answer) }
        return answer.body
    }

    /// The same about one stream.
    func ask(_ method: String, stream: String, _ action: String? = nil, _ body: Data = Data()) throws -> Data
    {
        // What is no name must not become another path.
        let name = stream.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return try ask(method, "/v1/streams/\(name)" + (action.map { "/\($0)" } ?? ""), body)
    }

    static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }
}

/// What the daemon said instead of doing what was asked.
private struct Refusal: Error, CustomStringConvertible {
    private struct Body: Decodable {
        var error: String
        var detail: [String]?
    }

    let description: String

    init(_ answer: ControlClient.Answer) {
        let body = try? ControlOptions.decoder().decode(Body.self, from: answer.body)
        let lines = body.map { [$0.error] + ($0.detail ?? []) } ?? ["the daemon answers \(answer.status)"]
        description = lines.joined(separator: "; ")
    }
}

extension CtlCommand {
    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "How the streams are.")
        @OptionGroup var control: ControlOptions
        @Flag(help: "As JSON.") var json = false

        func run() throws {
            let body = try control.ask("GET", "/v1/streams")
            if json { return print(String(decoding: body, as: UTF8.self)) }
            let streams = try ControlOptions.decoder().decode([StreamStatus].self, from: body)
            if streams.isEmpty { print("no streams") }
            for stream in streams { print(Self.line(stream)) }
        }

        static func line(_ status: StreamStatus) -> String {
            let sounding = status.objects.filter { $0.state == .sounding }
            let heard = sounding.map { "\($0.class) \(Int(($0.score * 100).rounded())) %" }
            let rates =
                "\(Int(status.sourceFramesPerSecond.rounded())) frames/s, "
                + "\(Int(status.segmentedFramesPerSecond.rounded())) segmented"
            let parts =
                ["\(status.name): \(status.state.rawValue)", rates]
                + (heard.isEmpty ? [] : ["sounding: " + heard.joined(separator: ", ")]) + status.reasons
            return parts.joined(separator: "; ")
        }
    }

    struct Reload: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets the daemon read its configuration again.",
            discussion: """
                Waits until that is done. A file that is wrong changes nothing. The exit code is 1 where something of it is \
                not in force.
                """)
        @OptionGroup var control: ControlOptions

        func run() throws {
            let body = try control.reload()
            let outcomes = try ControlOptions.decoder().decode([ReloadOutcome].self, from: body)
            for outcome in outcomes {
                print("\(outcome.stream): \(outcome.action.rawValue)" + (outcome.why.map { ": \($0)" } ?? ""))
            }
            if outcomes.contains(where: { $0.action == .rejected }) { throw ExitCode.failure }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Adds a stream until the next reload.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "YAML file with one entry of the configuration's streams.") var file: String

        func run() throws {
            guard let data = FileManager.default.contents(atPath: file) else {
                throw ValidationError("\(file): cannot be read")
            }
            _ = try control.ask("POST", "/v1/streams", data)
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a stream until the next reload.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "Name of the stream.") var stream: String
        func run() throws { _ = try control.ask("DELETE", stream: stream) }
    }

    struct Pause: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Closes a stream's sources for a while.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "Name of the stream.") var stream: String
        func run() throws { _ = try control.ask("POST", stream: stream, "pause") }
    }

    struct Resume: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Opens a paused stream again.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "Name of the stream.") var stream: String
        func run() throws { _ = try control.ask("POST", stream: stream, "resume") }
    }

    struct Classes: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a stream tell other classes apart.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "Name of the stream.") var stream: String
        @Argument(help: "Names of the classes.") var classes: [String]

        func run() throws {
            _ = try control.ask("PUT", stream: stream, "classes", try JSONEncoder().encode(classes))
        }
    }

    struct ResetMemory: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lets a stream forget earlier frames.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "Name of the stream.") var stream: String
        func run() throws { _ = try control.ask("POST", stream: stream, "reset-memory") }
    }

    struct Record: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Records the next seconds of a stream for training.")
        @OptionGroup var control: ControlOptions
        @Argument(help: "Name of the stream.") var stream: String
        @Option(help: "How long.") var seconds = 10.0

        func run() throws {
            _ = try control.ask(
                "POST", stream: stream, "record", try JSONEncoder().encode(["seconds": seconds]))
        }
    }
}
