// SPDX-License-Identifier: Apache-2.0
// One source, several instruction sets: a file NAME.c has each_set.h include its loops, NAME_loops.h, once per set.
// The loops are plain C that the compiler vectorises for the set in force; TAVIS_VARIANT(f) names each copy.
#ifndef TAVIS_VARIANTS_H
#define TAVIS_VARIANTS_H

#include "tavis_kernels.h"

#define TAVIS_JOIN2(a, b) a##_##b
#define TAVIS_JOIN(a, b) TAVIS_JOIN2(a, b)
#define TAVIS_VARIANT(name) TAVIS_JOIN(name, TAVIS_SET)

/// Calls the copy of `name` for this CPU.
#if defined(__x86_64__)
#define TAVIS_DISPATCH(name, ...)                                     \
    do {                                                              \
        switch (tavis_isa_current()) {                                \
        case TAVIS_ISA_AVX512: name##_avx512(__VA_ARGS__); return;    \
        case TAVIS_ISA_AVX2: name##_avx2(__VA_ARGS__); return;        \
        case TAVIS_ISA_BASELINE: name##_baseline(__VA_ARGS__); return; \
        }                                                             \
    } while (0)
#else
#define TAVIS_DISPATCH(name, ...) name##_baseline(__VA_ARGS__)
#endif

#endif
