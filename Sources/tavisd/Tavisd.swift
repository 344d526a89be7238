// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

/// The program: its commands, and how it ends.
@main
struct Tavisd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tavisd",
        abstract: "Finds what is sounding in a video, pixel by pixel.",
        discussion: """
            Exit codes: 0 done; 64 wrong usage; 65 the input is not usable; 66 the input cannot be read; \
            69 something needed is not installed; 70 an internal error; 73 an output cannot be made; \
            74 reading or writing failed on the way; 78 a configuration file is wrong; 130 and 143 stopped by \
            Ctrl-C or SIGTERM, with what was written so far kept.
            """,
        subcommands: [
            SegmentCommand.self, RunCommand.self, CtlCommand.self, DemoCommand.self, ImportCommand.self,
            ExportCommand.self,
            InspectCommand.self,
            CheckCommand.self,
            TrainCommand.self, EvalCommand.self, SynthCommand.self,
        ])

    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            ProgramExit(error).leave()
        }
    }
}
