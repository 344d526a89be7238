// SPDX-License-Identifier: Apache-2.0
import CGStreamer

/// The containers we write.
package enum OutputContainer: String, CaseIterable, Sendable {
    case mp4, mkv, webm

    /// - Throws: `.unsupported` for a path that does not end in `.mp4`, `.mkv` or `.webm`.
    package init(path: String) throws(MediaError) {
        let name = path.split(separator: "/").last ?? ""
        let ending = name.lastIndex(of: ".").map { name[name.index(after: $0)...].lowercased() } ?? ""
        guard let container = OutputContainer(rawValue: ending) else {
            throw MediaError(.unsupported, path, "the name must end in .mp4, .mkv or .webm")
        }
        self = container
    }

    var pipeline: PipelineFile {
        switch self {
        case .mp4: .fileOutMP4
        case .mkv: .fileOutMKV
        case .webm: .fileOutWebM
        }
    }

    /// Encoder for audio that the container cannot hold as it is, and the name of its coding.
    var encoder: (codec: String, chain: String) {
        switch self {
        case .mp4: ("AAC", "audioconvert ! audioresample ! avenc_aac bitrate=160000 ! aacparse")
        case .mkv, .webm: ("Opus", "audioconvert ! audioresample ! opusenc bitrate=128000 ! opusparse")
        }
    }
}

/// An audio coding that can be copied from packet to packet.
struct AudioCodec: Sendable {
    var name: String
    /// Brings packets into the shape that muxers want; nil when they have it.
    var parser: String?
    var containers: Set<OutputContainer>

    /// The coding of packets with these caps; nil when we know none.
    init?(_ caps: UnsafeMutablePointer<GstCaps>) {
        guard gst_caps_get_size(caps) > 0, let structure = gst_caps_get_structure(caps, 0) else { return nil }
        let name = String(cString: gst_structure_get_name(structure))
        var (version, layer) = (Int32(0), Int32(0))
        gst_structure_get_int(structure, "mpegversion", &version)
        gst_structure_get_int(structure, "layer", &layer)
        let key = name == "audio/mpeg" ? "mpeg\(version == 1 ? "1-\(layer)" : "4")" : name
        guard let codec = Self.known[key] else { return nil }
        self = codec
    }

    private init(_ name: String, _ parser: String?, _ containers: Set<OutputContainer>) {
        self.name = name
        self.parser = parser
        self.containers = containers
    }

    private static let known: [String: AudioCodec] = [
        "mpeg4": AudioCodec("AAC", "aacparse", [.mp4, .mkv]),
        "mpeg1-3": AudioCodec("MP3", "mpegaudioparse", [.mp4, .mkv]),
        "mpeg1-2": AudioCodec("MP2", "mpegaudioparse", []),
        "mpeg1-1": AudioCodec("MP1", "mpegaudioparse", [.mkv]),
        "audio/x-opus": AudioCodec("Opus", "opusparse", [.mkv, .webm]),
        // vorbisparse keeps packets back until it sees an Ogg page end, which other containers do not have.
        "audio/x-vorbis": AudioCodec("Vorbis", nil, [.mkv, .webm]),
        "audio/x-flac": AudioCodec("FLAC", "flacparse", [.mkv]),
        "audio/x-ac3": AudioCodec("AC-3", "ac3parse", [.mp4, .mkv]),
        "audio/x-eac3": AudioCodec("E-AC-3", "ac3parse", [.mkv]),
        "audio/x-alac": AudioCodec("ALAC", nil, [.mp4]),
        "audio/x-alaw": AudioCodec("A-law", nil, [.mkv]),
        "audio/x-mulaw": AudioCodec("µ-law", nil, [.mkv]),
        "audio/x-raw": AudioCodec("PCM", nil, [.mkv]),
    ]
}
