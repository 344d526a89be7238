// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Media
import Service

/// The daemon.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Marks what is sounding on live streams, day and night.",
        discussion: """
            The configuration names the streams, where they come from and where they go; config/run.yaml explains \
            every key. SIGHUP reads it again; SIGTERM and Ctrl-C close files and end.
            """)

    @Option(help: ArgumentHelp("The configuration, a YAML file.", valueName: "file"))
    var config: String

    @Flag(help: "Say what the configuration means, with its defaults, and end.")
    var check = false

    func run() throws {
        GStreamer.keepHeapsFew()
        let config = try DaemonConfig(file: config)
        if check {
            for setting in config.settings { print("\(setting.key): \(setting.value)") }
            return
        }
        let process = try DaemonProcess(config, path: self.config)
        if let code = try process.run() { throw ExitCode(code) }
    }
}
