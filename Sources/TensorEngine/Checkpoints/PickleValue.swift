// SPDX-License-Identifier: Apache-2.0

/// What a PyTorch file says besides its tensors: plain data, bounded in depth and size.
package indirect enum PickleValue: Sendable, Equatable {
    package enum Key: Sendable, Hashable, CustomStringConvertible {
        case string(String)
        case int(Int)

        package var description: String {
            switch self {
            case .string(let text): text
            case .int(let number): String(number)
            }
        }
    }

    package struct Member: Sendable, Equatable {
        package var key: Key
        package var value: PickleValue
    }

    case none
    case bool(Bool)
    case int(Int)
    /// An integer beyond 64 bits: two's complement, little-endian.
    case long([UInt8])
    case float(Double)
    case string(String)
    case bytes([UInt8])
    case tuple([PickleValue])
    case list([PickleValue])
    /// In the file's order; `OrderedDict` too.
    case dict([Member])
    /// Position in `Checkpoint.tensors`.
    case tensor(Int)

    package subscript(key: String) -> PickleValue? {
        guard case .dict(let members) = self else { return nil }
        return members.first { $0.key == .string(key) }?.value
    }
}
