// SPDX-License-Identifier: Apache-2.0
// Loops of image.c, compiled once per instruction set.

#pragma clang fp contract(fast)

static void TAVIS_VARIANT(depthwise_conv)(float *out, const float *in, const float *weight, const float *bias,
                                          size_t h, size_t w, size_t c, size_t k, size_t y0, size_t y1) {
    ptrdiff_t half = (ptrdiff_t)(k / 2);
    for (size_t oy = y0; oy < y1; oy++)
        for (size_t ox = 0; ox < w; ox++, out += c)
            // Blocks of channels stay in registers over all taps.
            for (size_t c0 = 0; c0 < c; c0 += 32) {
                size_t n = c - c0 < 32 ? c - c0 : 32;
                float total[32];
                for (size_t i = 0; i < 32; i++) total[i] = bias && i < n ? bias[c0 + i] : 0;
                for (size_t ky = 0; ky < k; ky++) {
                    ptrdiff_t y = (ptrdiff_t)(oy + ky) - half;
                    if (y < 0 || y >= (ptrdiff_t)h) continue;
                    for (size_t kx = 0; kx < k; kx++) {
                        ptrdiff_t x = (ptrdiff_t)(ox + kx) - half;
                        if (x < 0 || x >= (ptrdiff_t)w) continue;
                        const float *pixel = in + ((size_t)y * w + (size_t)x) * c + c0;
                        const float *tap = weight + (ky * k + kx) * c + c0;
                        if (n == 32)
                            for (size_t i = 0; i < 32; i++) total[i] += pixel[i] * tap[i];
                        else
                            for (size_t i = 0; i < n; i++) total[i] += pixel[i] * tap[i];
                    }
                }
                for (size_t i = 0; i < n; i++) out[c0 + i] = total[i];
            }
}

static void TAVIS_VARIANT(max_pool_2x2)(float *out, const float *in, size_t w, size_t c, size_t y0, size_t y1) {
    for (size_t y = y0; y < y1; y++)
        for (size_t x = 0; x < w / 2; x++, out += c) {
            const float *a = in + (2 * y * w + 2 * x) * c, *b = a + w * c;
            for (size_t i = 0; i < c; i++) {
                float top = a[i] > a[c + i] ? a[i] : a[c + i];
                float bottom = b[i] > b[c + i] ? b[i] : b[c + i];
                out[i] = top > bottom ? top : bottom;
            }
        }
}

static void TAVIS_VARIANT(weighted_rows)(float *out, const float *in, size_t stride, const float *weight, size_t taps,
                                         size_t n) {
    if (taps == 2) {
        float a = weight[0], b = weight[1];
        for (size_t x = 0; x < n; x++) out[x] = a * in[x] + b * in[stride + x];
        return;
    }
    for (size_t x = 0; x < n; x++) out[x] = weight[0] * in[x];
    for (size_t k = 1; k < taps; k++)
        for (size_t x = 0; x < n; x++) out[x] += weight[k] * in[k * stride + x];
}

static void TAVIS_VARIANT(rope_rows)(float *out, const float *x, const float *cosines, const float *sines, size_t rows,
                                     size_t cols) {
    for (size_t i = 0; i < rows * cols / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        out[2 * i] = a * cosines[i] - b * sines[i];
        out[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
}
