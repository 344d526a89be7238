// SPDX-License-Identifier: Apache-2.0

/// Uncompressed audio in a RIFF file.
package enum WaveFile {
    /// 16-bit PCM, mono.
    ///
    /// - Parameter samples: −1…1; what is beyond is cut.
    package static func bytes(_ samples: [Float], sampleRate: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(44 + 2 * samples.count)
        func put(_ text: String) { bytes += Array(text.utf8) }
        func put(_ number: Int, _ count: Int) {
            for shift in 0..<count { bytes.append(UInt8(truncatingIfNeeded: number >> (8 * shift))) }
        }
        put("RIFF")
        put(36 + 2 * samples.count, 4)
        put("WAVEfmt ")
        put(16, 4)
        put(1, 2)  // PCM
        put(1, 2)  // channels
        put(sampleRate, 4)
        put(2 * sampleRate, 4)
        put(2, 2)  // bytes of a frame
        put(16, 2)  // bits of a sample
        put("data")
        put(2 * samples.count, 4)
        for sample in samples { put(Int((min(max(sample, -1), 1) * 32767).rounded()), 2) }
        return bytes
    }
}
