// SPDX-License-Identifier: Apache-2.0

/// Bounds on what a file may ask for, all far above any real checkpoint.
enum CheckpointLimits {
    /// The safetensors reference implementation's own bound.
    static let safetensorsHeaderBytes = 100_000_000
    /// PyTorch's largest number of dimensions.
    static let rank = 64
    static let tensors = 200_000
    static let keyBytes = 4096
    /// Sum of all dotted keys of one file: shared subtrees repeat their names under every path.
    static let keyBytesInAll = 64 << 20
    static let pickleBytes = 256 << 20
    /// Values, memo entries and places in the finished tree, each.
    static let pickleItems = 2_000_000
    static let nesting = 100
    /// Elements of a view that repeats its storage.
    static let repeatedElements = 1 << 26
}
