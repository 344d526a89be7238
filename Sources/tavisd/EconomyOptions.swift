// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Media
import Streaming

/// How much work goes into each frame.
struct EconomyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How much is done anew for each frame: quality, all but the sound; balanced, the image token five times a second; realtime, sound and image token twice a second. The options below change single values.",
            valueName: "quality|balanced|realtime"))
    var profile: EconomyProfile?

    @Option(
        help: ArgumentHelp(
            "How long the sound of one two-second window serves; 0 takes a new one for each frame.",
            valueName: "seconds"))
    var audioHop: Double?

    @Option(
        help: ArgumentHelp(
            "How long the image token of one frame serves, which tells what the picture is of; 0 takes each frame's own. A cut takes a new one.",
            valueName: "seconds"))
    var imageHop: Double?

    @Option(
        help: ArgumentHelp(
            "Time between frames that are remembered, with --memory on; 0 remembers each.",
            valueName: "seconds"))
    var memoryHop: Double?

    @Flag(
        inversion: .prefixedNo,
        help:
            "Spread the work on sound and on image tokens over the frames until the next are due, and use it from then on: frames take equally long, and are a hop later to show what is heard."
    )
    var spread: Bool?

    @Option(
        help: ArgumentHelp(
            "all: decode also what cannot be shown; the masks are the same.", valueName: "active|all"))
    var slots = Economy.Slots.active

    func validate() throws {
        for (name, value) in [
            ("--audio-hop", audioHop), ("--image-hop", imageHop), ("--memory-hop", memoryHop),
        ] {
            guard let value, !(value.isFinite && 0 <= value && value < 1e9) else { continue }
            throw ValidationError("\(name) takes seconds, 0 or more")
        }
    }

    /// Whether anything is asked for but the usual.
    var isGiven: Bool {
        profile != nil || audioHop != nil || imageHop != nil || memoryHop != nil || spread != nil
            || slots != .active
    }

    var economy: Economy {
        var economy = (profile ?? .quality).economy
        if let audioHop { economy.audioHop = MediaTime(seconds: audioHop) }
        if let imageHop { economy.imageHop = MediaTime(seconds: imageHop) }
        if let memoryHop { economy.memoryHop = MediaTime(seconds: memoryHop) }
        if let spread { economy.spreads = spread }
        economy.slots = slots
        return economy
    }
}

extension EconomyProfile: ExpressibleByArgument {}
extension Economy.Slots: ExpressibleByArgument {}
