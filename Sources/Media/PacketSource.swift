// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// What became of the input's audio in the output.
package enum AudioHandling: Sendable, Equatable, CustomStringConvertible {
    case none
    case copied(codec: String)
    case encoded(from: String, to: String)

    package var description: String {
        switch self {
        case .none: "no audio"
        case .copied(let codec): "\(codec) audio copied"
        case .encoded(let from, let to): "audio encoded anew, from \(from) to \(to)"
        }
    }
}

/// The audio of the input on its way into an output file: as the packets it was encoded in where the container
/// can hold them, otherwise decoded, to be encoded again. Opens the input on its own, so that the speed at which
/// frames are read does not matter.
final class PacketSource {
    /// Packets before time zero are kept this long: decoders need one or two to start, players skip them.
    private static let longestPriming = MediaTime.milliseconds(100)

    let handling: AudioHandling
    /// What the branch from appsrc to muxer consists of.
    let chain: String
    /// What packets look like; kept alive by `next`.
    let first: Sample
    /// How far before zero the first packet lies.
    let priming: MediaTime

    private let track: DecodeTrack
    private let limit: MediaTime?
    private var pending: Sample?
    /// Where the packet before ended: the time of packets without one.
    private var expected = MediaTime.zero

    /// Nil when the input has no audio after all.
    init?(
        _ source: MediaSource, _ range: DecodeRange, into container: OutputContainer, stallTimeout: MediaTime
    ) throws(MediaError) {
        let open = { (file: PipelineFile, sink: String) throws(MediaError) in
            try DecodeTrack(file, sink: sink, source, range, stallTimeout, CancelFlag())
        }
        let packets = try open(.fileInPackets, "packets_in")
        guard let packet = try Self.firstUseful(packets), let caps = packet.caps else { return nil }
        let codec = AudioCodec(caps)
        limit = range.duration
        let isCopy: Bool
        if let codec, codec.containers.contains(container) {
            (handling, chain) = (.copied(codec: codec.name), codec.parser.map { "! \($0)" } ?? "")
            (track, first, isCopy) = (packets, packet, true)
        } else {
            let encoder = container.encoder
            handling = .encoded(from: codec?.name ?? "another coding", to: encoder.codec)
            chain = "! \(encoder.chain)"
            let decoded = try open(.fileInAudio, "audio_in")
            guard let block = try Self.firstUseful(decoded) else { return nil }
            (track, first, isCopy) = (decoded, block, false)
        }
        priming = isCopy ? max(.zero, .zero - (first.runningTime ?? .zero)) : .zero
        pending = first
    }

    private static func firstUseful(_ track: DecodeTrack) throws(MediaError) -> Sample? {
        while let sample = try track.nextSample() {
            let time = sample.runningTime ?? .zero
            if sample.buffer != nil, time + (sample.duration ?? .zero) > .zero - longestPriming {
                return sample
            }
        }
        return nil
    }

    private func takeNext() throws(MediaError) -> Sample? {
        guard let sample = pending else { return try track.nextSample() }
        pending = nil
        return sample
    }

    /// A packet ready to be pushed, with its running time. The caller owns `buffer`.
    struct Packet {
        var buffer: UnsafeMutablePointer<GstBuffer>
        var pts: MediaTime
        var end: MediaTime
    }

    /// - Parameter shift: added to all times.
    func next(shift: MediaTime) throws(MediaError) -> Packet? {
        while true {
            guard let sample = try takeNext() else { return nil }
            let pts = sample.runningTime ?? expected
            if let limit, pts >= limit { return nil }
            expected = pts + (sample.duration ?? .zero)
            // What cannot be placed on the output's clock is not heard in the input either.
            guard pts + shift >= .zero, let buffer = sample.buffer, let copy = gst_buffer_copy(buffer) else {
                continue
            }
            copy.pointee.pts = (pts + shift).clockTime
            copy.pointee.dts = tavis_clock_time_none()
            return Packet(buffer: copy, pts: pts, end: expected)
        }
    }
}
