// SPDX-License-Identifier: Apache-2.0
#include "variants.h"

#include <math.h>
#include <string.h>

void tavis_layer_norm_rows_reference(float *out, const float *in, const float *weight, const float *bias, float eps,
                           size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        float *y = out + r * cols;
        double total = 0;
        for (size_t i = 0; i < cols; i++) total += x[i];
        float mean = (float)(total / (double)cols);
        double squares = 0;
        for (size_t i = 0; i < cols; i++) squares += (double)(x[i] - mean) * (x[i] - mean);
        float scale = 1 / sqrtf((float)(squares / (double)cols) + eps);
        for (size_t i = 0; i < cols; i++) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
    }
}

void tavis_softmax_rows_reference(float *out, const float *in, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        float *y = out + r * cols;
        float top = -INFINITY, sum = 0;
        for (size_t i = 0; i < cols; i++) top = x[i] > top ? x[i] : top;
        for (size_t i = 0; i < cols; i++) sum += y[i] = expf(x[i] - top);
        for (size_t i = 0; i < cols; i++) y[i] /= sum;
    }
}

void tavis_softmax_block_reference(float *s, size_t lds, float scale, bool causal, ptrdiff_t first_limit, float *maximum,
                         float *sum, float *correction, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        float *x = s + r * lds;
        ptrdiff_t limit = (ptrdiff_t)cols;
        if (causal && first_limit + (ptrdiff_t)r < limit) limit = first_limit + (ptrdiff_t)r;
        if (limit < 0) limit = 0;
        float top = maximum[r], total = 0;
        for (ptrdiff_t i = 0; i < limit; i++) top = x[i] > top ? x[i] : top;
        for (ptrdiff_t i = 0; i < limit; i++) total += x[i] = expf(scale * (x[i] - top));
        for (size_t i = (size_t)limit; i < cols; i++) x[i] = 0;
        correction[r] = top == -INFINITY ? 1 : expf(scale * (maximum[r] - top));
        sum[r] = sum[r] * correction[r] + total;
        maximum[r] = top;
    }
}

void tavis_scale_rows_reference(float *x, size_t ldx, const float *factor, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i++) x[r * ldx + i] *= factor[r];
}

float tavis_sum_reference(const float *x, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i++) total += x[i];
    return (float)total;
}

#define TAVIS_LOOPS "rows_loops.h"
#include "each_set.h"

void tavis_layer_norm_rows(float *out, const float *in, const float *weight, const float *bias, float eps,
                           size_t rows, size_t cols) {
    TAVIS_DISPATCH(layer_norm_rows, out, in, weight, bias, eps, rows, cols);
}

void tavis_softmax_rows(float *out, const float *in, size_t rows, size_t cols) {
    TAVIS_DISPATCH(softmax_rows, out, in, rows, cols);
}

void tavis_softmax_block(float *s, size_t lds, float scale, bool causal, ptrdiff_t first_limit, float *maximum,
                         float *sum, float *correction, size_t rows, size_t cols) {
    TAVIS_DISPATCH(softmax_block, s, lds, scale, causal, first_limit, maximum, sum, correction, rows, cols);
}

void tavis_scale_rows(float *x, size_t ldx, const float *factor, size_t rows, size_t cols) {
    TAVIS_DISPATCH(scale_rows, x, ldx, factor, rows, cols);
}

float tavis_sum(const float *x, size_t n) {
#if defined(__x86_64__)
    if (tavis_isa_current() == TAVIS_ISA_AVX512) return sum_avx512(x, n);
    if (tavis_isa_current() == TAVIS_ISA_AVX2) return sum_avx2(x, n);
#endif
    return sum_baseline(x, n);
}
