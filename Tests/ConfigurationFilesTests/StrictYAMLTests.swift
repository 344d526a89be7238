// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ConfigurationFiles

/// A made-up file: every kind of value, none of it about training.
private struct Garden: Equatable {
    enum Color: String, CaseIterable { case red, green, yellow }
    enum Fence: String, CaseIterable { case wood, wire }

    var name = "", beds = 0, share: Float = 0, isOpen = false, color = Color.red
    var tags: [String] = [], depth: Int?, trees: [String] = [], posts: Int?

    init(_ top: YAMLSection) {
        name = top.value("name", .string)
        beds = top.value("beds", .int(1...8), default: 2)
        share = top.value("share", .number(0...1), default: 0.5)
        isOpen = top.value("open", .bool, default: false)
        color = top.value("color", .choice(), default: .green)
        tags = top.list("tags", .string, default: ["a", "b"])
        depth = top.section("pond").optional("depth", .int(1...Int.max))
        trees = top.sections("trees", count: 1...3, isRequired: false).map { $0.value("kind", .string) }
        let fence = top.section("fence")
        if fence.kind("of", .choice(Fence.self), default: .wire) == .wood {
            posts = fence.value("posts", .int(0...100))
        }
    }
}

@Suite("Strict YAML")
struct StrictYAMLTests {
    private func garden(_ text: String) throws -> (value: Garden, settings: [YAMLSetting]) {
        try StrictYAML.read(text, file: "g.yaml") { Garden($0) }
    }

    private func problems(_ text: String) -> [String] {
        do {
            _ = try garden(text)
            return []
        } catch { return (error as? ConfigurationError)?.lines ?? ["\(error)"] }
    }

    @Test("values of all types are read")
    func values() throws {
        let read = try garden(
            """
            name: "no"
            beds: 3
            share: 2.5e-1
            open: true
            color: yellow
            tags: [x, 12]
            pond: {depth: 7}
            trees:
              - kind: oak
              - kind: elm
            fence:
              of: wood
              posts: 9
            """
        ).value
        #expect(read.name == "no" && read.beds == 3 && read.share == 0.25 && read.isOpen)
        #expect(read.color == .yellow && read.tags == ["x", "12"] && read.depth == 7)
        #expect(read.trees == ["oak", "elm"] && read.posts == 9)
    }

