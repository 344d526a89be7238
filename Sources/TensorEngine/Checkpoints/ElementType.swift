// SPDX-License-Identifier: Apache-2.0

/// The element types a checkpoint may hold. `rawValue` is PyTorch's name of the type.
package enum ElementType: String, Sendable, CaseIterable, Codable {
    case float32, float16, bfloat16, float64
    case int8, uint8, int16, int32, int64
    case bool

    package var byteCount: Int {
        switch self {
        case .int8, .uint8, .bool: 1
        case .float16, .bfloat16, .int16: 2
        case .float32, .int32: 4
        case .float64, .int64: 8
        }
    }

    /// The name in a safetensors header.
    package var safetensorsName: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .float64: "F64"
        case .int8: "I8"
        case .uint8: "U8"
        case .int16: "I16"
        case .int32: "I32"
        case .int64: "I64"
        case .bool: "BOOL"
        }
    }

    /// The storage class that `torch.save` names in its pickle.
    var torchStorageName: String {
        switch self {
        case .float32: "FloatStorage"
        case .float16: "HalfStorage"
        case .bfloat16: "BFloat16Storage"
        case .float64: "DoubleStorage"
        case .int8: "CharStorage"
        case .uint8: "ByteStorage"
        case .int16: "ShortStorage"
        case .int32: "IntStorage"
        case .int64: "LongStorage"
        case .bool: "BoolStorage"
        }
    }

    init?(safetensorsName name: String) {
        guard let type = Self.allCases.first(where: { $0.safetensorsName == name }) else { return nil }
        self = type
    }

    init?(torchStorageName name: String) {
        guard let type = Self.allCases.first(where: { $0.torchStorageName == name }) else { return nil }
        self = type
    }
}
