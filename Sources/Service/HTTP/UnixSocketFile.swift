// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A Unix-domain socket that appears under its name only once it has the right permissions.
///
/// It is bound in a folder of its own which nobody else may enter, and moved from there: at no moment can somebody
/// connect who may not, and what a crashed process left is replaced without a gap.
struct UnixSocketFile: Sendable {
    /// Of `sockaddr_un`, less the final zero.
    static let maxPathBytes = 107

    let path: String
    let mode: UInt32
    private let folder: String

    /// Where to bind.
    var provisionalPath: String { folder + "/s" }

    init(_ path: String, mode: UInt32) throws(HTTPSettingsError) {
        try Self.check(path)
        try Self.checkIsFree(path)
        (self.path, self.mode) = (path, mode)
        var template = Array(Self.provisionalFolder(beside: path).utf8CString)
        guard mkdtemp(&template) != nil else {
            throw HTTPSettingsError(
                .badSocketPath, "\(path): expected a folder that can be written to: \(Self.lastError)")
        }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Gives the bound socket its permissions and its name.
    func publish() throws(HTTPSettingsError) {
        defer { removeFolder() }
        guard chmod(provisionalPath, mode) == 0, rename(provisionalPath, path) == 0 else {
            throw HTTPSettingsError(.badSocketPath, "\(path): cannot be put in place: \(Self.lastError)")
        }
    }

    func removeFolder() {
        unlink(provisionalPath)
        rmdir(folder)
    }

    func remove() { unlink(path) }

    static func check(_ path: String) throws(HTTPSettingsError) {
        let longest = max(path.utf8.count, provisionalFolder(beside: path).utf8.count + 2)
        guard path.hasPrefix("/"), !path.hasSuffix("/"), longest <= maxPathBytes else {
            throw HTTPSettingsError(
                .badSocketPath,
                "expected an absolute path of at most \(maxPathBytes) bytes for the socket, found \(path)")
        }
    }

    private static func provisionalFolder(beside path: String) -> String {
        (path as NSString).deletingLastPathComponent + "/.XXXXXX"
    }

    private static func checkIsFree(_ path: String) throws(HTTPSettingsError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw HTTPSettingsError(
                .badSocketPath, "\(path): expected nothing or a socket, found another file")
        }
        guard !isAnswered(path) else {
            throw HTTPSettingsError(.socketInUse, "\(path): another process answers here")
        }
    }

    private static func isAnswered(_ path: String) -> Bool {
        let socket = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    private static var lastError: String { String(cString: strerror(errno)) }
}
