// SPDX-License-Identifier: Apache-2.0
// From float32 to bytes and back, around integer matrix products.
#include "variants.h"

#include <math.h>
#include <string.h>

void tavis_quantize_rows_reference(uint8_t *out, float *scale, int32_t *zero, const float *in, int levels,
                                   size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        float low = 0, high = 0, damage = 0;
        for (size_t i = 0; i < cols; i++) {
            low = x[i] < low ? x[i] : low;
            high = x[i] > high ? x[i] : high;
            damage += x[i] * 0;
        }
        float step = (high - low) / (float)levels + damage;
        float inverse = step > 1e-30f ? 1 / step : 0;
        float origin = floorf(-low * inverse + 0.5f);
        scale[r] = step;
        zero[r] = (int32_t)origin;
        for (size_t i = 0; i < cols; i++) {
            float level = x[i] * inverse + origin + 0.5f;
            level = level > 0 ? level < (float)levels ? level : (float)levels : 0;
            out[r * cols + i] = (uint8_t)(int32_t)level;
        }
    }
}

void tavis_quantize_weights_reference(int8_t *out, float *scale, int32_t *sum, const float *in, size_t rows,
                                      size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        float top = 0, damage = 0;
        for (size_t i = 0; i < cols; i++) {
            float magnitude = x[i] < 0 ? -x[i] : x[i];
            top = magnitude > top ? magnitude : top;
            damage += x[i] * 0;
        }
        float inverse = top + damage > 1e-30f ? 127 / top : 0;
        scale[r] = top / 127 + damage;
        int32_t total = 0;
        for (size_t i = 0; i < cols; i++) {
            float level = x[i] * inverse;
            level = level > -127 ? level < 127 ? level : 127 : -127;
            int8_t byte = (int8_t)(int32_t)(level + (level < 0 ? -0.5f : 0.5f));
            out[r * cols + i] = byte;
            total += byte;
        }
        sum[r] = total;
    }
}

void tavis_dequantize_rows_reference(float *out, size_t ldo, const int32_t *products, const float *row_scale,
                                     const int32_t *row_zero, const float *col_scale, const int32_t *col_sum,
                                     size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols; i++)
            out[r * ldo + i] =
                row_scale[r] * col_scale[i] * (float)(products[r * cols + i] - row_zero[r] * col_sum[i]);
}

#define TAVIS_LOOPS "quantize_loops.h"
#include "each_set.h"

void tavis_quantize_rows(uint8_t *out, float *scale, int32_t *zero, const float *in, int levels, size_t rows,
                         size_t cols) {
    TAVIS_DISPATCH(quantize_rows, out, scale, zero, in, levels, rows, cols);
}

void tavis_quantize_weights(int8_t *out, float *scale, int32_t *sum, const float *in, size_t rows, size_t cols) {
    TAVIS_DISPATCH(quantize_weights, out, scale, sum, in, rows, cols);
}

void tavis_dequantize_rows(float *out, size_t ldo, const int32_t *products, const float *row_scale,
                           const int32_t *row_zero, const float *col_scale, const int32_t *col_sum, size_t rows,
                           size_t cols) {
    TAVIS_DISPATCH(dequantize_rows, out, ldo, products, row_scale, row_zero, col_scale, col_sum, rows, cols);
}
