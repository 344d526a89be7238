// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird

extension Response {
    /// A JSON answer with keys in snake_case.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:])
        throws -> Response
    {
        let body = try JSONText.encode(value)
        var headers = headers
        headers[.contentType] = "application/json; charset=utf-8"
        return Response(status: status, headers: headers, body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

/// JSON on one line, as all answers and events have it.
enum JSONText {
    static func encode(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The level of perfect silence is minus infinity.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return try encoder.encode(value)
    }

    /// - Throws: `HTTPProblem`: 400 for what is no JSON, 422 for what is other JSON than expected.
    static func decode<Value: Decodable>(_ type: Value.Type, _ text: String, expected: String)
        throws(HTTPProblem) -> Value
    {
        do { return try JSONDecoder().decode(type, from: Data(text.utf8)) } catch let error as DecodingError {
            if case .dataCorrupted = error {
                throw HTTPProblem(.badRequest, "the body is not JSON", ["expected \(expected)"])
            }
            throw HTTPProblem(.unprocessableContent, "the body has other contents", ["expected \(expected)"])
        } catch { throw HTTPProblem(.badRequest, "the body is not JSON", ["expected \(expected)"]) }
    }
}

extension Request {
    /// The body as text.
    ///
    /// - Throws: `HTTPProblem` where it is no UTF-8, `NIOTooManyBytesError` where it is too large.
    func text(upTo limit: Int) async throws -> String {
        let bytes = try await body.collect(upTo: limit)
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw HTTPProblem(.badRequest, "the body is not UTF-8")
        }
        return text
    }
}
