// SPDX-License-Identifier: Apache-2.0
import Synchronization
import TensorEngine

/// Tensors that depend on a size only, made at first use.
final class ConstantCache<Key: Hashable & Sendable>: Sendable {
    private let made = Mutex<[Key: Tensor]>([:])

    func callAsFunction(_ key: Key, make: () -> Tensor) -> Tensor {
        if let tensor = made.withLock({ $0[key] }) { return tensor }
        let tensor = make()
        made.withLock { $0[key] = tensor }
        return tensor
    }
}
