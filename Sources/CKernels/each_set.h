// SPDX-License-Identifier: Apache-2.0
// Includes TAVIS_LOOPS once for every instruction set of this architecture; see variants.h. No include guard.

#define TAVIS_SET baseline
#include TAVIS_LOOPS
#undef TAVIS_SET
#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define TAVIS_SET avx2
#include TAVIS_LOOPS
#undef TAVIS_SET
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#define TAVIS_SET avx512
#include TAVIS_LOOPS
#undef TAVIS_SET
#pragma clang attribute pop
#endif
