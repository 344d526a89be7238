// SPDX-License-Identifier: Apache-2.0
// Loops of gradients.c, compiled once per instruction set.

#include "vector_math.h"

#pragma clang fp contract(fast)

/// Sums may be taken in any order: that is what lets them run in lanes.
#define ANY_ORDER _Pragma("clang fp reassociate(on)")

#define LOOP(expression) \
    for (size_t i = 0; i < n; i++) dx[i] = dy[i] * (expression)

/// Derivative of x·Φ(x): Φ(x) + x·φ(x).
static inline float TAVIS_VARIANT(gelu_slope)(float x) {
    float cumulative = 0.5f * (1.0f + TAVIS_VARIANT(fast_erf)(x * 0.70710678f));
    return cumulative + x * 0.39894228f * TAVIS_VARIANT(fast_exp)(-0.5f * x * x);
}

static void TAVIS_VARIANT(unary_gradient)(tavis_unary_op op, float *dx, const float *dy, const float *x,
                                          const float *y, size_t n) {
    switch (op) {
    case TAVIS_COPY: LOOP(1.0f); return;
    case TAVIS_RELU: LOOP(y[i] > 0 ? 1.0f : 0.0f); return;
    case TAVIS_GELU: LOOP(TAVIS_VARIANT(gelu_slope)(x[i])); return;
    case TAVIS_SIGMOID: LOOP(y[i] * (1.0f - y[i])); return;
    case TAVIS_EXP: LOOP(y[i]); return;
    case TAVIS_LOG: LOOP(1.0f / x[i]); return;
    case TAVIS_SQRT: LOOP(0.5f / y[i]); return;
    case TAVIS_SOFTPLUS: LOOP(1.0f / (1.0f + TAVIS_VARIANT(fast_exp)(-x[i]))); return;
    }
}

#undef LOOP

static void TAVIS_VARIANT(layer_norm_gradient_rows)(float *dx, float *dweight, float *dbias, const float *dy,
                                                    const float *x, const float *weight, float eps, size_t rows,
                                                    size_t cols) {
    ANY_ORDER
    for (size_t r = 0; r < rows; r++, dx += cols, dy += cols, x += cols) {
        float total = 0, squares = 0;
        for (size_t i = 0; i < cols; i++) total += x[i];
        float mean = total / (float)cols;
        for (size_t i = 0; i < cols; i++) squares += (x[i] - mean) * (x[i] - mean);
        float scale = 1 / sqrtf(squares / (float)cols + eps);
        float plain = 0, along = 0;
        for (size_t i = 0; i < cols; i++) {
            float normal = (x[i] - mean) * scale, g = dy[i] * weight[i];
            plain += g;
            along += g * normal;
            dweight[i] += dy[i] * normal;
            dbias[i] += dy[i];
        }
        plain /= (float)cols;
        along /= (float)cols;
        for (size_t i = 0; i < cols; i++)
            dx[i] = scale * (dy[i] * weight[i] - plain - (x[i] - mean) * scale * along);
    }
}

static void TAVIS_VARIANT(softmax_gradient_rows)(float *dx, const float *dy, const float *y, size_t rows, size_t cols) {
    ANY_ORDER
    for (size_t r = 0; r < rows; r++, dx += cols, dy += cols, y += cols) {
        float along = 0;
        for (size_t i = 0; i < cols; i++) along += dy[i] * y[i];
        for (size_t i = 0; i < cols; i++) dx[i] = y[i] * (dy[i] - along);
    }
}

static void TAVIS_VARIANT(score_gradient_rows)(float *ds, const float *p, const float *y, const float *dy, size_t ldy,
                                               float scale, size_t rows, size_t cols, size_t width) {
    ANY_ORDER
    for (size_t r = 0; r < rows; r++, ds += cols, p += cols, y += ldy, dy += ldy) {
        float delta = 0;
        for (size_t i = 0; i < width; i++) delta += y[i] * dy[i];
        for (size_t i = 0; i < cols; i++) ds[i] = p[i] * (ds[i] - delta) * scale;
    }
}

static void TAVIS_VARIANT(accumulate)(float *sum, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++) sum[i] += x[i];
}

/// Four rows at a time, so that the sums are read and written a quarter as often.
static void TAVIS_VARIANT(add_rows)(float *sum, const float *x, size_t rows, size_t cols) {
    size_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * cols) {
        const float *b = x + cols, *c = b + cols, *d = c + cols;
        for (size_t i = 0; i < cols; i++) sum[i] += (x[i] + b[i]) + (c[i] + d[i]);
    }
    for (; r < rows; r++, x += cols) TAVIS_VARIANT(accumulate)(sum, x, cols);
}

