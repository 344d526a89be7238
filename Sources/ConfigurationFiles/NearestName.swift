// SPDX-License-Identifier: Apache-2.0

/// The name that was probably meant, if one is close enough to look like a slip.
package func nearestName(to name: String, among names: [String]) -> String? {
    let typed = Array(name.utf8.prefix(longestName))
    let ranked = names.map { (name: $0, distance: editDistance(typed, Array($0.utf8.prefix(longestName)))) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, best.name.utf8.count / 3) ? best.name : nil
}

/// Bytes of a name that count.
private let longestName = 64

/// Letters to insert, remove, change or swap with the next one. Source: optimal string alignment.
private func editDistance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    var before = [Int](), previous = Array(0...b.count)
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var best = min(previous[j] + (a[i] == b[j] ? 0 : 1), previous[j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
            row.append(best)
        }
        (before, previous) = (previous, row)
    }
    return previous[b.count]
}
