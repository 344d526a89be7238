// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import Streaming

/// What all listeners share, and what each path leads to.
struct HTTPResources: Sendable {
    typealias Handler = @Sendable (Request, HTTPContext) async throws -> Response

    let settings: HTTPSettings
    let control: any DaemonControl
    let counters = HTTPCounters()
    let pictures: PictureCache

    init(_ settings: HTTPSettings, control: any DaemonControl, jpeg: @escaping HTTPServer.JPEGEncoder) {
        (self.settings, self.control) = (settings, control)
        pictures = PictureCache(control, jpeg: jpeg, freshSeconds: settings.previewSeconds / 2)
    }

    func router(_ access: AccessRules) -> Router<HTTPContext> {
        let router = Router(context: HTTPContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: AnswerMiddleware(counters: counters))
        router.add(middleware: AccessMiddleware(rules: access, counters: counters))
        for (path, handlers) in routes { router.on(path, handlers) }
        return router
    }

    private var routes: [(String, [HTTPRequest.Method: Handler])] {
        [
            ("/", [.get: { _, _ in StatusPage.response }]),
            ("/healthz", [.get: { _, context in try health(context, isGood: \.isLive) }]),
            ("/readyz", [.get: { _, context in try health(context, isGood: \.isReady) }]),
            ("/metrics", [.get: { _, _ in metrics }]),
            ("/events", [.get: events]),
            ("/v1/reload", [.post: reload]),
            ("/v1/streams", [.get: { _, _ in try .json(control.streams()) }, .post: add]),
            ("/v1/streams/:name", [.get: status, .delete: remove]),
            ("/v1/streams/:name/pause", [.post: { try await setPaused(true, $1) }]),
            ("/v1/streams/:name/resume", [.post: { try await setPaused(false, $1) }]),
            ("/v1/streams/:name/reset-memory", [.post: resetMemory]),
            ("/v1/streams/:name/classes", [.put: setClasses]),
            ("/v1/streams/:name/record", [.post: record]),
            ("/v1/streams/:name/objects", [.get: { try .json(stream($1).objects) }]),
            ("/v1/streams/:name/snapshot.jpg", [.get: snapshot]),
            ("/v1/streams/:name/preview.mjpg", [.get: preview]),
        ]
    }

    // MARK: The daemon as a whole

    private func health(_ context: HTTPContext, isGood: (DaemonHealth) -> Bool) throws -> Response {
        var health = control.health
        // What is amiss names streams and addresses.
        if context.isStranger { health.problems = [] }
        return try .json(health, status: isGood(health) ? .ok : .serviceUnavailable)
    }

    private var metrics: Response {
        let text = PrometheusText.text(of: control.metrics + counters.metrics)
        return Response(
            status: .ok, headers: [.contentType: PrometheusText.mediaType],
            body: .init(byteBuffer: ByteBuffer(string: text)))
    }

    private func reload(_ request: Request, _ context: HTTPContext) async throws -> Response {
        try .json(await control.reload())
    }
}

extension Router where Context == HTTPContext {
    private static var methods: [HTTPRequest.Method] {
        [.get, .head, .post, .put, .delete, .patch, .options, .trace, .connect]
    }

    /// Leads a path to handlers by method, and other methods to an answer that tells which there are.
    fileprivate func on(_ path: String, _ handlers: [HTTPRequest.Method: HTTPResources.Handler]) {
        var allowed = Set(handlers.keys)
        if allowed.contains(.get) { allowed.insert(.head) }
        let list = Self.methods.filter(allowed.contains).map(\.rawValue).joined(separator: ", ")
        for (method, handler) in handlers { on(RouterPath(path), method: method, use: handler) }
        for method in Self.methods where !allowed.contains(method) {
            on(RouterPath(path), method: method) { _, _ -> Response in
                throw HTTPProblem(
                    .methodNotAllowed, "the method is not allowed here",
                    ["expected \(list), found \(method)"],
                    headers: [.allow: list])
            }
        }
    }
}
