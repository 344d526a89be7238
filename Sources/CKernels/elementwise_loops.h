// SPDX-License-Identifier: Apache-2.0
// Loops of elementwise.c, compiled once per instruction set.

#include "vector_math.h"

#pragma clang fp contract(fast)

#define LOOP(expression) \
    for (size_t i = 0; i < n; i++) out[i] = (expression)

/// log(1 + eˣ), without overflow.
static inline float TAVIS_VARIANT(softplus)(float x) {
    return (x > 0 ? x : 0) + TAVIS_VARIANT(fast_log1p)(TAVIS_VARIANT(fast_exp)(x > 0 ? -x : x));
}

static void TAVIS_VARIANT(unary)(tavis_unary_op op, float *out, const float *in, size_t n) {
    switch (op) {
    case TAVIS_COPY: LOOP(in[i]); return;
    case TAVIS_RELU: LOOP(in[i] > 0 ? in[i] : 0); return;
    case TAVIS_GELU: LOOP(0.5f * in[i] * (1.0f + TAVIS_VARIANT(fast_erf)(in[i] * 0.70710678f))); return;
    case TAVIS_SIGMOID: LOOP(1.0f / (1.0f + TAVIS_VARIANT(fast_exp)(-in[i]))); return;
    case TAVIS_EXP: LOOP(TAVIS_VARIANT(fast_exp)(in[i])); return;
    case TAVIS_LOG: LOOP(logf(in[i])); return;
    case TAVIS_SQRT: LOOP(sqrtf(in[i])); return;
    case TAVIS_SOFTPLUS: LOOP(TAVIS_VARIANT(softplus)(in[i])); return;
    }
}

static void TAVIS_VARIANT(binary)(tavis_binary_op op, float *out, const float *a, const float *b, size_t n) {
    switch (op) {
    case TAVIS_ADD: LOOP(a[i] + b[i]); return;
    case TAVIS_SUB: LOOP(a[i] - b[i]); return;
    case TAVIS_MUL: LOOP(a[i] * b[i]); return;
    case TAVIS_DIV: LOOP(a[i] / b[i]); return;
    case TAVIS_MAX: LOOP(a[i] > b[i] ? a[i] : b[i]); return;
    case TAVIS_MIN: LOOP(a[i] < b[i] ? a[i] : b[i]); return;
    }
}

static void TAVIS_VARIANT(binary_scalar)(tavis_binary_op op, float *out, const float *a, float b, size_t n) {
    switch (op) {
    case TAVIS_ADD: LOOP(a[i] + b); return;
    case TAVIS_SUB: LOOP(a[i] - b); return;
    case TAVIS_MUL: LOOP(a[i] * b); return;
    case TAVIS_DIV: LOOP(a[i] / b); return;
    case TAVIS_MAX: LOOP(a[i] > b ? a[i] : b); return;
    case TAVIS_MIN: LOOP(a[i] < b ? a[i] : b); return;
    }
}

#undef LOOP
#define LOOP(expression) \
    for (size_t i = 0; i < cols; i++) row[i] = (expression)

static void TAVIS_VARIANT(bias_act_rows)(float *x, size_t ldx, const float *bias, tavis_unary_op act,
                                         const float *residual, size_t ldr, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * ldx;
        const float *add = residual ? residual + r * ldr : NULL;
        if (bias && act == TAVIS_GELU) {
            const float scale = 0.70710678f;
            LOOP(0.5f * (row[i] + bias[i]) * (1.0f + TAVIS_VARIANT(fast_erf)((row[i] + bias[i]) * scale)));
        } else if (bias && act == TAVIS_RELU) {
            LOOP(row[i] + bias[i] > 0 ? row[i] + bias[i] : 0);
        } else if (bias && act == TAVIS_COPY && add) {
            LOOP(row[i] + bias[i] + add[i]);
            continue;
        } else {
            if (bias) LOOP(row[i] + bias[i]);
            if (act != TAVIS_COPY) TAVIS_VARIANT(unary)(act, row, row, cols);
        }
        if (add) LOOP(row[i] + add[i]);
    }
}

#undef LOOP
