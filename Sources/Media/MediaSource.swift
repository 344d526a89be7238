// SPDX-License-Identifier: Apache-2.0
import CGStreamer
import Glibc

/// Where media comes from: a file, checked before anything is opened, or an address.
package struct MediaSource: Sendable {
    /// What GStreamer opens. May hold a password: never print it.
    let uri: String
    /// The file, when it is one.
    package let path: String?
    /// For messages: the path as given, or the address without its password.
    package let name: String

    /// - Parameter input: a path, or an address such as `https://…` or `file:///…`.
    /// - Throws: `MediaError` when the file is missing, is not a file, cannot be read, or is empty or cut off.
    package init(_ input: String) throws(MediaError) {
        guard let scheme = Self.scheme(of: input) else {
            self = try MediaSource(path: input, name: input)
            return
        }
        guard scheme == "file" else {
            uri = input
            path = nil
            name = Self.redacted(input)
            return
        }
        guard let path = takeString(g_filename_from_uri(input, nil, nil)) else {
            throw MediaError(.notFound, input, "not a valid file address")
        }
        self = try MediaSource(path: path, name: input)
    }

    private init(path: String, name: String) throws(MediaError) {
        try Self.check(path, name)
        try GStreamer.start()
        var failure: UnsafeMutablePointer<GError>?
        guard let uri = takeString(gst_filename_to_uri(path, &failure)) else {
            throw MediaError(.notFound, name, takeMessage(&failure))
        }
        self.uri = uri
        self.path = path
        self.name = name
    }

    private static func check(_ path: String, _ name: String) throws(MediaError) {
        guard !path.isEmpty, !path.utf8.contains(0) else {
            throw MediaError(.notFound, name, "not a valid path")
        }
        var info = stat()
        guard stat(path, &info) == 0 else {
            throw MediaError(errno == ENOENT ? .notFound : .unreadable, name, systemMessage(errno))
        }
        if info.st_mode & S_IFMT == S_IFDIR { throw MediaError(.notAFile, name, "is a directory") }
        guard info.st_mode & S_IFMT == S_IFREG else {
            throw MediaError(.notAFile, name, "is not a regular file")
        }
        guard access(path, R_OK) == 0 else { throw MediaError(.unreadable, name, systemMessage(errno)) }
        guard info.st_size > 0 else { throw MediaError(.empty, name, "the file is empty") }
        try MP4File.checkComplete(path, name)
    }

    /// The scheme of `scheme://…`, in lower case; nil for a path.
    private static func scheme(of input: String) -> String? {
        guard let end = input.utf8.firstIndex(of: UInt8(ascii: ":")), input[end...].hasPrefix("://") else {
            return nil
        }
        let scheme = input[..<end]
        let isScheme = scheme.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20
                || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || [0x2B, 0x2D, 0x2E].contains(byte)
        }
        return isScheme && !scheme.isEmpty ? scheme.lowercased() : nil
    }

    /// The address with `***` for user, password and the values of its query.
    package static func redacted(_ uri: String) -> String {
        guard let authority = uri.range(ofText: "://")?.upperBound else { return uri }
        let end = uri[authority...].firstIndex { "/?#".contains($0) } ?? uri.endIndex
        var result = String(uri[..<authority])
        if let at = uri[authority..<end].lastIndex(of: "@") {
            result += "***" + uri[at..<end]
        } else {
            result += uri[authority..<end]
        }
        let rest = uri[end...]
        guard let query = rest.firstIndex(of: "?") else { return result + rest }
        return result + rest[..<query] + "?***"
    }
}

extension String {
    fileprivate func range(ofText text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// The system's words for an error number.
func systemMessage(_ code: Int32) -> String { String(cString: strerror(code)).lowercased() }
