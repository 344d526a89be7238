// SPDX-License-Identifier: Apache-2.0
package import ConfigurationFiles
import Foundation
import Media
import Streaming

extension DaemonConfig {
    /// Reads the daemon's file.
    package init(file path: String) throws(ConfigurationError) {
        let read = try StrictYAML.read(file: path) { DaemonConfig($0) }
        self = read.value
        settings = read.settings
    }

    /// Reads text; `file` is its name in messages.
    package init(_ text: String, file: String) throws(ConfigurationError) {
        let read = try StrictYAML.read(text, file: file) { DaemonConfig($0) }
        self = read.value
        settings = read.settings
    }

    private init(_ top: YAMLSection) {
        model = Model(top.section("model"))
        http = Listener(top.section("http"), port: Self.usualHTTPPort)
        controlSocket = top.section("control").optional("socket", .absolutePath)
        rtsp = Listener(top.section("rtsp"), port: 8554)
        eventFile = top.section("events").optional("file", .absolutePath)
        logging = Logging(top.section("log"))
        let sections = top.sections("streams", count: 0...64)
        streams = sections.map { Stream($0) }
        checkNames(sections)
        checkMounts(top)
    }

    private func checkNames(_ sections: [YAMLSection]) {
        var seen: Set<String> = []
        for (section, stream) in zip(sections, streams) where !stream.name.isEmpty {
            if !seen.insert(stream.name).inserted {
                section.fail("name", expected: "a name of its own", found: "\"\(stream.name)\" again")
            }
        }
    }

    private func checkMounts(_ top: YAMLSection) {
        var mounts: [String: String] = [:]
        for stream in streams {
            for case .rtsp(let mount) in stream.outputs.map(\.kind) {
                if let other = mounts[mount] {
                    top.fail(
                        "streams", expected: "each RTSP mount once",
                        found: "\(mount) in both \(other) and \(stream.name)")
                }
                mounts[mount] = stream.name
                if !rtsp.isOn {
                    top.fail(
                        "rtsp", expected: "enabled: true where a stream has an RTSP output", found: "false")
                }
            }
        }
    }
}

extension DaemonConfig.Stream {
    /// Reads one entry of `streams`, as it comes over HTTP.
    package init(_ text: String, file: String) throws(ConfigurationError) {
        self = try StrictYAML.read(text, file: file) { DaemonConfig.Stream($0) }.value
    }

    fileprivate init(_ section: YAMLSection) {
        live = LiveStream.Settings(name: section.value("name", .streamName))
        video = SourceConfig(video: section.section("video", isRequired: true))
        sound = Self.sound(section, video)
        outputs = section.sections("outputs", count: 0...16, isRequired: false).compactMap(OutputConfig.read)
        classes =
            section.has("classes") ? section.list("classes", .className, count: 1...1000) : nil
        startsPaused = section.value("paused", .bool, default: false)
        live.hasAudio = sound != .none
        readTiming(section)
        readObjects(section.section("objects"))
        if section.has("record") { live.recording = ClipRecorder.Settings(section.section("record")) }
    }

    private mutating func readTiming(_ section: YAMLSection) {
        readEconomy(section)
        live.audioOffset = section.seconds("audio_offset", -2...2, default: 0)
        live.maskWait = section.seconds("mask_wait", 0...2, default: 0.1)
        live.oldestMask = section.seconds("oldest_mask", 0.05...30, default: 1)
        live.latencyCeiling = section.seconds("latency_ceiling", 0.05...30, default: 0.5)
        live.ladder.ceiling = section.seconds("mask_ceiling", 0.02...30, default: 0.25)
        if live.maskWait > live.latencyCeiling {
            section.fail(
                "mask_wait", expected: "at most latency_ceiling, \(live.latencyCeiling.seconds)",
                found: "\(live.maskWait.seconds)")
        }
    }

    /// The profile's values, unless they are given themselves.
    private mutating func readEconomy(_ section: YAMLSection) {
        let profile = section.value("profile", .choice(), default: EconomyProfile.quality)
        live.economy = profile.economy
        let usual = live.economy
        live.economy.audioHop = section.seconds(
            "audio_hop", 0.01...10, default: Float(usual.audioHop.seconds))
        live.economy.imageHop = section.seconds("image_hop", 0...10, default: Float(usual.imageHop.seconds))
        live.economy.memoryHop = section.seconds(
            "memory_hop", 0...60, default: Float(usual.memoryHop.seconds))
        live.economy.spreads = section.value("spread", .bool, default: usual.spreads)
        live.economy.slots = section.value("slots", .choice(), default: .active)
        live.ladder.frameRate = section.optional("frame_rate", .int(1...240)).map(Double.init)
    }

