// SPDX-License-Identifier: Apache-2.0
#include "variants.h"

#include <math.h>
#include <string.h>

static float reference(tavis_unary_op op, float x) {
    switch (op) {
    case TAVIS_COPY: return x;
    case TAVIS_RELU: return x > 0 ? x : 0;
    case TAVIS_GELU: return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
    case TAVIS_SIGMOID: return 1 / (1 + expf(-x));
    case TAVIS_EXP: return expf(x);
    case TAVIS_LOG: return logf(x);
    case TAVIS_SQRT: return sqrtf(x);
    case TAVIS_SOFTPLUS: return (x > 0 ? x : 0) + log1pf(expf(x > 0 ? -x : x));
    }
    return x;
}

void tavis_unary_reference(tavis_unary_op op, float *out, const float *in, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = reference(op, in[i]);
}

void tavis_binary_reference(tavis_binary_op op, float *out, const float *a, const float *b, size_t n) {
    for (size_t i = 0; i < n; i++) switch (op) {
        case TAVIS_ADD: out[i] = a[i] + b[i]; break;
        case TAVIS_SUB: out[i] = a[i] - b[i]; break;
        case TAVIS_MUL: out[i] = a[i] * b[i]; break;
        case TAVIS_DIV: out[i] = a[i] / b[i]; break;
        case TAVIS_MAX: out[i] = a[i] > b[i] ? a[i] : b[i]; break;
        case TAVIS_MIN: out[i] = a[i] < b[i] ? a[i] : b[i]; break;
        }
}

void tavis_bias_act_rows_reference(float *x, size_t ldx, const float *bias, tavis_unary_op act,
                                   const float *residual, size_t ldr, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i++) {
            float value = reference(act, x[r * ldx + i] + (bias ? bias[i] : 0));
            x[r * ldx + i] = value + (residual ? residual[r * ldr + i] : 0);
        }
}

#define TAVIS_LOOPS "elementwise_loops.h"
#include "each_set.h"

void tavis_unary(tavis_unary_op op, float *out, const float *in, size_t n) { TAVIS_DISPATCH(unary, op, out, in, n); }

void tavis_binary(tavis_binary_op op, float *out, const float *a, const float *b, size_t n) {
    TAVIS_DISPATCH(binary, op, out, a, b, n);
}

void tavis_binary_scalar(tavis_binary_op op, float *out, const float *a, float b, size_t n) {
    TAVIS_DISPATCH(binary_scalar, op, out, a, b, n);
}

void tavis_bias_act_rows(float *x, size_t ldx, const float *bias, tavis_unary_op act, const float *residual,
                         size_t ldr, size_t rows, size_t cols) {
    TAVIS_DISPATCH(bias_act_rows, x, ldx, bias, act, residual, ldr, rows, cols);
}