    @Test("what is left out has its default, and is told among the settings")
    func defaults() throws {
        let read = try garden("name: small")
        #expect(read.value.beds == 2 && read.value.color == .green && read.value.depth == nil)
        let settings = Dictionary(uniqueKeysWithValues: read.settings.map { ($0.key, $0.value) })
        #expect(
            settings == [
                "name": "small", "beds": "2", "share": "0.5", "open": "false", "color": "green",
                "tags": "a, b", "fence.of": "wire",
            ])
    }

    @Test(
        "what is wrong is named with its line",
        arguments: [
            ("", ["g.yaml: expected keys and values, found nothing"]),
            ("- a", ["g.yaml:1: expected keys and values, found a list"]),
            ("word", ["g.yaml:1: expected keys and values, found a single value"]),
            ("beds: 1", ["g.yaml:1: name: expected text, found nothing: the key is missing"]),
            ("name:\nbeds: 1", ["g.yaml:1: name: expected text, found nothing"]),
            ("name: a\nbeds: 9", ["g.yaml:2: beds: expected a whole number from 1 to 8, found \"9\""]),
            ("name: a\nbeds: \"3\"", ["g.yaml:2: beds: expected a whole number from 1 to 8, found \"3\""]),
            ("name: a\nbeds: 0x3", ["g.yaml:2: beds: expected a whole number from 1 to 8, found \"0x3\""]),
            ("name: a\nbeds: [3]", ["g.yaml:2: beds: expected a whole number from 1 to 8, found a list"]),
            ("name: a\nshare: .nan", ["g.yaml:2: share: expected a number from 0 to 1, found \".nan\""]),
            ("name: a\nshare: 1e99", ["g.yaml:2: share: expected a number from 0 to 1, found \"1e99\""]),
            ("name: a\nopen: yes", ["g.yaml:2: open: expected true or false, found \"yes\""]),
            (
                "name: a\n\ncolor: gren",
                [
                    "g.yaml:3: color: expected one of red, green, yellow, found \"gren\"; did you mean green?"
                ]
            ),
            ("name: a\ntags: x", ["g.yaml:2: tags: expected a list of values, found \"x\""]),
            ("name: a\ntags: [x, [y]]", ["g.yaml:2: tags[1]: expected text, found a list"]),
            ("name: a\npond: 3", ["g.yaml:2: pond: expected a section of keys, found \"3\""]),
            (
                "name: a\npond:\n  dept: 3",
                ["g.yaml:3: pond.dept: expected depth, found an unknown key; did you mean depth?"]
            ),
            ("name: a\ntrees: []", ["g.yaml:2: trees: expected 1 to 3 sections, found 0"]),
            (
                "name: a\ntrees:\n - kind: x\n - oak",
                ["g.yaml:4: trees[1]: expected a section of keys, found \"oak\""]
            ),
            (
                "name: a\nfence: {of: wood}",
                [
                    "g.yaml:2: fence.posts: expected a whole number from 0 to 100, found nothing: the key is missing"
                ]
            ),
            // It is not known whether posts belong to such a fence.
            (
                "name: a\nfence: {of: stone, posts: 3}",
                ["g.yaml:2: fence.of: expected wood or wire, found \"stone\""]
            ),
            ("name: a\nfence: {posts: 3}", ["g.yaml:2: fence.posts: expected of, found an unknown key"]),
            (
                "name: a\nbeds: 1\nname: b",
                ["g.yaml:1: name: expected each key once, found it more than once"]
            ),
            ("1: a\n\"1\": b\nname: c", ["g.yaml:2: 1: expected each key once, found it more than once"]),
            ("? [a]\n: b\nname: c", ["g.yaml:1: expected a name before the colon, found a list"]),
            ("name: &n a\ncolor: *n", ["g.yaml:2: expected values written out, found the alias *n"]),
            (
                "name: a\n--- \nname: b",
                [
                    "g.yaml:2: expected valid YAML, found \"expected a single document in the stream, but found another document\""
                ]
            ),
        ] as [(String, [String])])
    func wrong(text: String, expected: [String]) {
        let found = problems(text)
        // Where 1 is given twice it is unknown as well.
        #expect(Array(found.filter { !$0.contains("1: expected one of name") }.prefix(2)) == expected)
    }

    @Test("all problems come together, in the order of lines")
    func together() {
        let found = problems("beds: 0\nshare: x\nwidth: 3\npond:\n  depth: -1\n")
        #expect(found.map { $0.split(separator: ":")[1] } == ["1", "1", "2", "3", "5"])
        #expect(found.joined().contains("width: expected one of name, beds, share"))
    }

    @Test("broken syntax is an error with its line")
    func syntax() {
        #expect(
            problems("name: a\nbeds: [1, 2\nopen: true").first?.hasPrefix("g.yaml:3: expected valid YAML")
                == true)
        #expect(problems("name: a\n\tbeds: 1").first?.hasPrefix("g.yaml:2: expected valid YAML") == true)
        #expect(problems("name: a\nbeds: \u{1}").first?.hasPrefix("g.yaml:2: expected valid YAML") == true)
        #expect(problems("name: \"a").first?.contains("expected valid YAML") == true)
    }

    @Test("long values are cut in messages")
    func long() throws {
        let line = try #require(problems("name: a\nbeds: \(String(repeating: "x", count: 5000))").first)
        #expect(line.count < 150)
    }

    @Test("a few aliases that stand for billions of values are refused at once")
    func bomb() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for i in 1..<12 {
            let all = Array(repeating: "*a\(i - 1)", count: 10).joined(separator: ",")
            text += "a\(i): &a\(i) [\(all)]\n"
        }
        #expect(
            problems(text + "? *a11\n: 1\nname: b") == [
                "g.yaml:2: expected values written out, found the alias *a0"
            ])
    }

    @Test("stars and ampersands in text are no aliases")
    func stars() throws {
        #expect(
            try garden("name: 'R&D *draft* & more'\ntags: [\"*.png\", a&b]").value.tags == ["*.png", "a&b"])
    }

    @Test("levels are bounded", arguments: [31, 900, 100_000])
    func depth(levels: Int) {
        let text =
            "name: a\ntags: " + String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        #expect(!problems(text).isEmpty)
        if levels == 31 { #expect(problems(text) == ["g.yaml:2: tags[0]: expected text, found a list"]) }
        if levels == 900 {
            #expect(problems(text) == ["g.yaml:2: expected at most 32 levels, found a deeper one"])
        }
    }

    @Test("files that are none, too large or no text are errors")
    func files() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tavisd-yaml-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func problem(_ name: String, _ content: Data?) throws -> String? {
            let path = folder.appending(path: name).path
            if let content { try content.write(to: URL(fileURLWithPath: path)) }
            do {
                _ = try StrictYAML.read(file: path) { Garden($0) }
                return nil
            } catch { return error.lines.first?.replacing(path, with: "F") }
        }
        #expect(try problem("none", nil) == "F: expected a file, found nothing under this name")
        #expect(try problem("", nil)?.hasSuffix("expected a file, found a folder") == true)
        #expect(
            try problem("large", Data(repeating: 0x20, count: 1 << 20 | 1))
                == "F: expected at most 1048576 bytes, found more")
        #expect(
            try problem("binary", Data([0x61, 0xFF, 0xFE])) == "F: expected UTF-8 text, found other bytes")
        #expect(try problem("good", Data("name: a".utf8)) == nil)
    }

    @Test("slips of the finger are recognised, other words are not")
    func slips() {
        let names = ["rate", "final_rate", "warmup", "schedule"]
        #expect(nearestName(to: "rtae", among: names) == "rate")
        #expect(nearestName(to: "shedule", among: names) == "schedule")
        #expect(nearestName(to: "final-rate", among: names) == "final_rate")
        #expect(nearestName(to: "momentum", among: names) == nil)
        #expect(nearestName(to: "x", among: []) == nil)
    }
}
