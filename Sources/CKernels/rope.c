// SPDX-License-Identifier: Apache-2.0
#include "tavis_kernels.h"

void tavis_rope_rows(float *out, const float *x, const float *cosines, const float *sines, size_t rows, size_t cols) {
    for (size_t i = 0; i < rows * cols / 2; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        out[2 * i] = a * cosines[i] - b * sines[i];
        out[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
}
