// SPDX-License-Identifier: Apache-2.0

/// What went wrong with a file, a stream or a pipeline, in one line: `subject: detail`.
package struct MediaError: Error, Sendable, CustomStringConvertible {
    package enum Code: Sendable {
        case notFound, notAFile, unreadable, empty, notMedia, truncated
        case noVideo, noAudio, noFrames, unsupported, missingPlugin
        case decode, stalled, cancelled, pastEnd, tooLarge
        case notWritable, diskFull
        case badPipeline, noSuchElement, badProperty, pipeline
        case badImage
    }

    package var code: Code
    /// The path, URI (without its password) or element.
    package var subject: String
    package var detail: String
    /// GStreamer's own words, for logs.
    package var debug: String?

    package init(_ code: Code, _ subject: String, _ detail: String, debug: String? = nil) {
        self.code = code
        self.subject = subject
        self.detail = detail
        self.debug = debug
    }

    package var description: String { "\(subject): \(detail)" }

    /// The same error told about `subject` (a path says more to the user than the name of an element).
    func about(_ subject: String) -> MediaError {
        var copy = self
        copy.detail = self.subject.isEmpty || self.subject == subject ? detail : "\(detail) (\(self.subject))"
        copy.subject = subject
        return copy
    }
}
