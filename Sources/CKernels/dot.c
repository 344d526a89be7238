// SPDX-License-Identifier: Apache-2.0
// Products of few rows with weights as they lie, C = A · Bᵀ, for AVX-512. A library brings weights into an order of its own
// first, which for few rows takes as long as the products. Here each element of C is a dot product of a row of A and one
// of B: a tile of 6×4 of them sits in registers, four rows of B pass by once and stay in the first cache while all of A
// meets them, and the next four are fetched meanwhile.
#include "dot.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define FLOATS __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#define BYTES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define INLINE __attribute__((always_inline)) static inline

enum { tile_rows = 6, tile_columns = 4 };
/// Elements of rows of B that are worked on at a time: four such rows of floats take 20 KB.
static const size_t most_depth = 1280;

bool tavis_dot_serves(size_t m, size_t k) {
    return m <= 256 && k >= 512 && tavis_isa_current() == TAVIS_ISA_AVX512;
}

bool tavis_dot_serves_bytes(size_t m, size_t k) {
    return tavis_dot_serves(m, k) && __builtin_cpu_supports("avx512vnni");
}

// MARK: Floats

/// Sums of the lanes of a, b, c and d.
FLOATS INLINE __m128 float_sums(__m512 a, __m512 b, __m512 c, __m512 d) {
    __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    __m512 all = _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

FLOATS INLINE void float_tile(int rows, int columns, size_t k, const float *a, size_t lda, const float *b, size_t ldb,
                              float *c, size_t ldc, bool adds) {
    __m512 sum[tile_rows][tile_columns], right[tile_columns];
    for (int i = 0; i < tile_rows; i++)
        for (int j = 0; j < tile_columns; j++) sum[i][j] = _mm512_setzero_ps();
    size_t whole = k / 16 * 16;
    for (size_t p = 0; p < whole; p += 16) {
        for (int j = 0; j < columns; j++) __builtin_prefetch(b + (size_t)(columns + j) * ldb + p, 0, 2);
        for (int j = 0; j < columns; j++) right[j] = _mm512_loadu_ps(b + (size_t)j * ldb + p);
        for (int i = 0; i < rows; i++) {
            __m512 left = _mm512_loadu_ps(a + (size_t)i * lda + p);
            for (int j = 0; j < columns; j++) sum[i][j] = _mm512_fmadd_ps(left, right[j], sum[i][j]);
        }
    }
    if (whole < k) {
        __mmask16 rest = (__mmask16)(0xffff >> (16 - (k - whole)));
        for (int j = 0; j < columns; j++) right[j] = _mm512_maskz_loadu_ps(rest, b + (size_t)j * ldb + whole);
        for (int i = 0; i < rows; i++) {
            __m512 left = _mm512_maskz_loadu_ps(rest, a + (size_t)i * lda + whole);
            for (int j = 0; j < columns; j++) sum[i][j] = _mm512_fmadd_ps(left, right[j], sum[i][j]);
        }
    }
    __mmask8 used = (__mmask8)((1 << columns) - 1);
    for (int i = 0; i < rows; i++) {
        float *to = c + (size_t)i * ldc;
        __m128 sums = float_sums(sum[i][0], sum[i][1], sum[i][2], sum[i][3]);
        if (adds) sums = _mm_add_ps(sums, _mm_maskz_loadu_ps(used, to));
        _mm_mask_storeu_ps(to, used, sums);
    }
}

#define FLOAT_TILE(rows)                                                                            \
    case rows:                                                                                      \
        if (columns == tile_columns) float_tile(rows, tile_columns, k, a, lda, b, ldb, c, ldc, adds); \
        else float_tile(rows, columns, k, a, lda, b, ldb, c, ldc, adds);                            \
        return

FLOATS static void float_tile_of(int rows, int columns, size_t k, const float *a, size_t lda, const float *b,
                                 size_t ldb, float *c, size_t ldc, bool adds) {
    switch (rows) {
        FLOAT_TILE(1);
        FLOAT_TILE(2);
        FLOAT_TILE(3);
        FLOAT_TILE(4);
        FLOAT_TILE(5);
        FLOAT_TILE(6);
    }
}

void tavis_dot_floats(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, bool adds,
                      float *c, size_t ldc) {
    size_t pieces = (k + most_depth - 1) / most_depth;
    size_t depth = ((k + pieces - 1) / pieces + 15) / 16 * 16;
    for (size_t from = 0; from < k; from += depth) {
        size_t count = k - from < depth ? k - from : depth;
        for (size_t j = 0; j < n; j += tile_columns)
            for (size_t i = 0; i < m; i += tile_rows)
                float_tile_of(m - i < tile_rows ? (int)(m - i) : tile_rows,
                              n - j < tile_columns ? (int)(n - j) : tile_columns, count, a + i * lda + from, lda,
                              b + j * ldb + from, ldb, c + i * ldc + j, ldc, adds || from > 0);
    }
}

// MARK: Bytes

/// Sums of the lanes of a, b, c and d.
BYTES INLINE __m128i integer_sums(__m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

BYTES INLINE void byte_tile(int rows, int columns, size_t k, const uint8_t *a, const int8_t *b, int32_t *c,
                            size_t ldc) {
    __m512i sum[tile_rows][tile_columns], right[tile_columns];
    for (int i = 0; i < tile_rows; i++)
        for (int j = 0; j < tile_columns; j++) sum[i][j] = _mm512_setzero_si512();
    size_t whole = k / 64 * 64;
    for (size_t p = 0; p < whole; p += 64) {
        for (int j = 0; j < columns; j++) __builtin_prefetch(b + (size_t)(columns + j) * k + p, 0, 2);
        for (int j = 0; j < columns; j++) right[j] = _mm512_loadu_si512(b + (size_t)j * k + p);
        for (int i = 0; i < rows; i++) {
            __m512i left = _mm512_loadu_si512(a + (size_t)i * k + p);
            for (int j = 0; j < columns; j++) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], left, right[j]);
        }
    }
    if (whole < k) {
        __mmask64 rest = ~(__mmask64)0 >> (64 - (k - whole));
        for (int j = 0; j < columns; j++) right[j] = _mm512_maskz_loadu_epi8(rest, b + (size_t)j * k + whole);
        for (int i = 0; i < rows; i++) {
            __m512i left = _mm512_maskz_loadu_epi8(rest, a + (size_t)i * k + whole);
            for (int j = 0; j < columns; j++) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], left, right[j]);
        }
    }
    __mmask8 used = (__mmask8)((1 << columns) - 1);
    for (int i = 0; i < rows; i++)
        _mm_mask_storeu_epi32(c + (size_t)i * ldc, used, integer_sums(sum[i][0], sum[i][1], sum[i][2], sum[i][3]));
}

