// SPDX-License-Identifier: Apache-2.0
import TensorEngine
import Testing

@Test("broadcasting follows NumPy's rules")
func broadcasting() {
    let a = Tensor((0..<12).map(Float.init), shape: [2, 3, 2])
    let row = Tensor([10, 20], shape: [2])
    #expect((a + row).values == [10, 21, 12, 23, 14, 25, 16, 27, 18, 29, 20, 31])
    let column = Tensor([1, 2, 3], shape: [3, 1])
    #expect((a * column).values == [0, 1, 4, 6, 12, 15, 6, 7, 16, 18, 30, 33])
    let outer = Tensor([100, 200], shape: [2, 1, 1])
    #expect((outer - a).values == [100, 99, 98, 97, 96, 95, 194, 193, 192, 191, 190, 189])
}

@Test("permutation moves every axis")
func permutation() {
    let a = Tensor((0..<24).map(Float.init), shape: [2, 3, 4])
    let b = a.permuted(2, 0, 1)
    #expect(b.shape == [4, 2, 3])
    for i in 0..<2 { for j in 0..<3 { for k in 0..<4 { #expect(b[k, i, j] == a[i, j, k]) } } }
    #expect(a.permuted(1, 0, 2)[2, 1, 3] == a[1, 2, 3])
}
