// SPDX-License-Identifier: Apache-2.0
import HTTPTypes
import Hummingbird

/// Who may ask for what.
struct AccessRules: Sendable {
    enum Verdict: Equatable {
        case allowed
        /// Asked for without the token what may be had without it, in parts.
        case allowedAsStranger
        case foreignHost, foreignOrigin, noToken
    }

    /// For the Unix-domain socket, which the permissions of its file guard.
    static let trusting = AccessRules()

    /// Open without a token: they tell strangers nothing but whether the daemon is well.
    private static let openPaths: Set<String> = ["/", "/healthz", "/readyz"]

    private let token: [UInt8]?
    /// Names that this machine has for itself; nil where any will do.
    private let hosts: Set<String>?

    private init() { (token, hosts) = (nil, nil) }

    init(_ settings: HTTPSettings) {
        token = settings.token.map { Array($0.utf8) }
        hosts =
            HTTPSettings.isLoopback(settings.address)
            ? ["localhost", "127.0.0.1", "::1", settings.address] : nil
    }

    func verdict(on head: HTTPRequest) -> Verdict {
        if let hosts, let authority = head.authority, !hosts.contains(Self.host(of: authority)) {
            return .foreignHost
        }
        if Self.changesSomething(head.method), Self.isFromAnotherSite(head) { return .foreignOrigin }
        guard let token, !isBearer(of: token, head.headerFields[.authorization]) else { return .allowed }
        let path = head.path.map { $0.prefix { $0 != "?" } } ?? "/"
        return Self.openPaths.contains(String(path)) ? .allowedAsStranger : .noToken
    }

    private static func changesSomething(_ method: HTTPRequest.Method) -> Bool {
        ![.get, .head, .options].contains(method)
    }

    /// Browsers tell which site a request comes from; other programs say nothing.
    private static func isFromAnotherSite(_ head: HTTPRequest) -> Bool {
        if let site = head.headerFields[.secFetchSite], !["same-origin", "none"].contains(site) {
            return true
        }
        guard let origin = head.headerFields[.origin] else { return false }
        return head.authority.map { !["http://\($0)", "https://\($0)"].contains(origin.lowercased()) } ?? true
    }

    /// `HOST`, `HOST:PORT` or `[IPv6]:PORT`, in lower case and without the port.
    private static func host(of authority: String) -> String {
        let authority = authority.lowercased()
        if authority.hasPrefix("[") { return String(authority.dropFirst().prefix { $0 != "]" }) }
        return String(authority.prefix { $0 != ":" })
    }

    private func isBearer(of token: [UInt8], _ authorization: String?) -> Bool {
        guard let authorization, authorization.lowercased().hasPrefix("bearer ") else { return false }
        return Self.areEqual(Array(authorization.utf8.dropFirst("bearer ".utf8.count)), token)
    }

    /// Takes the same time wherever the two differ.
    static func areEqual(_ given: [UInt8], _ token: [UInt8]) -> Bool {
        var difference = given.count ^ token.count
        for index in token.indices {
            difference |= Int(token[index] ^ (index < given.count ? given[index] : 0))
        }
        return difference == 0
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
    static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
    static let accelBuffering = HTTPField.Name("X-Accel-Buffering")!
}

/// What is known of a request besides itself.
struct HTTPContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Without the token where one is set.
    var isStranger = false

    init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
}

/// Lets through what the rules allow.
struct AccessMiddleware: RouterMiddleware {
    let rules: AccessRules
    let counters: HTTPCounters

    func handle(
        _ request: Request, context: HTTPContext, next: (Request, HTTPContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        switch rules.verdict(on: request.head) {
        case .allowed: break
        case .allowedAsStranger: context.isStranger = true
        case .foreignHost:
            counters.refused(.site)
            throw HTTPProblem(
                .forbidden, "the host is not this machine",
                ["expected localhost, 127.0.0.1 or [::1] as Host, found \(request.head.authority ?? "")"])
        case .foreignOrigin:
            counters.refused(.site)
            throw HTTPProblem(.forbidden, "the request comes from a page of another site")
        case .noToken:
            counters.refused(.token)
            throw HTTPProblem(
                .unauthorized, "a token is needed", ["expected Authorization: Bearer TOKEN"],
                headers: [.wwwAuthenticate: "Bearer realm=\"tavisd\""])
        }
        return try await next(request, context)
    }
}
