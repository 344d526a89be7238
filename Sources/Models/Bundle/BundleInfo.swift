// SPDX-License-Identifier: Apache-2.0
public import Foundation

/// `model.json` of a bundle: what the weights beside it are and may be used for.
public struct BundleInfo: Codable, Sendable, Equatable {
    public static let currentFormat = 1

    /// Version of this layout.
    public var format = Self.currentFormat
    /// Short name, e.g. "tavis-l".
    public var name: String
    public var architecture: TAViSConfig
    /// Input side the weights were trained at, in pixels; a multiple of 32.
    public var imageSize = 224
    /// Class names by index; index 0 is background.
    public var classes: [String]
    /// One line per origin of the weights.
    public var licences: [String]
    /// Where the weights come from: files and their SHA-256 or CRC, or how they were made.
    public var provenance: [String]
    /// Scores the weights reached, and on what.
    public var scores: [String] = []
    /// Set where the weights mean nothing: generated from their names.
    public var seeded: Bool = false
    /// What bytes did to the weights; nil where all are floats.
    public var quantization: QuantizationInfo?

    public init(
        name: String, architecture: TAViSConfig, classes: [String], licences: [String], provenance: [String]
    ) {
        self.name = name
        self.architecture = architecture
        self.classes = classes
        self.licences = licences
        self.provenance = provenance
    }

    /// The file's bytes: stable key order, readable.
    public func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

/// Which linear layers of a bundle are bytes, and why not the others.
public struct QuantizationInfo: Codable, Sendable, Equatable {
    public struct Layer: Codable, Sendable, Equatable {
        /// Key of its weight.
        public var key: String
        /// Between its products in bytes and in floats, on the calibration clips.
        public var cosine: Double
    }

    /// What was measured on.
    public var calibration: [String]
    /// Layers with a smaller cosine stayed floats.
    public var leastCosine: Double
    /// How many layers are bytes.
    public var byteLayers: Int
    /// The one of these that lost most.
    public var worst: Layer?
    /// Those that stayed floats because they lost too much.
    public var floatLayers: [Layer]
}

/// Class names of AVSBench-semantic in the order of its colour palette; index 0 is background.
/// Source: AVSBench `label2idx.json`.
public let avsBenchClasses = """
    background accordion airplane axe baby bassoon bell bird boat boy bus car cat cello clarinet clipper clock dog \
    donkey drum duck elephant emergency-car erhu flute frying-food girl goose guitar gun guzheng hair-dryer handpan \
    harmonica harp helicopter hen horse keyboard leopard lion man marimba missile-rocket motorcycle mower parrot piano \
    pig pipa saw saxophone sheep sitar sorna squirrel tabla tank tiger tractor train trombone truck trumpet tuba \
    ukulele utv vacuum-cleaner violin wolf woman
    """.split(separator: " ").map(String.init)
