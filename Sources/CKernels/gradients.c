// SPDX-License-Identifier: Apache-2.0
#include "tavis_gradients.h"

#include "variants.h"

#include <math.h>
#include <string.h>

static double slope_reference(tavis_unary_op op, double x, double y) {
    switch (op) {
    case TAVIS_COPY: return 1;
    case TAVIS_RELU: return y > 0 ? 1 : 0;
    case TAVIS_GELU: return 0.5 * (1 + erf(x * 0.70710678118654752)) + x * 0.39894228040143268 * exp(-0.5 * x * x);
    case TAVIS_SIGMOID: return y * (1 - y);
    case TAVIS_EXP: return y;
    case TAVIS_LOG: return 1 / x;
    case TAVIS_SQRT: return 0.5 / y;
    case TAVIS_SOFTPLUS: return 1 / (1 + exp(-x));
    }
    return 0;
}

void tavis_unary_gradient_reference(tavis_unary_op op, float *dx, const float *dy, const float *x, const float *y,
                                    size_t n) {
    for (size_t i = 0; i < n; i++) dx[i] = (float)(dy[i] * slope_reference(op, x ? x[i] : 0, y[i]));
}

static void layer_norm_gradient_row_reference(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                              const float *weight, float eps, size_t cols) {
    double mean = 0, variance = 0, plain = 0, along = 0;
    for (size_t i = 0; i < cols; i++) mean += (double)x[i] / (double)cols;
    for (size_t i = 0; i < cols; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)cols;
    double scale = 1 / sqrt(variance + eps);
    for (size_t i = 0; i < cols; i++) {
        double normal = (x[i] - mean) * scale;
        plain += (double)dy[i] * weight[i] / (double)cols;
        along += (double)dy[i] * weight[i] * normal / (double)cols;
        dweight[i] += (float)(dy[i] * normal);
        dbias[i] += dy[i];
    }
    for (size_t i = 0; i < cols; i++)
        dx[i] = (float)(scale * ((double)dy[i] * weight[i] - plain - (x[i] - mean) * scale * along));
}

void tavis_layer_norm_gradient_rows_reference(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                              const float *weight, float eps, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++)
        layer_norm_gradient_row_reference(dx + r * cols, dweight, dbias, dy + r * cols, x + r * cols, weight, eps,
                                          cols);
}

void tavis_softmax_gradient_rows_reference(float *dx, const float *dy, const float *y, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++, dx += cols, dy += cols, y += cols) {
        double along = 0;
        for (size_t i = 0; i < cols; i++) along += (double)dy[i] * y[i];
        for (size_t i = 0; i < cols; i++) dx[i] = (float)(y[i] * (dy[i] - along));
    }
}

void tavis_score_gradient_rows_reference(float *ds, const float *p, const float *y, const float *dy, size_t ldy,
                                         float scale, size_t rows, size_t cols, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        double delta = 0;
        for (size_t i = 0; i < width; i++) delta += (double)y[r * ldy + i] * dy[r * ldy + i];
        for (size_t i = 0; i < cols; i++)
            ds[r * cols + i] = (float)(p[r * cols + i] * (ds[r * cols + i] - delta) * scale);
    }
}

void tavis_add_rows_reference(float *sum, const float *x, size_t rows, size_t cols) {
    for (size_t i = 0; i < cols; i++) {
        double total = sum[i];
        for (size_t r = 0; r < rows; r++) total += x[r * cols + i];
        sum[i] = (float)total;
    }
}

/// What output rows y0..<y1 add to the weight of one channel at kernel row ky and column kx.
static double depthwise_tap_reference(const float *in, const float *dy, size_t h, size_t w, size_t c, size_t k,
                                      size_t y0, size_t y1, size_t ky, size_t kx, size_t channel) {
    double total = 0;
    for (size_t oy = y0; oy < y1; oy++)
        for (size_t ox = 0; ox < w; ox++) {
            ptrdiff_t y = (ptrdiff_t)(oy + ky) - (ptrdiff_t)(k / 2), x = (ptrdiff_t)(ox + kx) - (ptrdiff_t)(k / 2);
            if (y < 0 || y >= (ptrdiff_t)h || x < 0 || x >= (ptrdiff_t)w) continue;
            total += (double)in[((size_t)y * w + (size_t)x) * c + channel] * dy[(oy * w + ox) * c + channel];
        }
    return total;
}

void tavis_depthwise_weight_gradient_reference(float *dweight, const float *in, const float *dy, size_t h, size_t w,
                                               size_t c, size_t k, size_t y0, size_t y1) {
    for (size_t ky = 0; ky < k; ky++)
        for (size_t kx = 0; kx < k; kx++)
            for (size_t i = 0; i < c; i++) {
                float *tap = dweight + (ky * k + kx) * c + i;
                *tap = (float)(*tap + depthwise_tap_reference(in, dy, h, w, c, k, y0, y1, ky, kx, i));
            }
}

void tavis_max_pool_2x2_gradient_reference(float *dx, const float *dy, const float *in, size_t w, size_t c, size_t y0,
                                           size_t y1) {
    for (size_t y = y0; y < y1; y++)
        for (size_t x = 0; x < w / 2; x++)
            for (size_t i = 0; i < c; i++) {
                size_t at[4], largest = 0;
                for (size_t k = 0; k < 4; k++) {
                    at[k] = ((2 * y + k / 2) * w + 2 * x + k % 2) * c + i;
                    if (in[at[k]] > in[at[largest]]) largest = k;
                }
                for (size_t k = 0; k < 4; k++) dx[at[k]] = k == largest ? dy[(y * (w / 2) + x) * c + i] : 0;
            }
}

