// SPDX-License-Identifier: Apache-2.0

/// What can be seen and heard in synthetic scenes. Raw values are class ids; 0 is the background.
package enum SyntheticClass: UInt8, CaseIterable, Sendable {
    case bell = 1
    case bird, car, clock, dog, drum, fan, flute, guitar, rattle, saw, siren

    package var name: String { "\(self)" }

    /// Names in the order of ids.
    package static let names = ["background"] + allCases.map(\.name)

    /// Hue that most objects of the class have, 0 ..< 1; the others have any.
    var usualHue: Float {
        switch self {
        case .bell: 0.13
        case .bird: 0.55
        case .car: 0.0
        case .clock: 0.6
        case .dog: 0.07
        case .drum: 0.98
        case .fan: 0.5
        case .flute: 0.12
        case .guitar: 0.08
        case .rattle: 0.3
        case .saw: 0.58
        case .siren: 0.99
        }
    }
}

/// A set of classes in one word.
struct ClassSet: Sendable, Equatable {
    private var bits: UInt32 = 0

    init(_ classes: some Sequence<SyntheticClass> = []) { for item in classes { insert(item) } }

    mutating func insert(_ item: SyntheticClass) { bits |= 1 << UInt32(item.rawValue) }
    func contains(_ item: SyntheticClass) -> Bool { contains(id: item.rawValue) }
    func contains(id: UInt8) -> Bool { id < 32 && bits >> UInt32(id) & 1 == 1 }
    var ids: Set<UInt8> { Set((0..<32).filter { contains(id: $0) }) }

    /// `visible` without what is not in the set: the truth of a frame.
    func masking(_ visible: [UInt8]) -> [UInt8] {
        let kept = (UInt8.min...UInt8.max).map { contains(id: $0) ? $0 : 0 }
        return visible.map { kept[Int($0)] }
    }
}
