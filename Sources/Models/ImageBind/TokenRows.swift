// SPDX-License-Identifier: Apache-2.0

/// Rows of tokens of several lengths, one after the other without padding: those of one length stand together, the
/// short ones first.
struct TokenRows: Sendable {
    /// Rows of one length.
    struct Group: Sendable {
        var count, length: Int
        /// Of their tokens.
        var range: Range<Int>
    }

    let groups: [Group]
    /// For each token the row it comes from, counted as given, and its position there.
    let tokens: [(row: Int, position: Int)]
    /// For each row, in the order of the groups, its last token.
    let lastTokens: [Int]
    /// For each row, counted as given, where it stands in the order of the groups.
    let places: [Int]

    /// - Parameter lengths: of the rows, each at least 1.
    init(lengths: [Int]) {
        let order = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        var groups: [Group] = [], tokens: [(row: Int, position: Int)] = [], ends: [Int] = []
        var places = [Int](repeating: 0, count: lengths.count)
        for (place, row) in order.enumerated() {
            let length = lengths[row], start = tokens.count
            places[row] = place
            tokens += (0..<length).map { (row, $0) }
            ends.append(tokens.count - 1)
            if let last = groups.indices.last, groups[last].length == length {
                groups[last].count += 1
                groups[last].range = groups[last].range.lowerBound..<tokens.count
            } else {
                groups.append(Group(count: 1, length: length, range: start..<tokens.count))
            }
        }
        (self.groups, self.tokens, lastTokens, self.places) = (groups, tokens, ends, places)
    }
}