    private mutating func readObjects(_ section: YAMLSection) {
        live.ledger.lostAfter = section.seconds("lost_after", 0.1...600, default: 2)
        live.ledger.expireAfter = section.seconds("expire_after", 0.1...3600, default: 30)
        live.ledger.limit = section.value("limit", .int(1...10_000), default: 64)
        live.tracker.windowsToAppear = section.value("windows_to_appear", .int(1...100), default: 2)
        live.tracker.windowsToVanish = section.value("windows_to_vanish", .int(1...100), default: 3)
        live.tracker.sureFrom = section.value("sure_from", .number(0.5...1), default: 0.7)
        if live.ledger.expireAfter < live.ledger.lostAfter {
            section.fail(
                "expire_after", expected: "at least lost_after, \(live.ledger.lostAfter.seconds)",
                found: "\(live.ledger.expireAfter.seconds)")
        }
    }

    private static func sound(_ section: YAMLSection, _ video: SourceConfig) -> Sound {
        let audio = section.section("audio")
        let isShared = video.mayHaveSound
        switch audio.kind("kind", .choice(SoundKind.self), default: isShared ? .same : SoundKind.none) {
        case .none: return .none
        case .same:
            if !isShared {
                audio.fail("kind", expected: "a source of its own: this video has no sound", found: "same")
            }
            return .same
        case let kind: return .own(SourceConfig(audio: audio, kind))
        }
    }
}

extension ClipRecorder.Settings {
    fileprivate init(_ section: YAMLSection) {
        self.init(
            folder: section.value("folder", .absolutePath),
            diskBudget: section.value("disk_budget_megabytes", .int(10...100_000_000)) * 1_000_000)
        occasion = section.value("when", .choice(), default: .events)
        length = section.seconds("seconds", 2...60, default: 10)
        before = section.seconds("before", 0...5, default: 2)
        framesPerSecond = section.value("frames_per_second", .int(1...30), default: 5)
        maxWidth = section.value("width", .int(64...4096), default: 640)
        if before >= length {
            section.fail(
                "before", expected: "less than seconds, \(length.seconds)", found: "\(before.seconds)")
        }
    }
}

private enum PictureKind: String, CaseIterable { case rtsp, uri, v4l2, test, pipeline }
private enum SoundKind: String, CaseIterable {
    case same, none, rtsp, uri, alsa, pulse, pipewire, test, pipeline
}
private enum OutputKind: String, CaseIterable { case rtsp, files, hls, v4l2, window, none }

extension SourceConfig {
    fileprivate var mayHaveSound: Bool {
        switch kind {
        case .rtsp, .uri, .pipeline: true
        default: false
        }
    }

    fileprivate init(video section: YAMLSection) {
        switch section.kind("kind", .choice(PictureKind.self)) {
        case .rtsp: self.init(kind: Self.rtsp(section))
        case .uri: self.init(kind: Self.uri(section))
        case .v4l2:
            self.init(
                kind: .v4l2(
                    device: section.value("device", .absolutePath, default: "/dev/video0"),
                    width: section.optional("width", .int(16...16384)),
                    height: section.optional("height", .int(16...16384)),
                    frameRate: section.optional("frame_rate", .int(1...1000))))
        case .test:
            self.init(
                kind: .testVideo(
                    pattern: section.optional("pattern", .word),
                    width: section.value("width", .int(16...16384), default: 640),
                    height: section.value("height", .int(16...16384), default: 360),
                    frameRate: section.value("frame_rate", .int(1...1000), default: 25)))
        case .pipeline: self.init(kind: .pipeline(file: section.value("file", .absolutePath)))
        }
        readTimes(section)
    }

    fileprivate init(audio section: YAMLSection, _ kind: SoundKind) {
        switch kind {
        case .rtsp: self.init(kind: Self.rtsp(section))
        case .uri: self.init(kind: Self.uri(section))
        case .alsa: self.init(kind: .alsa(device: section.optional("device", .string)))
        case .pulse: self.init(kind: .pulse(device: section.optional("device", .string)))
        case .pipewire: self.init(kind: .pipewire(target: section.optional("device", .string)))
        case .test, .none, .same:
            self.init(
                kind: .testAudio(
                    wave: section.optional("wave", .word),
                    frequency: section.value("frequency", .int(20...20_000), default: 440)))
        case .pipeline: self.init(kind: .pipeline(file: section.value("file", .absolutePath)))
        }
        readTimes(section)
    }

    private mutating func readTimes(_ section: YAMLSection) {
        stallTimeout = section.seconds("stall_timeout", 0.5...600, default: 5)
        switch kind {
        case .rtsp, .uri: latency = section.seconds("latency", 0...10, default: 0.2)
        default: break
        }
    }

    private static func rtsp(_ section: YAMLSection) -> Kind {
        .rtsp(
            uri: section.address("uri", schemes: ["rtsp", "rtsps"], allowsPath: false),
            transport: section.value("transport", .choice(Transport.self), default: .tcp),
            credential: section.optional("credential", .credentialName))
    }

    private static func uri(_ section: YAMLSection) -> Kind {
        .uri(
            section.address(
                "uri", schemes: ["http", "https", "file", "rtmp", "srt", "udp"], allowsPath: true),
            loops: section.value("loop", .bool, default: false))
    }
}

