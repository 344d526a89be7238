// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Media
import Testing

/// Where a program that notifies systemd sends what it says.
private final class NotifySocket {
    let path: String
    private let descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyBytes(from: Array(path.utf8).prefix($0.count - 1))
        }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(code == 0)
    }

    /// What has been said since the last look.
    func said() -> [String] {
        var all: [String] = []
        var bytes = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { return all }
            all.append(String(decoding: bytes[..<count], as: UTF8.self))
        }
    }

    deinit { close(descriptor) }
}

@Suite("Time of day", .serialized)
struct LiveClockTests {
    private let place: Workplace

    init() throws { place = try Workplace() }

    /// For the program it is an hour later than for the kernel. So any wait that ends at a time of day lasts an hour longer,
    /// as one does that has begun when the clock is set back by an hour.
    private static let hourAhead = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <time.h>
        int clock_gettime(clockid_t id, struct timespec *time) {
            static int (*real)(clockid_t, struct timespec *);
            if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
            int code = real(id, time);
            if (id == CLOCK_REALTIME) time->tv_sec += 3600;
            return code;
        }
        """

    @Test(
        "a clock that is set back by an hour holds nothing up: sources come back, the watchdog is told, files are closed"
    )
    func setBack() throws {
        let (source, library) = (place.path("clock.c"), place.path("clock.so"))
        try Data(Self.hourAhead.utf8).write(to: URL(filePath: source))
        try #require(try place.tool("clang", "-shared", "-fPIC", "-o", library, source))
        var camera: FilmCamera? = try .grey()
        let port = try #require(camera).server.port
        let manager = try NotifySocket(place.path("n"))
        let start = Date()
        let daemon = try place.daemon(
            place.daemonHead + """
                events: {file: \(place.path("events.jsonl"))}
                streams:
                  - name: grey
                    video: {kind: rtsp, uri: "rtsp://127.0.0.1:\(port)/grey", stall_timeout: 2}
                    outputs: [{kind: files, folder: \(place.path("files")), disk_budget_megabytes: 50}]
                    record: {folder: \(place.path("clips")), when: always, disk_budget_megabytes: 50}
                """,
            shell: "export LD_PRELOAD='\(library)' NOTIFY_SOCKET='\(manager.path)' WATCHDOG_USEC=2000000")
        #expect(wait(20) { isUp() }, "\(daemon.said)")
        camera?.stop()
        camera = nil
        #expect(wait(10) { !isUp() })
        // Tries go on meanwhile, with longer and longer waits.
        Thread.sleep(forTimeInterval: 6)
        _ = manager.said()
        camera = try .grey(port: port)
        let back = MediaClock.now
        #expect(wait(10) { isUp() })
        let seconds = (MediaClock.now - back).seconds
        Thread.sleep(forTimeInterval: 3)
        let told = manager.said().count { $0.contains("WATCHDOG=1") }
        print("an hour back: live again after \(seconds) s, the watchdog told \(told) times since")
        #expect(seconds <= 5 && told >= 2)
        let end = MediaClock.now
        daemon.send(SIGTERM)
        #expect(try daemon.wait().code == 0)
        #expect(MediaClock.now - end < .seconds(10))
        camera?.stop()
        let event = try String(contentsOfFile: place.path("events.jsonl"), encoding: .utf8).firstMatch(
            of: /"time":(\d+)/)
        let time = try #require(event.flatMap { Double($0.1) })
        #expect(time > start.timeIntervalSince1970 + 3500, "the clock was as always")
    }

    private func isUp() -> Bool { (try? place.statuses().first?.video.isUp) ?? false }
}
