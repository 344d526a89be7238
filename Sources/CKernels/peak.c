// SPDX-License-Identifier: Apache-2.0
// How fast this core multiplies and adds at best: loops over registers alone, as a yardstick for everything else.
#include "tavis_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// Independent sums: more than latency times throughput of any core so far, and fewer than it has registers.
#define SUMS 12
#define EACH_SUM _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++)

// What the compiler cannot know, and must not leave out.
static volatile float factor = 0.999f, term = 1e-3f, sink;
static volatile int byte_factor = 0x01020301, int_sink;

typedef float four_floats __attribute__((vector_size(16)));

static size_t float_baseline(size_t rounds) {
    four_floats sums[SUMS] = {{0}}, total = {0};
    float a = factor, b = term;
    for (size_t r = 0; r < rounds; r++) EACH_SUM sums[i] = sums[i] * a + b;
    EACH_SUM total += sums[i];
    sink = total[0] + total[1] + total[2] + total[3];
    return rounds * SUMS * 4;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static size_t float_avx2(size_t rounds) {
    __m256 sums[SUMS], a = _mm256_set1_ps(factor), b = _mm256_set1_ps(term), total = _mm256_setzero_ps();
    EACH_SUM sums[i] = _mm256_setzero_ps();
    for (size_t r = 0; r < rounds; r++) EACH_SUM sums[i] = _mm256_fmadd_ps(sums[i], a, b);
    EACH_SUM total = _mm256_add_ps(total, sums[i]);
    sink = total[0];
    return rounds * SUMS * 8;
}

__attribute__((target("avx512f"))) static size_t float_avx512(size_t rounds) {
    __m512 sums[SUMS], a = _mm512_set1_ps(factor), b = _mm512_set1_ps(term), total = _mm512_setzero_ps();
    EACH_SUM sums[i] = _mm512_setzero_ps();
    for (size_t r = 0; r < rounds; r++) EACH_SUM sums[i] = _mm512_fmadd_ps(sums[i], a, b);
    EACH_SUM total = _mm512_add_ps(total, sums[i]);
    sink = total[0];
    return rounds * SUMS * 16;
}

__attribute__((target("avx512f,avx512vnni"))) static size_t int8_vnni(size_t rounds) {
    __m512i sums[SUMS], a = _mm512_set1_epi32(byte_factor), b = _mm512_set1_epi32(byte_factor),
                        total = _mm512_setzero_si512();
    EACH_SUM sums[i] = _mm512_setzero_si512();
    for (size_t r = 0; r < rounds; r++) EACH_SUM sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
    EACH_SUM total = _mm512_add_epi32(total, sums[i]);
    int_sink = _mm512_reduce_add_epi32(total);
    return rounds * SUMS * 64;
}

/// Without dot products in one instruction: pairs of bytes, then pairs of 16-bit sums.
__attribute__((target("avx2"))) static size_t int8_avx2(size_t rounds) {
    __m256i sums[SUMS], a = _mm256_set1_epi32(byte_factor), b = _mm256_set1_epi32(byte_factor),
                        ones = _mm256_set1_epi16(1), total = _mm256_setzero_si256();
    EACH_SUM sums[i] = _mm256_setzero_si256();
    for (size_t r = 0; r < rounds; r++)
        // The operand changes with each sum: otherwise one product would serve all.
        EACH_SUM sums[i] = _mm256_add_epi32(
            sums[i], _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_xor_si256(a, sums[i]), b), ones));
    EACH_SUM total = _mm256_add_epi32(total, sums[i]);
    int_sink = _mm256_extract_epi32(total, 0);
    return rounds * SUMS * 32;
}
#endif

size_t tavis_peak_float32(size_t rounds) {
#if defined(__x86_64__)
    if (tavis_isa_current() == TAVIS_ISA_AVX512) return float_avx512(rounds);
    if (tavis_isa_current() == TAVIS_ISA_AVX2) return float_avx2(rounds);
#endif
    return float_baseline(rounds);
}

size_t tavis_peak_int8(size_t rounds) {
#if defined(__x86_64__)
    if (tavis_isa_current() == TAVIS_ISA_AVX512 && __builtin_cpu_supports("avx512vnni")) return int8_vnni(rounds);
    if (tavis_isa_current() >= TAVIS_ISA_AVX2) return int8_avx2(rounds);
#endif
    (void)rounds;
    return 0;
}
