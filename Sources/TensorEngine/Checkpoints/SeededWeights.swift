// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Deterministic weights that depend on a tensor's name and shape only, for tests, benchmarks and the demo.
///
/// Every value is exact: SplitMix64 seeded by the FNV-1a hash of the key gives `v` in −1..<1 in steps of 2⁻²³, and
/// each float32 operation after it is rounded once.
package enum SeededWeights {
    /// Fills `out` with the elements `start ..< start + out.count` (row-major) of the tensor `key`.
    ///
    /// - Two or more dimensions: `v · sqrt(3 / fanIn)`, `fanIn` the product of all sizes but the first.
    /// - Fewer: `1 + 0.1 v` if the key ends with `weight` or `gamma`, else `0.1 v`.
    /// - Buffers that the reference builds itself (causal mask, fixed logit scales, class weights): as it builds them.
    package static func fill(
        key: String, shape: [Int], from start: Int = 0, into out: UnsafeMutableBufferPointer<Float>
    ) {
        if let constant = Constant(key: key) {
            for i in 0..<out.count { out[i] = constant.value(at: start + i, columns: shape.last ?? 1) }
            return
        }
        let hash = fnv1a64(key)
        if shape.count >= 2 {
            let fanIn = shape.dropFirst().reduce(1, *)
            let scale = Float((3 / Double(fanIn)).squareRoot())
            generate(hash, start, into: out) { $0 * scale }
        } else if key.hasSuffix("weight") || key.hasSuffix("gamma") {
            generate(hash, start, into: out) { 1 + 0.1 * $0 }
        } else {
            generate(hash, start, into: out) { 0.1 * $0 }
        }
    }

    package static func values(key: String, shape: [Int]) -> [Float] {
        array(count: shape.reduce(1, *)) { fill(key: key, shape: shape, into: $0) }
    }

    /// `scale · v` with `name` as the key: inputs of tests and benchmarks.
    package static func input(_ name: String, shape: [Int], scale: Float = 2) -> [Float] {
        array(count: shape.reduce(1, *)) { fillInput(name, scale: scale, into: $0) }
    }

    package static func fillInput(
        _ name: String, scale: Float = 2, from start: Int = 0, into out: UnsafeMutableBufferPointer<Float>
    ) {
        generate(fnv1a64(name), start, into: out) { scale * $0 }
    }

    /// FNV-1a, 64 bits, of the UTF-8 bytes.
    package static func fnv1a64(_ text: String) -> UInt64 {
        text.utf8.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
    }

    @inline(__always)
    private static func generate(
        _ hash: UInt64, _ start: Int, into out: UnsafeMutableBufferPointer<Float>,
        _ transform: (Float) -> Float
    ) {
        for i in 0..<out.count {
            var x = hash &+ UInt64(truncatingIfNeeded: start + i + 1) &* 0x9E37_79B9_7F4A_7C15
            x = (x ^ x >> 30) &* 0xBF58_476D_1CE4_E5B9
            x = (x ^ x >> 27) &* 0x94D0_49BB_1331_11EB
            x ^= x >> 31
            let v = 2 * (Float(Int32(truncatingIfNeeded: x >> 40)) * 0x1p-24) - 1
            out[i] = transform(v)
        }
    }

    private static func array(count: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) -> [Float] {
        [Float](unsafeUninitializedCapacity: count) { buffer, initialised in
            body(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialised = count
        }
    }
}

extension SeededWeights {
    /// Buffers that are part of a state dict but not random in the reference.
    private enum Constant {
        case causalMask
        case logScale(Double)
        case classWeights

        init?(key: String) {
            func ends(_ suffix: String) -> Bool { key == suffix || key.hasSuffix("." + suffix) }
            if ends("modality_preprocessors.text.mask") {
                self = .causalMask
            } else if ends("CEloss.weight") {
                self = .classWeights
            } else if let scale = Self.logitScales.first(where: {
                ends("modality_postprocessors.\($0.modality).1.log_logit_scale")
            }) {
                self = .logScale(scale.value)
            } else {
                return nil
            }
        }

        /// Source: `imagebind_model.py`, `LearnableLogitScaling` of each modality. Text's is a parameter.
        private static let logitScales: [(modality: String, value: Double)] = [
            ("audio", 20), ("depth", 5), ("thermal", 10), ("imu", 5),
        ]

        func value(at index: Int, columns: Int) -> Float {
            switch self {
            case .causalMask: index % columns > index / columns ? -.infinity : 0
            case .logScale(let scale): Float(log(scale))
            case .classWeights: index == 0 ? 0.1 : 1
            }
        }
    }
}
