// SPDX-License-Identifier: Apache-2.0
#include "tavis_gradients.h"

#include "variants.h"

#include <math.h>
#include <string.h>

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

void tavis_score_gradient(float *ds, const float *p, float delta, float scale, size_t n) {
    TAVIS_DISPATCH(score_gradient, ds, p, delta, scale, n);
}

void tavis_accumulate(float *sum, const float *x, size_t n) { TAVIS_DISPATCH(accumulate, sum, x, n); }

void tavis_add_rows(float *sum, const float *x, size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) tavis_accumulate(sum, x + r * cols, cols);
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

void tavis_adamw(float *p, float *m, float *v, const float *g, float rate, float beta1, float beta2, float eps,
                 float decay, float correction1, float correction2, size_t n) {
    TAVIS_DISPATCH(adamw, p, m, v, g, rate, beta1, beta2, eps, decay, correction1, correction2, n);
}
