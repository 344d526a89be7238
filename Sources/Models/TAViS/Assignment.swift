// SPDX-License-Identifier: Apache-2.0

/// Linear-sum assignment by shortest augmenting paths (the Hungarian method), O(n³).
///
/// - Parameter costs: square; `costs[row][column]`. What is not a finite number counts as dearest.
/// - Returns: the column of each row; the sum of their costs is minimal.
package func minimumCostAssignment(_ costs: [[Float]]) -> [Int] {
    let n = costs.count
    let cost = costs.map { $0.map { $0.isFinite ? min(max($0, -1e9), 1e9) : 1e9 } }
    precondition(cost.allSatisfy { $0.count == n }, "assignment: the cost matrix is not square")
    // Column and row n are the artificial start of each path.
    var rowPotential = [Float](repeating: 0, count: n + 1)
    var columnPotential = rowPotential
    var rowOfColumn = [Int](repeating: n, count: n + 1)
    for row in 0..<n {
        var slack = [Float](repeating: .infinity, count: n)
        var previous = [Int](repeating: n, count: n)
        var visited = [Bool](repeating: false, count: n + 1)
        var column = n
        rowOfColumn[n] = row
        repeat {
            visited[column] = true
            let from = rowOfColumn[column]
            var (step, next) = (Float.infinity, n)
            for j in 0..<n where !visited[j] {
                let reduced = cost[from][j] - rowPotential[from] - columnPotential[j]
                if reduced < slack[j] { (slack[j], previous[j]) = (reduced, column) }
                if slack[j] < step { (step, next) = (slack[j], j) }
            }
            for j in 0...n {
                if visited[j] {
                    rowPotential[rowOfColumn[j]] += step
                    columnPotential[j] -= step
                } else if j < n {
                    slack[j] -= step
                }
            }
            column = next
        } while rowOfColumn[column] != n
        while column != n {
            rowOfColumn[column] = rowOfColumn[previous[column]]
            column = previous[column]
        }
    }
    var assigned = [Int](repeating: 0, count: n)
    for column in 0..<n { assigned[rowOfColumn[column]] = column }
    return assigned
}
