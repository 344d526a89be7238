// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ConfigurationFiles
import Foundation
import Media
import Models
import Service
import Streaming
import TensorEngine
import Training

/// How the program ends after an error: one line on the error output (of a configuration file, one for each problem),
/// and a code of `sysexits.h`.
struct ProgramExit {
    enum Code: Int32 {
        case usage = 64
        case badInput = 65
        case noInput = 66
        case unavailable = 69
        case software = 70
        case cannotCreate = 73
        case inputOutput = 74
        case configuration = 78
    }

    private let error: any Error

    init(_ error: any Error) { self.error = error }

    /// Nil where the argument parser has to speak itself: help, version, a code without a message.
    var message: (line: String, code: Int32)? {
        if let error = error as? ConfigurationError {
            return (error.lines.map(Self.line).joined(separator: "\n"), Code.configuration.rawValue)
        }
        if let code = Self.code(of: error) { return (Self.line("\(error)"), code.rawValue) }
        let parserCode = Tavisd.exitCode(for: error)
        if error is ExitCode || parserCode.isSuccess { return nil }
        if parserCode == .validationFailure {
            return (Self.line(Tavisd.message(for: error)) + "; see tavisd --help", Code.usage.rawValue)
        }
        return (Self.line("\(error)"), Code.software.rawValue)
    }

    func leave() -> Never {
        guard let message else { Tavisd.exit(withError: error) }
        FileHandle.standardError.write(Data("\(message.line)\n".utf8))
        exit(message.code)
    }

    /// Whatever an error says, it takes one line.
    private static func line(_ text: String) -> String {
        "tavisd: " + text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    private static func code(of error: any Error) -> Code? {
        switch error {
        case let error as MediaError: code(of: error.code)
        case let error as StreamError: code(of: error.code)
        case let error as CheckpointError:
            [.cannotWrite, .outputExists].contains(error.code) ? .cannotCreate : .badInput
        case is BundleError, is WeightReport, is DatasetError, is TrainingDataError: .badInput
        case is RunFileError: .inputOutput
        case is CredentialError: .configuration
        case is HTTPSettingsError: .configuration
        case is ControlError: .unavailable
        default: nil
        }
    }

    private static func code(of code: StreamError.Code) -> Code {
        switch code {
        case .cannotWrite: .cannotCreate
        case .diskFull: .inputOutput
        case .badOption: .usage
        case .model: .badInput
        }
    }

    private static func code(of code: MediaError.Code) -> Code {
        switch code {
        case .notFound, .notAFile, .unreadable: .noInput
        case .empty, .notMedia, .truncated, .noVideo, .noAudio, .noFrames, .decode, .pastEnd, .tooLarge,
            .badImage:
            .badInput
        case .unsupported, .missingPlugin, .noSuchElement: .unavailable
        case .notWritable: .cannotCreate
        case .diskFull, .stalled, .cancelled: .inputOutput
        default: .software
        }
    }
}
