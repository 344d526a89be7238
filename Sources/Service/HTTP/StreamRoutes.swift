// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import Streaming

/// State and control of streams.
extension HTTPResources {
    /// Longest recording that can be asked for.
    private static let maxRecordSeconds = 3600.0

    func status(_ request: Request, _ context: HTTPContext) throws -> Response {
        try .json(stream(context))
    }

    func add(_ request: Request, _ context: HTTPContext) async throws -> Response {
        let status = try await control.add(request.text(upTo: settings.limits.bodyBytes))
        let name = status.name.addingPercentEncoding(withAllowedCharacters: .urlPathSegment) ?? ""
        return try .json(status, status: .created, headers: [.location: "/v1/streams/\(name)"])
    }

    func remove(_ request: Request, _ context: HTTPContext) async throws -> Response {
        try await control.remove(name(context))
        return Response(status: .noContent)
    }

    func setPaused(_ isPaused: Bool, _ context: HTTPContext) async throws -> Response {
        try await control.setPaused(isPaused, name(context))
        return try .json(stream(context))
    }

    func resetMemory(_ request: Request, _ context: HTTPContext) async throws -> Response {
        try await control.resetMemory(name(context))
        return try .json(stream(context))
    }

    func setClasses(_ request: Request, _ context: HTTPContext) async throws -> Response {
        let text = try await request.text(upTo: settings.limits.bodyBytes)
        let classes = try JSONText.decode([String].self, text, expected: #"["dog", "violin"]"#)
        try await control.setClasses(classes, name(context))
        return try .json(stream(context))
    }

    func record(_ request: Request, _ context: HTTPContext) async throws -> Response {
        let text = try await request.text(upTo: settings.limits.bodyBytes)
        let expected = #"{"seconds": 10}"#
        let wish = try JSONText.decode([String: Double].self, text, expected: expected)
        guard let seconds = wish["seconds"], wish.count == 1 else {
            throw HTTPProblem(.unprocessableContent, "the body has other contents", ["expected \(expected)"])
        }
        guard seconds > 0, seconds <= Self.maxRecordSeconds else {
            let limit = Int(Self.maxRecordSeconds)
            throw HTTPProblem(
                .unprocessableContent, "the length is out of range",
                ["expected more than 0 and at most \(limit) seconds, found \(seconds)"])
        }
        try await control.record(name(context), seconds: seconds)
        return try .json(stream(context), status: .accepted)
    }

    // MARK: Names

    /// The name in the path.
    func name(_ context: HTTPContext) throws -> String {
        let part = try context.parameters.require("name")
        guard let name = part.removingPercentEncoding else {
            throw HTTPProblem(.badRequest, "the path is not encoded well", [part])
        }
        return name
    }

    /// - Throws: 404 where there is none of this name.
    func stream(_ context: HTTPContext) throws -> StreamStatus {
        let name = try name(context)
        guard let status = control.stream(name) else {
            throw HTTPProblem(DaemonError(.noSuchStream, "there is no stream \(name)"))
        }
        return status
    }
}

extension CharacterSet {
    fileprivate static let urlPathSegment = urlPathAllowed.subtracting(CharacterSet(charactersIn: "/;"))
}
