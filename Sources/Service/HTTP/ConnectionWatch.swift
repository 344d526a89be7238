// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Counts a connection while it is open, and closes it when its client has read nothing for too long, or when it holds
/// up a shutdown.
///
/// The framework closes connections that ask for nothing; without this, those that take no answer would stay for ever.
final class ConnectionWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = NIOAny

    /// Held by the kernel for a client that reads slowly: little, so that previews are not late.
    private static let sendBufferBytes: Int = 256 << 10

    private let limit, grace: TimeAmount
    private let counters: HTTPCounters
    private var stall, end: Scheduled<Void>?
    private var isCounted = false

    init(_ limits: HTTPSettings.Limits, _ counters: HTTPCounters) {
        limit = .milliseconds(Int64(limits.stallSeconds * 1000))
        grace = .milliseconds(Int64(limits.graceSeconds * 1000))
        self.counters = counters
    }

    func handlerAdded(context: ChannelHandlerContext) {
        isCounted = true
        counters.connectionOpened()
        // Only a wish: a socket that refuses works as well.
        context.channel.setOption(.socketOption(.so_sndbuf), value: Self.sendBufferBytes)
            .whenFailure { _ in }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        stall?.cancel()
        end?.cancel()
        if isCounted { counters.connectionClosed() }
        isCounted = false
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stall?.cancel()
        stall = nil
        if !context.channel.isWritable {
            let counters = counters
            stall = context.eventLoop.scheduleTask(in: limit) { [channel = context.channel] in
                counters.refused(.stalled)
                channel.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent {
            end = context.eventLoop.scheduleTask(in: grace) { [channel = context.channel] in
                channel.close(promise: nil)
            }
        }
        context.fireUserInboundEventTriggered(event)
    }
}