void tavis_mask_sums_reference(float *sums, const float *x, const float *truth, size_t n) {
    double entropy = 0, overlap = 0, area = 0;
    for (size_t i = 0; i < n; i++) {
        double p = 1 / (1 + exp(-(double)x[i]));
        entropy += (x[i] > 0 ? x[i] : 0) + log1p(exp(-fabs((double)x[i]))) - (double)x[i] * truth[i];
        overlap += p * truth[i];
        area += p;
    }
    sums[0] = (float)entropy, sums[1] = (float)overlap, sums[2] = (float)area;
}

void tavis_mask_sums_gradient_reference(float *dx, const float *dsums, const float *x, const float *truth, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double p = 1 / (1 + exp(-(double)x[i]));
        dx[i] = (float)(dsums[0] * (p - truth[i]) + ((double)dsums[1] * truth[i] + dsums[2]) * p * (1 - p));
    }
}

void tavis_adamw_reference(float *p, float *m, float *v, const float *g, float scale, float rate, float beta1,
                           float beta2, float eps, float decay, float correction1, float correction2, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double gradient = (double)scale * g[i];
        double first = (double)beta1 * m[i] + (1 - (double)beta1) * gradient;
        double second = (double)beta2 * v[i] + (1 - (double)beta2) * gradient * gradient;
        double step = first / correction1 / (sqrt(second / correction2) + eps);
        p[i] = (float)(p[i] * (1 - (double)rate * decay) - rate * step);
        m[i] = (float)first;
        v[i] = (float)second;
    }
}

#define TAVIS_LOOPS "gradients_loops.h"
#include "each_set.h"

void tavis_unary_gradient(tavis_unary_op op, float *dx, const float *dy, const float *x, const float *y, size_t n) {
    TAVIS_DISPATCH(unary_gradient, op, dx, dy, x, y, n);
}

void tavis_layer_norm_gradient_rows(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                    const float *weight, float eps, size_t rows, size_t cols) {
    TAVIS_DISPATCH(layer_norm_gradient_rows, dx, dweight, dbias, dy, x, weight, eps, rows, cols);
}

void tavis_softmax_gradient_rows(float *dx, const float *dy, const float *y, size_t rows, size_t cols) {
    TAVIS_DISPATCH(softmax_gradient_rows, dx, dy, y, rows, cols);
}

void tavis_score_gradient_rows(float *ds, const float *p, const float *y, const float *dy, size_t ldy, float scale,
                               size_t rows, size_t cols, size_t width) {
    TAVIS_DISPATCH(score_gradient_rows, ds, p, y, dy, ldy, scale, rows, cols, width);
}

void tavis_accumulate(float *sum, const float *x, size_t n) { TAVIS_DISPATCH(accumulate, sum, x, n); }

void tavis_add_rows(float *sum, const float *x, size_t rows, size_t cols) {
    TAVIS_DISPATCH(add_rows, sum, x, rows, cols);
}

void tavis_col2im(float *out, const float *patches, size_t h, size_t w, size_t c, size_t kh, size_t kw, size_t stride,
                  size_t pad, size_t ow, size_t oy0, size_t oy1) {
    for (size_t oy = oy0; oy < oy1; oy++)
        for (size_t ox = 0; ox < ow; ox++, patches += c * kh * kw)
            for (size_t ky = 0; ky < kh; ky++) {
                ptrdiff_t y = (ptrdiff_t)(oy * stride + ky) - (ptrdiff_t)pad;
                if (y < 0 || y >= (ptrdiff_t)h) continue;
                for (size_t kx = 0; kx < kw; kx++) {
                    ptrdiff_t x = (ptrdiff_t)(ox * stride + kx) - (ptrdiff_t)pad;
                    if (x < 0 || x >= (ptrdiff_t)w) continue;
                    float *pixel = out + ((size_t)y * w + (size_t)x) * c;
                    for (size_t i = 0; i < c; i++) pixel[i] += patches[(i * kh + ky) * kw + kx];
                }
            }
}

void tavis_depthwise_weight_gradient(float *dweight, const float *in, const float *dy, size_t h, size_t w, size_t c,
                                     size_t k, size_t y0, size_t y1) {
    TAVIS_DISPATCH(depthwise_weight_gradient, dweight, in, dy, h, w, c, k, y0, y1);
}

void tavis_max_pool_2x2_gradient(float *dx, const float *dy, const float *in, size_t w, size_t c, size_t y0,
                                 size_t y1) {
    TAVIS_DISPATCH(max_pool_2x2_gradient, dx, dy, in, w, c, y0, y1);
}

void tavis_mask_sums(float *sums, const float *x, const float *truth, size_t n) {
    TAVIS_DISPATCH(mask_sums, sums, x, truth, n);
}

void tavis_mask_sums_gradient(float *dx, const float *dsums, const float *x, const float *truth, size_t n) {
    TAVIS_DISPATCH(mask_sums_gradient, dx, dsums, x, truth, n);
}

void tavis_adamw(float *p, float *m, float *v, const float *g, float scale, float rate, float beta1, float beta2,
                 float eps, float decay, float correction1, float correction2, size_t n) {
    TAVIS_DISPATCH(adamw, p, m, v, g, scale, rate, beta1, beta2, eps, decay, correction1, correction2, n);
}
