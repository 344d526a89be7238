// SPDX-License-Identifier: Apache-2.0
// Matrix products of our own where they are faster than the libraries'.
#ifndef TAVIS_DOT_H
#define TAVIS_DOT_H

#include "tavis_kernels.h"

/// Whether the product of m rows of k elements is faster here, and can be made on this CPU.
bool tavis_dot_serves(size_t m, size_t k);
bool tavis_dot_serves_bytes(size_t m, size_t k);

/// C ← A · Bᵀ, or C ← C + A · Bᵀ; where `tavis_dot_serves`.
void tavis_dot_floats(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, bool adds,
                      float *c, size_t ldc);
/// C ← A · Bᵀ of rows without gaps; where `tavis_dot_serves_bytes`.
void tavis_dot_bytes(size_t m, size_t n, size_t k, const uint8_t *a, const int8_t *b, int32_t *c);

#endif
