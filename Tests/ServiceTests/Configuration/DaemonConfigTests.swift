// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import Foundation
import Media
import Streaming
import Testing

@testable import Service

@Suite("The daemon's configuration")
struct DaemonConfigTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "config").path

    private static let stream = """
        streams:
          - name: a
            video: {kind: test}
            outputs: []
        """

    private func lines(_ text: String) -> [String] {
        do {
            _ = try DaemonConfig(text, file: "f")
            return []
        } catch { return error.lines }
    }

    @Test("the files that come along are valid", arguments: ["run", "run-camera", "run-rtsp", "run-file"])
    func examples(_ name: String) throws {
        let config = try DaemonConfig(file: "\(Self.folder)/\(name).yaml")
        #expect(!config.streams.isEmpty)
    }

    @Test("the documented file states the defaults")
    func defaults() throws {
        let documented = try DaemonConfig(file: "\(Self.folder)/run.yaml")
        let bare = try DaemonConfig(
            "streams: [{name: door, video: {kind: rtsp, uri: 'rtsp://x/1'}}]", file: "f")
        #expect(documented.model == bare.model && documented.http == bare.http)
        #expect(documented.rtsp == bare.rtsp && documented.logging == bare.logging)
        var live = bare.streams[0].live
        live.recording = .init(folder: "/var/lib/tavisd/clips", diskBudget: 5_000_000_000)
        #expect(documented.streams[0].live == live)
        #expect(documented.streams[0].sound == bare.streams[0].sound && bare.streams[0].sound == .same)
        #expect(documented.streams[0].video.latency == bare.streams[0].video.latency)
        #expect(documented.streams[0].outputs[0].bitrate == 2500)
        #expect(documented.streams[0].outputs[0].picture == .overlay)
    }

    @Test("every key is in the documented file")
    func keys() throws {
        let documented = try String(contentsOfFile: "\(Self.folder)/run.yaml", encoding: .utf8)
        let reader = try String(
            contentsOfFile: "\(Self.folder)/../Sources/Service/Configuration/DaemonConfig+Read.swift",
            encoding: .utf8)
        let keys = Set(
            reader.matches(
                of: /\.(?:value|optional|section|sections|seconds|kind|address)\(\s*"([a-z_0-9]+)"/
            )
            .map { String($0.1) })
        #expect(keys.count > 50)
        for key in keys.sorted() where !documented.contains("\(key):") {
            Issue.record("\(key) is not in config/run.yaml")
        }
    }

    @Test("a stream is read as it stands")
    func stream() throws {
        let config = try DaemonConfig(
            """
            http: {port: 0}
            streams:
              - name: desk
                video: {kind: v4l2, device: /dev/video2, width: 640, height: 480, frame_rate: 30}
                audio: {kind: alsa, device: "hw:1", stall_timeout: 2.5}
                audio_hop: 0.5
                classes: [bell, "dog barking"]
                outputs:
                  - {kind: files, folder: /v, container: mkv, seconds: 60, disk_budget_megabytes: 100}
                  - {kind: none}
                  - {kind: hls, folder: /h}
            """, file: "f")
        let stream = try #require(config.streams.first)
        #expect(
            stream.video.kind == .v4l2(device: "/dev/video2", width: 640, height: 480, frameRate: 30))
        guard case .own(let sound) = stream.sound else {
            Issue.record("\(stream.sound)")
            return
        }
        #expect(sound.kind == .alsa(device: "hw:1") && sound.stallTimeout == .seconds(2.5))
        #expect(stream.live.economy.audioHop == .seconds(0.5) && stream.live.hasAudio)
        #expect(stream.classes == ["bell", "dog barking"] && stream.outputs.count == 2)
        #expect(config.http.port == 0)
        #expect(config.settings.contains(YAMLSetting("streams[0].outputs[0].seconds", "60")))
    }

    @Test("a profile picks what is not given")
    func profiles() throws {
        func live(_ keys: String) throws -> LiveStream.Settings {
            try DaemonConfig(
                "streams: [{name: a, video: {kind: test}, outputs: []\(keys)}]", file: "f"
            ).streams[0].live
        }
        #expect(try live("").economy == EconomyProfile.quality.economy && live("").ladder.frameRate == nil)
        #expect(try live(", profile: realtime").economy == EconomyProfile.realtime.economy)
        let own = try live(", profile: realtime, image_hop: 0, slots: all, frame_rate: 15")
        var expected = EconomyProfile.realtime.economy
        (expected.imageHop, expected.slots) = (.zero, .all)
        #expect(own.economy == expected && own.ladder.frameRate == 15)
        #expect(
            lines("streams: [{name: a, video: {kind: test}, profile: fast}]").contains {
                $0.contains("profile: expected one of quality, balanced, realtime")
            })
    }

    /// Each wrong file, and all that is said of it.
    static let wrong: [(String, String)] = [
        ("", "f: expected keys and values, found nothing"),
        ("- a", "f:1: expected keys and values, found a list"),
        ("streams: 3", "f:1: streams: expected a list of sections, found \"3\""),
        (
            "stream: []",
            "f:1: streams: expected a list of sections, found nothing: the key is missing\nf:1: stream: expected one of model, http, control, rtsp, events, log, streams, found an unknown key; did you mean streams?"
        ),
        (
            "model: {bundle: models/x}\nstreams: []",
            "f:1: model.bundle: expected a path that begins with /, found \"models/x\""
        ),
        (
            "model: {side: 100}\nstreams: []",
            "f:1: model.side: expected a multiple of 32 from 32 to 2048, found \"100\""
        ),
        ("model: {memory: yes}\nstreams: []", "f:1: model.memory: expected true or false, found \"yes\""),
        (
            "model: {class_scores: image}\nstreams: []",
            "f:1: model.class_scores: expected audio or audio+image, found \"image\""
        ),
        (
            "http: {port: 70000}\nstreams: []",
            "f:1: http.port: expected a whole number from 0 to 65535, found \"70000\""
        ),
        (
            "http: {address: 0.0.0.0}\nstreams: []",
            "f:1: http.address: expected 127.0.0.1 or ::1 where no credential is named, found \"0.0.0.0\""
        ),
        (
            "http: {token: abc}\nstreams: []",
            "f:1: http.token: expected one of enabled, address, port, credential, found an unknown key"
        ),
        (
            "http: {credential: ../x}\nstreams: []",
            "f:1: http.credential: expected the name of a credential, of letters, digits, - and _, found \"../x\""
        ),
        (
            "rtsp: {address: '::'}\nstreams: []",
            "f:1: rtsp.address: expected 127.0.0.1 or ::1 where no credential is named, found \"::\""
        ),
        (
            "control: {socket: x.sock}\nstreams: []",
            "f:1: control.socket: expected a path that begins with /, found \"x.sock\""
        ),
        (
            "events: {file: e.jsonl}\nstreams: []",
            "f:1: events.file: expected a path that begins with /, found \"e.jsonl\""
        ),
        (
            "log: {level: loud}\nstreams: []",
            "f:1: log.level: expected one of trace, debug, info, notice, warning, error, found \"loud\""
        ),
        ("log: {format: xml}\nstreams: []", "f:1: log.format: expected text or json, found \"xml\""),
        (
            "streams: [{video: {kind: test}}]",
            "f:1: streams[0].name: expected a name of 1 to 64 letters, digits, - and _, found nothing: the key is missing"
        ),
        (
            "streams: [{name: a b, video: {kind: test}}]",
            "f:1: streams[0].name: expected a name of 1 to 64 letters, digits, - and _, found \"a b\""
        ),
        (
            "streams: [{name: a}]",
            "f:1: streams[0].video: expected a section of keys, found nothing: the key is missing"
        ),
        (
            "streams: [{name: a, video: {}}]",
            "f:1: streams[0].video.kind: expected one of rtsp, uri, v4l2, test, pipeline, found nothing: the key is missing"
        ),
        (
            "streams: [{name: a, video: {kind: webcam}}]",
            "f:1: streams[0].video.kind: expected one of rtsp, uri, v4l2, test, pipeline, found \"webcam\""
        ),
        (
            "streams: [{name: a, video: {kind: rtsp}}]",
            "f:1: streams[0].video.uri: expected text, found nothing: the key is missing"
        ),
        (
            "streams: [{name: a, video: {kind: rtsp, uri: 'http://x/'}}]",
            "f:1: streams[0].video.uri: expected rtsp://… or rtsps://…, found \"http://x/\""
        ),
        (
            "streams: [{name: a, video: {kind: rtsp, uri: 'rtsp://u:secret@x/'}}]",
            "f:1: streams[0].video.uri: expected an address without user and password, which belong into a credential, found \"rtsp://***@x/\""
        ),
        (
            "streams: [{name: a, video: {kind: rtsp, uri: 'rtsp://x/', transport: quic}}]",
            "f:1: streams[0].video.transport: expected tcp or udp, found \"quic\""
        ),
        (
            "streams: [{name: a, video: {kind: rtsp, uri: 'rtsp://x/', latency: -1}}]",
            "f:1: streams[0].video.latency: expected a number from 0 to 10, found \"-1\""
        ),
        (
            "streams: [{name: a, video: {kind: rtsp, uri: 'rtsp://x/', loop: true}}]",
            "f:1: streams[0].video.loop: expected one of kind, uri, transport, credential, stall_timeout, latency, found an unknown key"
        ),
        (
            "streams: [{name: a, video: {kind: uri, uri: clip.mp4}}]",
            "f:1: streams[0].video.uri: expected a path that begins with / or http://… or https://… or file://… or rtmp://… or srt://… or udp://…, found \"clip.mp4\""
        ),
        (
            "streams: [{name: a, video: {kind: v4l2, width: 1}}]",
            "f:1: streams[0].video.width: expected a whole number from 16 to 16384, found \"1\""
        ),
        (
            "streams: [{name: a, video: {kind: test, pattern: 'a ! b'}}]",
            "f:1: streams[0].video.pattern: expected a word of letters, digits, - and _, found \"a ! b\""
        ),
        (
            "streams: [{name: a, video: {kind: pipeline, file: x}}]",
            "f:1: streams[0].video.file: expected a path that begins with /, found \"x\""
        ),
        (
            "streams: [{name: a, video: {kind: test, stall_timeout: 0}}]",
            "f:1: streams[0].video.stall_timeout: expected a number from 0.5 to 600, found \"0\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, audio: {kind: same}}]",
            "f:1: streams[0].audio.kind: expected a source of its own: this video has no sound, found same"
        ),
        (
            "streams: [{name: a, video: {kind: test}, audio: {kind: mic}}]",
            "f:1: streams[0].audio.kind: expected one of same, none, rtsp, uri, alsa, pulse, pipewire, test, pipeline, found \"mic\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, audio: {kind: test, frequency: 1}}]",
            "f:1: streams[0].audio.frequency: expected a whole number from 20 to 20000, found \"1\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, audio_hop: 0}]",
            "f:1: streams[0].audio_hop: expected a number from 0.01 to 10, found \"0\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, mask_wait: 1, latency_ceiling: 0.5}]",
            "f:1: streams[0].mask_wait: expected at most latency_ceiling, 0.5, found 1.0"
        ),
        (
            "streams: [{name: a, video: {kind: test}, classes: []}]",
            "f:1: streams[0].classes: expected 1 to 1000 values, found 0"
        ),
        (
            "streams: [{name: a, video: {kind: test}, objects: {lost_after: 5, expire_after: 1}}]",
            "f:1: streams[0].objects.expire_after: expected at least lost_after, 5.0, found 1.0"
        ),
        (
            "streams: [{name: a, video: {kind: test}, outputs: [{kind: tv}]}]",
            "f:1: streams[0].outputs[0].kind: expected one of rtsp, files, hls, v4l2, window, none, found \"tv\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, outputs: [{kind: rtsp, mount: door}]}]",
            "f:1: streams[0].outputs[0].mount: expected a mount such as /door: / and then letters, digits, - and _, found \"door\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, outputs: [{kind: files, folder: /x}]}]",
            "f:1: streams[0].outputs[0].disk_budget_megabytes: expected a whole number from 10 to 100000000, found nothing: the key is missing"
        ),
        (
            "streams: [{name: a, video: {kind: test}, outputs: [{kind: window, picture: none}]}]",
            "f:1: streams[0].outputs[0].picture: expected one of overlay, clean, masks, found \"none\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, record: {folder: /x}}]",
            "f:1: streams[0].record.disk_budget_megabytes: expected a whole number from 10 to 100000000, found nothing: the key is missing"
        ),
        (
            "streams: [{name: a, video: {kind: test}, record: {folder: x, disk_budget_megabytes: 10}}]",
            "f:1: streams[0].record.folder: expected a path that begins with /, found \"x\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, record: {folder: /x, when: often, disk_budget_megabytes: 10}}]",
            "f:1: streams[0].record.when: expected one of always, events, request, found \"often\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, record: {folder: /x, seconds: 3, before: 4, disk_budget_megabytes: 10}}]",
            "f:1: streams[0].record.before: expected less than seconds, 3.0, found 4.0"
        ),
        (
            "streams: [{name: a, video: {kind: test}, outputs: [{kind: window, bitrate: 1}]}]",
            "f:1: streams[0].outputs[0].bitrate: expected a whole number from 50 to 100000, found \"1\""
        ),
        (
            "streams: [{name: a, video: {kind: test}, ouputs: []}]",
            "f:1: streams[0].ouputs: expected one of name, video, audio, outputs, paused, profile, audio_hop, image_hop, memory_hop, spread, slots, frame_rate, audio_offset, mask_wait, oldest_mask, latency_ceiling, mask_ceiling, objects, found an unknown key; did you mean outputs?"
        ),
        (
            "streams: [{name: a, video: {kind: test}}, {name: a, video: {kind: test}}]",
            "f:1: streams[1].name: expected a name of its own, found \"a\" again"
        ),
        (
            "streams: [{name: a, video: {kind: test}, outputs: [{kind: rtsp, mount: /x}, {kind: rtsp, mount: /x}]}]",
            "f:1: streams: expected each RTSP mount once, found /x in both a and a"
        ),
        (
            "rtsp: {enabled: false}\nstreams: [{name: a, video: {kind: test}, outputs: [{kind: rtsp, mount: /x}]}]",
            "f:1: rtsp: expected enabled: true where a stream has an RTSP output, found false"
        ),
        ("a: &x 1\nb: *x", "f:2: expected values written out, found the alias *x"),
    ]

    @Test("each wrong file says what is wrong, and where", arguments: wrong)
    func wrongFiles(_ text: String, _ message: String) {
        #expect(lines(text).joined(separator: "\n") == message)
    }

    @Test("everything wrong is told at once")
    func all() {
        let lines = lines("http: {port: x}\nlog: {level: y}\n" + Self.stream + "\n    paused: z")
        #expect(lines.count == 3, "\(lines)")
    }

    @Test("no message holds a password")
    func secrets() {
        for uri in ["rtsp://u:secret@x/", "http://u:secret@x/", "rtsp:/u:secret@x", "ftp://secret@x/?secret"]
        {
            let text = "streams: [{name: a, video: {kind: rtsp, uri: '\(uri)'}}]"
            let lines = lines(text).joined()
            #expect(!lines.isEmpty)
            if uri.contains("://") { #expect(!lines.contains("secret"), "\(lines)") }
        }
    }

    @Test("credentials are read from their folder, and named when they are wrong")
    func credentials() throws {
        let folder = NSTemporaryDirectory() + "/credentials-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data("user:pass:word\n".utf8).write(to: URL(filePath: folder + "/camera"))
        try Data("\n".utf8).write(to: URL(filePath: folder + "/empty"))
        let credentials = Credentials(environment: ["CREDENTIALS_DIRECTORY": folder])
        let login = try credentials.login("camera")
        #expect(login.user == "user" && login.password == "pass:word")
        func message(_ name: String, _ credentials: Credentials) -> String? {
            do {
                _ = try credentials.login(name)
                return nil
            } catch { return "\(error)" }
        }
        #expect(message("empty", credentials) == "credential empty: it is empty")
        #expect(message("none", credentials) == "credential none: there is no such credential")
        #expect(message("x", Credentials(environment: [:]))?.contains("CREDENTIALS_DIRECTORY") == true)
    }
}