#define BYTE_TILE(rows)                                                               \
    case rows:                                                                        \
        if (columns == tile_columns) byte_tile(rows, tile_columns, k, a, b, c, ldc); \
        else byte_tile(rows, columns, k, a, b, c, ldc);                              \
        return

BYTES static void byte_tile_of(int rows, int columns, size_t k, const uint8_t *a, const int8_t *b, int32_t *c,
                               size_t ldc) {
    switch (rows) {
        BYTE_TILE(1);
        BYTE_TILE(2);
        BYTE_TILE(3);
        BYTE_TILE(4);
        BYTE_TILE(5);
        BYTE_TILE(6);
    }
}

void tavis_dot_bytes(size_t m, size_t n, size_t k, const uint8_t *a, const int8_t *b, int32_t *c) {
    for (size_t j = 0; j < n; j += tile_columns)
        for (size_t i = 0; i < m; i += tile_rows)
            byte_tile_of(m - i < tile_rows ? (int)(m - i) : tile_rows,
                         n - j < tile_columns ? (int)(n - j) : tile_columns, k, a + i * k, b + j * k, c + i * n + j,
                         n);
}

#else

bool tavis_dot_serves(size_t m, size_t k) { return false; }
bool tavis_dot_serves_bytes(size_t m, size_t k) { return false; }
void tavis_dot_floats(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, bool adds,
                      float *c, size_t ldc) {}
void tavis_dot_bytes(size_t m, size_t n, size_t k, const uint8_t *a, const int8_t *b, int32_t *c) {}

#endif