extension OutputConfig {
    /// Nil for `none`.
    fileprivate static func read(_ section: YAMLSection) -> OutputConfig? {
        let kind: Kind
        switch section.kind("kind", .choice(OutputKind.self)) {
        case .rtsp: kind = .rtsp(mount: section.value("mount", .mount))
        case .files:
            kind = .files(
                folder: section.value("folder", .absolutePath),
                container: section.value("container", .choice(Container.self), default: .mp4),
                seconds: section.value("seconds", .int(5...86_400), default: 600),
                megabytes: section.optional("megabytes", .int(1...1_000_000)),
                diskBudgetMegabytes: section.value("disk_budget_megabytes", .int(10...100_000_000)))
        case .hls:
            kind = .hls(
                folder: section.value("folder", .absolutePath),
                targetSeconds: section.value("target_seconds", .int(1...60), default: 2),
                keep: section.value("keep", .int(3...1000), default: 6))
        case .v4l2: kind = .v4l2(device: section.value("device", .absolutePath))
        case .window: kind = .window
        case .none: return nil
        }
        return OutputConfig(
            kind: kind, picture: section.value("picture", .choice(), default: .overlay),
            bitrate: section.value("bitrate", .int(50...100_000), default: 2500))
    }
}

extension DaemonConfig.Model {
    fileprivate init(_ section: YAMLSection) {
        bundle = section.optional("bundle", .absolutePath)
        side = section.optional("side", .int(32...2048, multipleOf: 32))
        usesMemory = section.value("memory", .bool, default: false)
        looksAtObjects = section.value("class_scores", .choice(Evidence.self), default: .audio) == .both
    }

    private enum Evidence: String, CaseIterable {
        case audio
        case both = "audio+image"
    }
}

extension DaemonConfig.Listener {
    fileprivate init(_ section: YAMLSection, port usual: Int) {
        isOn = section.value("enabled", .bool, default: true)
        address = section.value("address", .string, default: "127.0.0.1")
        port = section.value("port", .int(0...65_535), default: usual)
        credential = section.optional("credential", .credentialName)
        if isOn, credential == nil, !HTTPSettings.isLoopback(address) {
            section.fail(
                "address", expected: "127.0.0.1 or ::1 where no credential is named", found: "\"\(address)\"")
        }
    }
}

extension DaemonConfig.Logging {
    fileprivate init(_ section: YAMLSection) {
        level = section.value("level", .choice(Level.self), default: .info)
        format = section.value("format", .choice(Format.self), default: .text)
    }
}

extension YAMLSection {
    /// An address or path. What is wrong with it is told without what might be a password.
    fileprivate func address(_ key: String, schemes: [String], allowsPath: Bool) -> String {
        let text = value(key, .string)
        guard !text.isEmpty else { return text }
        let kinds = (allowsPath ? ["a path that begins with /"] : []) + schemes.map { "\($0)://…" }
        let expected = kinds.joined(separator: " or ")
        if allowsPath, text.hasPrefix("/"), !text.utf8.contains(0) { return text }
        guard let end = text.range(of: "://"), schemes.contains(text[..<end.lowerBound].lowercased()),
            text[end.upperBound...].contains(where: { $0 != "/" })
        else {
            fail(key, expected: expected, found: "\"\(MediaSource.redacted(text))\"")
            return ""
        }
        if text[end.upperBound...].prefix(while: { !"/?#".contains($0) }).contains("@") {
            fail(
                key, expected: "an address without user and password, which belong into a credential",
                found: "\"\(MediaSource.redacted(text))\"")
        }
        return text
    }

    fileprivate func seconds(_ key: String, _ range: ClosedRange<Float>, default fallback: Float) -> MediaTime
    {
        // By way of text, so that 0.1 is a tenth of a second and not the nearest float.
        MediaTime(seconds: Double("\(value(key, .number(range), default: fallback))") ?? 0)
    }
}

extension YAMLType where Value == String {
    fileprivate static var streamName: YAMLType {
        .text("a name of 1 to 64 letters, digits, - and _") { $0.count <= 64 && isWord($0) }
    }
    fileprivate static var credentialName: YAMLType {
        .text("the name of a credential, of letters, digits, - and _") { isWord($0) }
    }
    fileprivate static var word: YAMLType { .text("a word of letters, digits, - and _") { isWord($0) } }
    fileprivate static var absolutePath: YAMLType {
        .text("a path that begins with /") { $0.hasPrefix("/") && !$0.utf8.contains(0) }
    }
    fileprivate static var className: YAMLType {
        .text("a name of at most 100 characters") { $0.count <= 100 && !$0.contains(where: \.isNewline) }
    }
    fileprivate static var mount: YAMLType {
        .text("a mount such as /door: / and then letters, digits, - and _") {
            $0.hasPrefix("/") && isWord(String($0.dropFirst()))
        }
    }
    private static func isWord(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
