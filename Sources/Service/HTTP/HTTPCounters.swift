// SPDX-License-Identifier: Apache-2.0
import Streaming
import Synchronization

/// What the HTTP interface counts of itself.
final class HTTPCounters: Sendable {
    /// Clients that stay connected.
    enum ClientKind: String, CaseIterable, Sendable { case events, preview }
    enum Refusal: String, CaseIterable, Sendable {
        /// Too many clients that stay.
        case clients
        /// Its client read nothing for too long.
        case stalled
        /// No token, or a wrong one.
        case token
        /// Sent by a page of another site.
        case site
    }

    private struct State {
        var connections = 0
        var requests: [Int: Int] = [:]
        var clients: [ClientKind: Int] = [:]
        var refusals: [Refusal: Int] = [:]
    }

    private let state = Mutex(State())

    func connectionOpened() { state.withLock { $0.connections += 1 } }
    func connectionClosed() { state.withLock { $0.connections -= 1 } }
    func answered(_ status: Int) { state.withLock { $0.requests[status, default: 0] += 1 } }
    func refused(_ refusal: Refusal) { state.withLock { $0.refusals[refusal, default: 0] += 1 } }

    /// A place among the clients that stay, of whatever kind, given back when it is let go of; nil when all are taken.
    func place(_ kind: ClientKind, of limit: Int) -> ClientPlace? {
        let isFree = state.withLock { state in
            guard state.clients.values.reduce(0, +) < limit else {
                state.refusals[.clients, default: 0] += 1
                return false
            }
            state.clients[kind, default: 0] += 1
            return true
        }
        return isFree ? ClientPlace(kind, self) : nil
    }

    fileprivate func left(_ kind: ClientKind) { state.withLock { $0.clients[kind, default: 0] -= 1 } }

    var metrics: [MetricFamily] {
        let state = state.withLock { $0 }
        return [
            MetricFamily(
                "tavis_http_requests_total", .counter, help: "Requests answered, by status code.",
                samples: state.requests.sorted { $0.key < $1.key }.map {
                    .init(Double($0.value), labels: [("code", "\($0.key)")])
                }),
            MetricFamily(
                "tavis_http_connections", .gauge, help: "Connections open now.",
                samples: [.init(Double(state.connections))]),
            MetricFamily(
                "tavis_http_clients", .gauge, help: "Clients of events and previews now.",
                samples: ClientKind.allCases.map {
                    .init(Double(state.clients[$0, default: 0]), labels: [("kind", $0.rawValue)])
                }),
            MetricFamily(
                "tavis_http_refused_total", .counter, help: "Clients turned away or cut off, by reason.",
                samples: Refusal.allCases.map {
                    .init(Double(state.refusals[$0, default: 0]), labels: [("reason", $0.rawValue)])
                }),
        ]
    }
}

/// Counts a client for as long as it is held.
final class ClientPlace: Sendable {
    private let kind: HTTPCounters.ClientKind
    private let counters: HTTPCounters

    fileprivate init(_ kind: HTTPCounters.ClientKind, _ counters: HTTPCounters) {
        (self.kind, self.counters) = (kind, counters)
    }

    deinit { counters.left(kind) }
}
