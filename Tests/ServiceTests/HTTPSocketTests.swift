// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Service

@Suite("The socket for control on this machine")
struct HTTPSocketTests {
    /// A folder that is gone afterwards.
    private func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "tavis-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder.path)
    }

    private func ask(_ path: String, _ request: String) async throws -> HTTPTestClient.Answer {
        try await blocking {
            let client = try HTTPTestClient(path: path)
            try client.send(request)
            return try client.readAnswer()
        }
    }

    @Test(
        "it needs no token, has the permissions asked for, and is gone afterwards", arguments: [0o600, 0o660])
    func permissions(mode: UInt32) async throws {
        try await inFolder { folder in
            let path = folder + "/ctl.sock"
            let change: @Sendable (inout HTTPSettings) -> Void = {
                ($0.token, $0.socketPath, $0.socketMode) = ("correct-horse", path, mode)
            }
            try await HTTPTestServer.serve(StandInDaemon("door"), settings: change) { server in
                #expect(
                    Set(server.places) == [
                        .unixSocket(path: path), .tcp(address: "127.0.0.1", port: server.port),
                    ])
                var status = stat()
                #expect(lstat(path, &status) == 0)
                #expect(status.st_mode == S_IFSOCK | mode)
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["ctl.sock"])
                let answer = try await ask(path, "POST /v1/streams/door/pause HTTP/1.1\r\nHost: any\r\n\r\n")
                #expect(answer.status == 200)
                #expect(try await server.get("/v1/streams").status == 401)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
        }
    }

    @Test("it can be all there is")
    func alone() async throws {
        try await inFolder { folder in
            let path = folder + "/ctl.sock"
            let change: @Sendable (inout HTTPSettings) -> Void = { ($0.port, $0.socketPath) = (nil, path) }
            try await HTTPTestServer.serve(StandInDaemon("door"), settings: change) { server in
                #expect(server.places == [.unixSocket(path: path)])
                let health = try await ask(path, "GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
                #expect(health.status == 200)
            }
        }
    }

    @Test("what a crashed process left is replaced; a living one and other files are not")
    func taken() async throws {
        try await inFolder { folder in
            let path = folder + "/ctl.sock"
            let use: @Sendable (inout HTTPSettings) -> Void = { ($0.port, $0.socketPath) = (nil, path) }
            try leaveSocket(at: path)
            try await HTTPTestServer.serve(StandInDaemon(), settings: use) { server in
                await #expect(throws: HTTPSettingsError.self) {
                    try await HTTPTestServer.serve(StandInDaemon(), settings: use) { _ in }
                }
                let health = try await ask(path, "GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n")
                #expect(health.status == 200)
            }
            try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
            let error = await #expect(throws: HTTPSettingsError.self) {
                try await HTTPTestServer.serve(StandInDaemon(), settings: use) { _ in }
            }
            #expect(error?.code == .badSocketPath)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("precious".utf8))
        }
    }

    @Test("a folder that is not there is an error, and so is a port that is taken")
    func cannotListen() async throws {
        let error = await #expect(throws: HTTPSettingsError.self) {
            try await HTTPTestServer.serve(
                StandInDaemon(), settings: { $0.socketPath = "/nowhere/at/all/ctl" }
            ) { _ in
            }
        }
        #expect(error?.code == .badSocketPath)
        try await HTTPTestServer.serve { server in
            let port = server.port
            await #expect(throws: (any Error).self) {
                try await HTTPTestServer.serve(StandInDaemon(), settings: { $0.port = port }) { _ in }
            }
        }
    }

    /// A socket that nobody listens at any more.
    private func leaveSocket(at path: String) throws {
        let file = try UnixSocketFile(path, mode: 0o600)
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: file.provisionalPath.utf8) }
        let bound = withUnsafeBytes(of: &address) {
            bind(socket, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        #expect(bound == 0)
        try file.publish()
    }
}
