// SPDX-License-Identifier: Apache-2.0
#include "variants.h"

void tavis_im2col(float *out, const float *in, size_t h, size_t w, size_t c, size_t kh, size_t kw, size_t stride,
                  size_t pad, size_t ow, size_t oy0, size_t oy1) {
    for (size_t oy = oy0; oy < oy1; oy++)
        for (size_t ox = 0; ox < ow; ox++, out += c * kh * kw)
            for (size_t ky = 0; ky < kh; ky++) {
                ptrdiff_t y = (ptrdiff_t)(oy * stride + ky) - (ptrdiff_t)pad;
                for (size_t kx = 0; kx < kw; kx++) {
                    ptrdiff_t x = (ptrdiff_t)(ox * stride + kx) - (ptrdiff_t)pad;
                    bool inside = y >= 0 && y < (ptrdiff_t)h && x >= 0 && x < (ptrdiff_t)w;
                    const float *pixel = inside ? in + ((size_t)y * w + (size_t)x) * c : 0;
                    for (size_t i = 0; i < c; i++) out[(i * kh + ky) * kw + kx] = inside ? pixel[i] : 0;
                }
            }
}

void tavis_depthwise_conv_reference(float *out, const float *in, const float *weight, const float *bias, size_t h, size_t w,
                          size_t c, size_t k, size_t y0, size_t y1) {
    ptrdiff_t half = (ptrdiff_t)(k / 2);
    for (size_t oy = y0; oy < y1; oy++)
        for (size_t ox = 0; ox < w; ox++, out += c) {
            for (size_t i = 0; i < c; i++) out[i] = bias ? bias[i] : 0;
            for (size_t ky = 0; ky < k; ky++) {
                ptrdiff_t y = (ptrdiff_t)(oy + ky) - half;
                if (y < 0 || y >= (ptrdiff_t)h) continue;
                for (size_t kx = 0; kx < k; kx++) {
                    ptrdiff_t x = (ptrdiff_t)(ox + kx) - half;
                    if (x < 0 || x >= (ptrdiff_t)w) continue;
                    const float *pixel = in + ((size_t)y * w + (size_t)x) * c;
                    for (size_t i = 0; i < c; i++) out[i] += pixel[i] * weight[(ky * k + kx) * c + i];
                }
            }
        }
}

void tavis_max_pool_2x2_reference(float *out, const float *in, size_t w, size_t c, size_t y0, size_t y1) {
    for (size_t y = y0; y < y1; y++)
        for (size_t x = 0; x < w / 2; x++)
            for (size_t i = 0; i < c; i++) {
                float top = in[(2 * y * w + 2 * x) * c + i];
                for (size_t k = 1; k < 4; k++) {
                    float value = in[((2 * y + k / 2) * w + 2 * x + k % 2) * c + i];
                    top = value > top ? value : top;
                }
                out[((y - y0) * (w / 2) + x) * c + i] = top;
            }
}

void tavis_weighted_rows_reference(float *out, const float *in, size_t stride, const float *weight, size_t taps,
                                   size_t n) {
    for (size_t x = 0; x < n; x++) {
        double total = 0;
        for (size_t k = 0; k < taps; k++) total += (double)weight[k] * in[k * stride + x];
        out[x] = (float)total;
    }
}

void tavis_rope_rows_reference(float *out, const float *x, const float *cosines, const float *sines, size_t rows,
                               size_t cols) {
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < cols / 2; i++) {
            float a = x[r * cols + 2 * i], b = x[r * cols + 2 * i + 1];
            float cosine = cosines[r * (cols / 2) + i], sine = sines[r * (cols / 2) + i];
            out[r * cols + 2 * i] = a * cosine - b * sine;
            out[r * cols + 2 * i + 1] = a * sine + b * cosine;
        }
}

#define TAVIS_LOOPS "image_loops.h"
#include "each_set.h"

void tavis_depthwise_conv(float *out, const float *in, const float *weight, const float *bias, size_t h, size_t w,
                          size_t c, size_t k, size_t y0, size_t y1) {
    TAVIS_DISPATCH(depthwise_conv, out, in, weight, bias, h, w, c, k, y0, y1);
}

void tavis_max_pool_2x2(float *out, const float *in, size_t w, size_t c, size_t y0, size_t y1) {
    TAVIS_DISPATCH(max_pool_2x2, out, in, w, c, y0, y1);
}

void tavis_weighted_rows(float *out, const float *in, size_t stride, const float *weight, size_t taps, size_t n) {
    TAVIS_DISPATCH(weighted_rows, out, in, stride, weight, taps, n);
}

void tavis_rope_rows(float *out, const float *x, const float *cosines, const float *sines, size_t rows, size_t cols) {
    TAVIS_DISPATCH(rope_rows, out, x, cosines, sines, rows, cols);
}
