// SPDX-License-Identifier: Apache-2.0
#include "tavis_kernels.h"

#include <math.h>

static inline float apply(tavis_unary_op op, float x) {
    switch (op) {
    case TAVIS_COPY: return x;
    case TAVIS_RELU: return x > 0 ? x : 0;
    case TAVIS_GELU: return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
    case TAVIS_SIGMOID: return 1 / (1 + expf(-x));
    case TAVIS_EXP: return expf(x);
    case TAVIS_LOG: return logf(x);
    case TAVIS_SQRT: return sqrtf(x);
    case TAVIS_SQUARE: return x * x;
    }
    return x;
}

void tavis_unary(tavis_unary_op op, float *out, const float *in, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = apply(op, in[i]);
}

#define LOOP(expression) for (size_t i = 0; i < n; i++) out[i] = (expression)

void tavis_binary(tavis_binary_op op, float *out, const float *a, const float *b, size_t n) {
    switch (op) {
    case TAVIS_ADD: LOOP(a[i] + b[i]); return;
    case TAVIS_SUB: LOOP(a[i] - b[i]); return;
    case TAVIS_MUL: LOOP(a[i] * b[i]); return;
    case TAVIS_DIV: LOOP(a[i] / b[i]); return;
    case TAVIS_MAX: LOOP(a[i] > b[i] ? a[i] : b[i]); return;
    case TAVIS_MIN: LOOP(a[i] < b[i] ? a[i] : b[i]); return;
    }
}

void tavis_binary_scalar(tavis_binary_op op, float *out, const float *a, float b, size_t n) {
    switch (op) {
    case TAVIS_ADD: LOOP(a[i] + b); return;
    case TAVIS_SUB: LOOP(a[i] - b); return;
    case TAVIS_MUL: LOOP(a[i] * b); return;
    case TAVIS_DIV: LOOP(a[i] / b); return;
    case TAVIS_MAX: LOOP(a[i] > b ? a[i] : b); return;
    case TAVIS_MIN: LOOP(a[i] < b ? a[i] : b); return;
    }
}

void tavis_bias_act_rows(float *x, size_t ldx, const float *bias, tavis_unary_op act, const float *residual,
                         size_t ldr, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * ldx;
        if (bias) tavis_binary(TAVIS_ADD, row, row, bias, cols);
        if (act != TAVIS_COPY) tavis_unary(act, row, row, cols);
        if (residual) tavis_binary(TAVIS_ADD, row, row, residual + r * ldr, cols);
    }
}
