// SPDX-License-Identifier: Apache-2.0
import ConfigurationFiles
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1

/// An answer that tells what went wrong: `{"error": …, "detail": […]}`.
struct HTTPProblem: Error, Equatable {
    var status: HTTPResponse.Status
    /// A fixed phrase.
    var phrase: String
    var detail: [String]
    var headers: HTTPFields

    init(
        _ status: HTTPResponse.Status, _ phrase: String, _ detail: [String] = [], headers: HTTPFields = [:]
    ) {
        (self.status, self.phrase, self.detail, self.headers) = (status, phrase, detail, headers)
    }

    /// - Returns: nil for what nobody foresaw.
    init?(_ error: any Error) {
        switch error {
        case let problem as HTTPProblem: self = problem
        case let error as DaemonError: self.init(error)
        case let error as ConfigurationError:
            self.init(.unprocessableContent, "the configuration is wrong", error.lines)
        case is NIOTooManyBytesError: self.init(.contentTooLarge, "the body is too large")
        case let error as HTTPError:
            let phrase = error.status == .notFound ? "no such path" : error.status.reasonPhrase.lowercased()
            self.init(error.status, phrase, error.body.map { [$0] } ?? [], headers: error.headers)
        default: return nil
        }
    }

    init(_ error: DaemonError) {
        switch error.code {
        case .noSuchStream: self.init(.notFound, "no such stream", [error.detail])
        case .alreadyExists: self.init(.conflict, "it exists already", [error.detail])
        case .notPossible: self.init(.conflict, "not possible now", [error.detail])
        case .busy: self.init(.serviceUnavailable, "busy", [error.detail], headers: [.retryAfter: "1"])
        }
    }

    private struct Body: Encodable {
        var error: String
        var detail: [String]
    }

    func response() throws -> Response {
        var response = try Response.json(Body(error: phrase, detail: detail), status: status)
        for field in headers { response.headers[field.name] = field.value }
        return response
    }
}

/// Turns errors into answers, adds what every answer carries, and counts.
struct AnswerMiddleware: RouterMiddleware {
    typealias Context = HTTPContext

    let counters: HTTPCounters

    func handle(
        _ request: Request, context: HTTPContext, next: (Request, HTTPContext) async throws -> Response
    ) async throws -> Response {
        var response: Response
        do { response = try await next(request, context) } catch {
            // A request that cannot be read is answered where it is read.
            if error is CancellationError || error is HTTPParserError { throw error }
            response = try answer(to: error, request, context).response()
        }
        response.headers[.cacheControl] = "no-store"
        response.headers[.xContentTypeOptions] = "nosniff"
        response.headers[.crossOriginResourcePolicy] = "same-origin"
        response.headers[.referrerPolicy] = "no-referrer"
        counters.answered(response.status.code)
        return response
    }

    private func answer(to error: any Error, _ request: Request, _ context: HTTPContext) -> HTTPProblem {
        if let problem = HTTPProblem(error) { return problem }
        context.logger.error(
            "request failed",
            metadata: ["method": "\(request.method)", "path": "\(request.uri.path)", "error": "\(error)"])
        return HTTPProblem(.internalServerError, "internal error")
    }
}
