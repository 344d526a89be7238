// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A 16-bit PCM file, as far as the tests need.
struct WaveFile {
    let rate: Int
    /// −1…1, per channel.
    let channels: [[Float]]

    init(_ url: URL) throws {
        let data = try Data(contentsOf: url)
        func number(_ at: Int, _ bytes: Int) -> Int {
            (0..<bytes).reduce(0) { $0 | Int(data[at + $1]) << (8 * $1) }
        }
        var at = 12
        var format: (channels: Int, rate: Int)?
        var samples: Range<Int>?
        while at + 8 <= data.count, samples == nil {
            let size = number(at + 4, 4)
            switch String(decoding: data[at..<at + 4], as: UTF8.self) {
            case "fmt ":
                try #require(number(at + 22, 2) == 16, "\(url.path): not 16 bits")
                format = (number(at + 10, 2), number(at + 12, 4))
            case "data": samples = at + 8..<min(data.count, at + 8 + size)
            default: break
            }
            at += 8 + size + size % 2
        }
        let (count, rate) = try #require(format), range = try #require(samples)
        self.rate = rate
        channels = (0..<count).map { channel in
            stride(from: range.lowerBound + 2 * channel, to: range.upperBound - 1, by: 2 * count).map {
                Float(Int16(truncatingIfNeeded: number($0, 2))) / 32768
            }
        }
    }
}
