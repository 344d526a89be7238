// SPDX-License-Identifier: Apache-2.0
// Loops of quantize.c, compiled once per instruction set.

#pragma clang fp contract(fast)

/// Sixteen lanes by hand: the compiler does not turn these comparisons into vector minima and maxima by itself.
#define LANES 16
#define EACH_LANE for (int l = 0; l < LANES; l++)

/// Smallest and largest of x and 0; `damage` becomes NaN where an x is not finite.
static inline void TAVIS_VARIANT(extent)(const float *x, size_t n, float *low, float *high, float *damage) {
    float lows[LANES] = {0}, highs[LANES] = {0}, bad[LANES] = {0};
    size_t whole = n / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES) {
        EACH_LANE lows[l] = x[i + l] < lows[l] ? x[i + l] : lows[l];
        EACH_LANE highs[l] = x[i + l] > highs[l] ? x[i + l] : highs[l];
        EACH_LANE bad[l] += x[i + l] * 0;
    }
    for (size_t i = whole; i < n; i++) {
        lows[0] = x[i] < lows[0] ? x[i] : lows[0];
        highs[0] = x[i] > highs[0] ? x[i] : highs[0];
        bad[0] += x[i] * 0;
    }
    *low = *high = *damage = 0;
    EACH_LANE {
        *low = lows[l] < *low ? lows[l] : *low;
        *high = highs[l] > *high ? highs[l] : *high;
        *damage += bad[l];
    }
}

static void TAVIS_VARIANT(quantize_rows)(uint8_t *out, float *scale, int32_t *zero, const float *in, int levels,
                                         size_t rows, size_t cols) {
    const float top = (float)levels;
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        uint8_t *y = out + r * cols;
        float low, high, damage;
        TAVIS_VARIANT(extent)(x, cols, &low, &high, &damage);
        float step = (high - low) / top + damage;
        float inverse = step > 1e-30f ? 1 / step : 0;
        float origin = floorf(-low * inverse + 0.5f), start = origin + 0.5f;
        scale[r] = step;
        zero[r] = (int32_t)origin;
        for (size_t i = 0; i < cols; i++) {
            float level = x[i] * inverse + start;
            // What is not a number becomes 0.
            level = level > 0 ? level : 0;
            level = level < top ? level : top;
            y[i] = (uint8_t)(int32_t)level;
        }
    }
}

static void TAVIS_VARIANT(quantize_weights)(int8_t *out, float *scale, int32_t *sum, const float *in, size_t rows,
                                            size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        const float *x = in + r * cols;
        int8_t *y = out + r * cols;
        float low, high, damage;
        TAVIS_VARIANT(extent)(x, cols, &low, &high, &damage);
        float top = -low > high ? -low : high;
        float inverse = top + damage > 1e-30f ? 127 / top : 0;
        scale[r] = top / 127 + damage;
        int32_t total = 0;
        for (size_t i = 0; i < cols; i++) {
            float level = x[i] * inverse;
            level = level > -127 ? level : -127;
            level = level < 127 ? level : 127;
            int32_t rounded = (int32_t)(level + (level < 0 ? -0.5f : 0.5f));
            y[i] = (int8_t)rounded;
            total += rounded;
        }
        sum[r] = total;
    }
}

static void TAVIS_VARIANT(dequantize_rows)(float *out, size_t ldo, const int32_t *products, const float *row_scale,
                                           const int32_t *row_zero, const float *col_scale, const int32_t *col_sum,
                                           size_t rows, size_t cols) {
    for (size_t r = 0; r < rows; r++) {
        float *y = out + r * ldo;
        const int32_t *p = products + r * cols, zero = row_zero[r];
        const float scale = row_scale[r];
        for (size_t i = 0; i < cols; i++) y[i] = scale * col_scale[i] * (float)(p[i] - zero * col_sum[i]);
    }
}

#undef EACH_LANE
#undef LANES
