// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Secrets as systemd hands them over: files in the folder that `CREDENTIALS_DIRECTORY` names, one for each
/// credential. They are read when they are needed and kept nowhere else.
package struct Credentials: Sendable {
    private let folder: String?
    private static let maxBytes = 4096

    package init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        folder = environment["CREDENTIALS_DIRECTORY"]
    }

    /// The text of a credential without the line break at its end.
    ///
    /// - Throws: `CredentialError` that names the credential, never its text.
    package func text(_ name: String) throws(CredentialError) -> String {
        guard let folder else {
            throw CredentialError(
                name: name, detail: "there are no credentials: CREDENTIALS_DIRECTORY is not set")
        }
        guard let handle = FileHandle(forReadingAtPath: "\(folder)/\(name)"),
            let data = try? handle.read(upToCount: Self.maxBytes + 1)
        else { throw CredentialError(name: name, detail: "there is no such credential") }
        guard data.count <= Self.maxBytes, let text = String(validating: data, as: UTF8.self) else {
            throw CredentialError(name: name, detail: "expected at most \(Self.maxBytes) bytes of text")
        }
        let trimmed = text.trimmingCharacters(in: .newlines)
        guard !trimmed.isEmpty else { throw CredentialError(name: name, detail: "it is empty") }
        return trimmed
    }

    /// A credential of the form `user:password`.
    package func login(_ name: String) throws(CredentialError) -> (user: String, password: String) {
        let text = try text(name)
        guard let colon = text.firstIndex(of: ":") else {
            throw CredentialError(name: name, detail: "expected user:password")
        }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}

package struct CredentialError: Error, Sendable, Equatable, CustomStringConvertible {
    package var name: String
    package var detail: String
    package var description: String { "credential \(name): \(detail)" }
}
