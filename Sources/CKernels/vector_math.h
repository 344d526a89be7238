// SPDX-License-Identifier: Apache-2.0
// Functions of one float without branches or library calls, so that loops over them vectorise. Included once per
// instruction set by the *_loops.h files; no include guard.

/// eˣ, at most 2 ulp off; 0 below −87.3, infinite above 88.72.
static inline float TAVIS_VARIANT(fast_exp)(float x) {
    float clamped = x < -87.3f ? -87.3f : x > 88.72f ? 88.72f : x;
    // Adding 1.5·2²³ rounds to an integer, left in the low bits of the sum.
    float shifted = clamped * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    // Two factors, as 2ⁿ itself may be out of range for n = 128.
    int32_t half = (bits - 0x4B400000) >> 1, rest = (bits - 0x4B400000) - half;
    int32_t first = (half + 127) << 23, second = (rest + 127) << 23;
    float a, b;
    memcpy(&a, &first, sizeof a);
    memcpy(&b, &second, sizeof b);
    return x < -87.3f ? 0.0f : x > 88.72f ? INFINITY : p * a * b;
}

/// log(1 + x) for x in 0…1, at most 1e-7 off.
static inline float TAVIS_VARIANT(fast_log1p)(float x) {
    // With y = 1 + x = 2ᵏ·m, m near 1, and s = (m − 1) / (m + 1): log y = k·log 2 + 2·(s + s³/3 + s⁵/5 + …).
    float y = 1.0f + x;
    float k = y > 1.41421356f ? 0.69314718f : 0.0f, m = y > 1.41421356f ? 0.5f * y : y;
    float s = (m - 1.0f) / (m + 1.0f), square = s * s;
    float p = 2.0f / 9;
    p = p * square + 2.0f / 7;
    p = p * square + 2.0f / 5;
    p = p * square + 2.0f / 3;
    p = p * square + 2.0f;
    return k + s * p;
}

/// erf(x), at most 2e-7 off. Source: Abramowitz and Stegun, formula 7.1.26.
static inline float TAVIS_VARIANT(fast_erf)(float x) {
    float magnitude = x < 0 ? -x : x;
    float t = 1.0f / (1.0f + 0.3275911f * magnitude);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    float value = 1.0f - p * t * TAVIS_VARIANT(fast_exp)(-x * x);
    return x < 0 ? -value : value;
}
