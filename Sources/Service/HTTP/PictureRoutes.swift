// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird
import HummingbirdCore
import ServiceLifecycle
import Streaming

/// The newest picture, once and again and again.
extension HTTPResources {
    /// Sent before each picture of a preview.
    private static let boundary = "tavisd-picture"
    private static let widths = 16...7680

    /// `GET …/snapshot.jpg`: 404 without the stream, 503 before its first picture, 304 where the client has it.
    func snapshot(_ request: Request, _ context: HTTPContext) async throws -> Response {
        guard let picture = try await pictures.newest(key(request, context)) else {
            throw HTTPProblem(
                .serviceUnavailable, "there is no picture yet", headers: [.retryAfter: "1"])
        }
        let headers: HTTPFields = [.contentType: "image/jpeg", .eTag: picture.tag]
        if request.headers[.ifNoneMatch] == picture.tag {
            return Response(status: .notModified, headers: [.eTag: picture.tag])
        }
        return Response(status: .ok, headers: headers, body: .init(byteBuffer: picture.jpeg))
    }

    /// `GET …/preview.mjpg`: picture after picture, for as long as there is a client.
    func preview(_ request: Request, _ context: HTTPContext) throws -> Response {
        let key = try key(request, context)
        let place = try place(.preview)
        return Response(
            status: .ok,
            headers: [
                .contentType: "multipart/x-mixed-replace; boundary=\(Self.boundary)", .accelBuffering: "no",
            ],
            body: ResponseBody { writer in
                defer { withExtendedLifetime(place) {} }
                try await request.whileConnected { try await writePictures(key, to: &writer) }
                try await writer.finish(nil)
            })
    }

    /// A write waits until the client has read; then the newest picture is next, so nothing piles up.
    private func writePictures(_ key: PictureCache.Key, to writer: inout any ResponseBodyWriter)
        async throws
    {
        try await writer.write(ByteBuffer(string: "--\(Self.boundary)\r\n"))
        var last: String?
        while !Task.isShuttingDownGracefully, control.stream(key.stream) != nil {
            let next = ContinuousClock.now + .seconds(settings.previewSeconds)
            if let picture = try await pictures.newest(key), picture.tag != last {
                try await writer.write(contentsOf: Self.part(picture))
                last = picture.tag
            }
            try await Task.sleep(until: next, clock: .continuous)
        }
    }

    /// Ends with the boundary of the next: browsers show a picture only when they have seen that.
    private static func part(_ picture: PictureCache.Picture) -> [ByteBuffer] {
        let length = picture.jpeg.readableBytes
        let head = "Content-Type: image/jpeg\r\nContent-Length: \(length)\r\n\r\n"
        return [ByteBuffer(string: head), picture.jpeg, ByteBuffer(string: "\r\n--\(boundary)\r\n")]
    }

    /// What a request asks for: `?clean=1` without what was found, `?width=N` not wider than that.
    private func key(_ request: Request, _ context: HTTPContext) throws -> PictureCache.Key {
        let name = try stream(context).name
        let query = request.uri.queryParameters
        guard let width = query["width"] else {
            return .init(stream: name, isOverlaid: query["clean"] != "1", maxWidth: nil)
        }
        guard let number = Int(width), Self.widths.contains(number) else {
            throw HTTPProblem(
                .badRequest, "the width is out of range",
                ["expected \(Self.widths.lowerBound) to \(Self.widths.upperBound), found \(width)"])
        }
        return .init(stream: name, isOverlaid: query["clean"] != "1", maxWidth: number)
    }
}
