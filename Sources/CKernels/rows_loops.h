// SPDX-License-Identifier: Apache-2.0
// Loops of rows.c, compiled once per instruction set.

#include "vector_math.h"

#pragma clang fp contract(fast)

/// Sums and maxima may be taken in any order: that is what lets them run in lanes.
#define ANY_ORDER _Pragma("clang fp reassociate(on)")

static float TAVIS_VARIANT(sum)(const float *x, size_t n) {
    ANY_ORDER
    // Blocks keep long sums as exact as short ones.
    double total = 0;
    for (size_t start = 0; start < n; start += 4096) {
        size_t end = start + 4096 < n ? start + 4096 : n;
        float part = 0;
        for (size_t i = start; i < end; i++) part += x[i];
        total += part;
    }
    return (float)total;
}

static inline float TAVIS_VARIANT(squares)(const float *x, float mean, size_t n) {
    ANY_ORDER
    float total = 0;
    for (size_t i = 0; i < n; i++) total += (x[i] - mean) * (x[i] - mean);
    return total;
}

static inline float TAVIS_VARIANT(largest)(const float *x, float start, size_t n) {
    ANY_ORDER
    float top = start;
    // Lanes by hand: the compiler does not turn this comparison into a vector maximum by itself.
    float lanes[16];
    for (int l = 0; l < 16; l++) lanes[l] = start;
    size_t whole = n / 16 * 16;
    for (size_t i = 0; i < whole; i += 16)
        for (int l = 0; l < 16; l++) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
    for (int l = 0; l < 16; l++) top = lanes[l] > top ? lanes[l] : top;
    for (size_t i = whole; i < n; i++) top = x[i] > top ? x[i] : top;
    return top;
}

/// out ← exp(scale · (x − top)), returns the sum.
static inline float TAVIS_VARIANT(exponentials)(float *out, const float *x, float scale, float top, size_t n) {
    ANY_ORDER
    float total = 0;
    for (size_t i = 0; i < n; i++) {
        float e = TAVIS_VARIANT(fast_exp)(scale * (x[i] - top));
        out[i] = e;
        total += e;
    }
    return total;
}

static void TAVIS_VARIANT(layer_norm_rows)(float *out, const float *in, const float *weight, const float *bias,
                                           float eps, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        float *y = out + r * cols;
        float mean = TAVIS_VARIANT(sum)(x, cols) / (float)cols;
        float scale = 1 / sqrtf(TAVIS_VARIANT(squares)(x, mean, cols) / (float)cols + eps);
        for (size_t i = 0; i < cols; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

static void TAVIS_VARIANT(softmax_rows)(float *out, const float *in, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        float *y = out + r * cols;
        float inverse = 1 / TAVIS_VARIANT(exponentials)(y, x, 1, TAVIS_VARIANT(largest)(x, -INFINITY, cols), cols);
        for (size_t i = 0; i < cols; i++) y[i] *= inverse;
    }
}

static void TAVIS_VARIANT(softmax_block)(float *s, size_t lds, float scale, bool causal, ptrdiff_t first_limit,
                                         float *maximum, float *sum, float *correction, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        float *x = s + r * lds;
        ptrdiff_t limit = (ptrdiff_t)cols;
        if (causal && first_limit + (ptrdiff_t)r < limit) limit = first_limit + (ptrdiff_t)r;
        if (limit < 0) limit = 0;
        // Maxima are kept unscaled; the scale is positive.
        float top = TAVIS_VARIANT(largest)(x, maximum[r], (size_t)limit);
        float total = TAVIS_VARIANT(exponentials)(x, x, scale, top, (size_t)limit);
        for (size_t i = (size_t)limit; i < cols; i++) x[i] = 0;
        correction[r] = top == -INFINITY ? 1 : TAVIS_VARIANT(fast_exp)(scale * (maximum[r] - top));
        sum[r] = sum[r] * correction[r] + total;
        maximum[r] = top;
    }
}

static void TAVIS_VARIANT(scale_rows)(float *x, size_t ldx, const float *factor, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        float f = factor[r], *row = x + r * ldx;
        for (size_t i = 0; i < cols; i++) row[i] *= f;
    }
}

#undef ANY_ORDER
