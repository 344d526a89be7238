// SPDX-License-Identifier: Apache-2.0

/// Something that stops a run, in one line: `subject: detail`.
package struct StreamError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable { case cannotWrite, diskFull, badOption, model }

    package var code: Code
    package var subject: String
    package var detail: String

    package init(_ code: Code, _ subject: String, _ detail: String) {
        (self.code, self.subject, self.detail) = (code, subject, detail)
    }

    package var description: String { "\(subject): \(detail)" }
}