static void TAVIS_VARIANT(depthwise_weight_gradient)(float *dweight, const float *in, const float *dy, size_t h,
                                                     size_t w, size_t c, size_t k, size_t y0, size_t y1) {
    ptrdiff_t half = (ptrdiff_t)(k / 2);
    for (size_t oy = y0; oy < y1; oy++)
        for (size_t ky = 0; ky < k; ky++) {
            ptrdiff_t y = (ptrdiff_t)(oy + ky) - half;
            if (y < 0 || y >= (ptrdiff_t)h) continue;
            for (size_t kx = 0; kx < k; kx++) {
                float *tap = dweight + (ky * k + kx) * c;
                for (size_t ox = 0; ox < w; ox++) {
                    ptrdiff_t x = (ptrdiff_t)(ox + kx) - half;
                    if (x < 0 || x >= (ptrdiff_t)w) continue;
                    const float *pixel = in + ((size_t)y * w + (size_t)x) * c, *g = dy + (oy * w + ox) * c;
                    for (size_t i = 0; i < c; i++) tap[i] += pixel[i] * g[i];
                }
            }
        }
}

static void TAVIS_VARIANT(max_pool_2x2_gradient)(float *restrict dx, const float *restrict dy,
                                                 const float *restrict in, size_t w, size_t c, size_t y0, size_t y1) {
    for (size_t y = y0; y < y1; y++)
        for (size_t x = 0; x < w / 2; x++) {
            size_t at = (2 * y * w + 2 * x) * c;
            const float *a = in + at, *b = a + w * c, *g = dy + (y * (w / 2) + x) * c;
            float *da = dx + at, *db = da + w * c;
            for (size_t i = 0; i < c; i++) {
                // Without branches, so that channels run in lanes.
                float top = a[i] >= a[c + i] ? a[i] : a[c + i], bottom = b[i] >= b[c + i] ? b[i] : b[c + i];
                float above = top >= bottom ? g[i] : 0.0f, below = top >= bottom ? 0.0f : g[i];
                float first = a[i] >= a[c + i] ? above : 0.0f, third = b[i] >= b[c + i] ? below : 0.0f;
                da[i] = first;
                da[c + i] = a[i] >= a[c + i] ? 0.0f : above;
                db[i] = third;
                db[c + i] = b[i] >= b[c + i] ? 0.0f : below;
            }
        }
}

/// Sums over a stretch of pixels.
static inline void TAVIS_VARIANT(mask_sums_of)(float *sums, const float *x, const float *truth, size_t n) {
    ANY_ORDER
    float entropy = 0, overlap = 0, area = 0;
    for (size_t i = 0; i < n; i++) {
        float small = TAVIS_VARIANT(fast_exp)(x[i] > 0 ? -x[i] : x[i]);
        float p = (x[i] > 0 ? 1.0f : small) / (1.0f + small);
        entropy += (x[i] > 0 ? x[i] : 0) + TAVIS_VARIANT(fast_log1p)(small) - x[i] * truth[i];
        overlap += p * truth[i];
        area += p;
    }
    sums[0] = entropy, sums[1] = overlap, sums[2] = area;
}

static void TAVIS_VARIANT(mask_sums)(float *sums, const float *x, const float *truth, size_t n) {
    // Blocks keep long sums as exact as short ones.
    double total[3] = {0, 0, 0};
    for (size_t start = 0; start < n; start += 4096) {
        float part[3];
        TAVIS_VARIANT(mask_sums_of)(part, x + start, truth + start, start + 4096 < n ? 4096 : n - start);
        for (int k = 0; k < 3; k++) total[k] += part[k];
    }
    for (int k = 0; k < 3; k++) sums[k] = (float)total[k];
}

static void TAVIS_VARIANT(mask_sums_gradient)(float *dx, const float *dsums, const float *x, const float *truth,
                                              size_t n) {
    float entropy = dsums[0], overlap = dsums[1], area = dsums[2];
    for (size_t i = 0; i < n; i++) {
        float p = 1.0f / (1.0f + TAVIS_VARIANT(fast_exp)(-x[i]));
        dx[i] = entropy * (p - truth[i]) + (overlap * truth[i] + area) * (p * (1.0f - p));
    }
}

static void TAVIS_VARIANT(adamw)(float *p, float *m, float *v, const float *g, float scale, float rate, float beta1,
                                 float beta2, float eps, float decay, float correction1, float correction2, size_t n) {
    float keep = 1 - rate * decay, step = rate / correction1, root = 1 / correction2;
    for (size_t i = 0; i < n; i++) {
        float gradient = scale * g[i];
        m[i] = beta1 * m[i] + (1 - beta1) * gradient;
        v[i] = beta2 * v[i] + (1 - beta2) * gradient * gradient;
        p[i] = p[i] * keep - step * m[i] / (sqrtf(v[i] * root) + eps);
    }
}

#undef ANY_ORDER
