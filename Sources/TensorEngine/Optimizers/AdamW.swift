// SPDX-License-Identifier: Apache-2.0
import CKernels

/// Adam with decoupled weight decay. A parameter without a gradient stays as it is, undecayed.
///
/// Source: Loshchilov and Hutter 2019; PyTorch `torch.optim.AdamW`. Without decay it is Adam.
public struct AdamW: Sendable {
    /// The defaults are PyTorch's.
    public struct Settings: Codable, Sendable, Equatable {
        public var beta1: Float = 0.9
        public var beta2: Float = 0.999
        public var eps: Float = 1e-8
        /// 0 is plain Adam.
        public var weightDecay: Float = 0.01
        /// Whether biases and norms decay too.
        public var decaysVectors = true

        public init() {}
    }
    public let settings: Settings

    /// Running means of a parameter's gradient and of its square, and how many steps it has had.
    public struct Moments: Sendable {
        public var mean, square: Tensor
        public var steps: Int

        public init(mean: Tensor, square: Tensor, steps: Int) {
            (self.mean, self.square, self.steps) = (mean, square, steps)
        }
    }
    /// By key.
    public private(set) var moments: [String: Moments] = [:]

    public init(_ settings: Settings = Settings()) { self.settings = settings }

    /// Takes up where a checkpoint left off.
    public mutating func restore(_ moments: [String: Moments]) { self.moments = moments }

    /// One step for each parameter that has a gradient.
    ///
    /// - Parameter scale: multiplies every gradient first: what clipping and accumulation ask for.
    public mutating func step(_ store: ParameterStore, _ gradients: Gradients, rate: Float, scale: Float = 1)
    {
        var updates: [Update] = []
        for (key, parameter) in store.parameters {
            guard let gradient = gradients[parameter] else { continue }
            var state =
                moments.removeValue(forKey: key)
                ?? Moments(mean: Tensor(parameter.shape), square: Tensor(parameter.shape), steps: 0)
            state.steps += 1
            updates.append(Update(key: key, parameter: parameter, gradient: gradient, state: state))
        }
        // Most parameters are small: threads take whole ones.
        updates.withUnsafeMutableBufferPointer { updates in
            ThreadPool.shared.run(updates.count) { apply(&updates[$0], rate: rate, scale: scale) }
        }
        for update in updates { moments[update.key] = update.state }
    }

    private struct Update {
        let key: String
        let parameter, gradient: Tensor
        var state: Moments
    }

    private func apply(_ update: inout Update, rate: Float, scale: Float) {
        func correction(_ beta: Float, _ steps: Int) -> Float {
            var power: Double = 1
            for _ in 0..<min(steps, 100_000) { power *= Double(beta) }
            return Float(1 - power)
        }
        let (beta1, beta2) = (settings.beta1, settings.beta2)
        let (parameter, gradient, steps) = (update.parameter, update.gradient, update.state.steps)
        let decay = settings.decaysVectors || parameter.rank >= 2 ? settings.weightDecay : 0
        let first = correction(beta1, steps), second = correction(beta2, steps)
        update.state.mean.withMutableValues { mean in
            update.state.square.withMutableValues { square in
                guard let m = mean.baseAddress, let v = square.baseAddress else { return }
                parameter.overwrite { p in
                    reading(gradient) { g in
                        tavis_adamw(
                            p, m, v, g, scale, rate, beta1, beta2, settings.eps, decay, first, second,
                            gradient.count)
                    }
                }
            }
        }
    }
}
