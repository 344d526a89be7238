// SPDX-License-Identifier: Apache-2.0
// C kernels of training: gradients of the operations in tavis_kernels.h, and the optimizer's step. Single-threaded.
#ifndef TAVIS_GRADIENTS_H
#define TAVIS_GRADIENTS_H

#include "tavis_kernels.h"

/// dx[i] = dy[i] · f′(x[i]), with y = f(x) where the derivative is written with it. dx may be dy. x may be NULL for
/// RELU (then y > 0 decides), SIGMOID, EXP and SQRT.
void tavis_unary_gradient(tavis_unary_op op, float *dx, const float *dy, const float *x, const float *y, size_t n);
/// Of `tavis_layer_norm_rows`: writes dx, adds to dweight and dbias. dx may be dy.
void tavis_layer_norm_gradient_rows(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                    const float *weight, float eps, size_t rows, size_t cols);
/// Of softmax with result y: dx[r, i] = y · (dy − Σ dy·y). dx may be dy.
void tavis_softmax_gradient_rows(float *dx, const float *dy, const float *y, size_t rows, size_t cols);
/// Of scaled attention scores with probabilities p, in place: with Δ = Σ y·dy over the `width` results of a row,
/// ds[r, i] ← p[r, i] · (ds[r, i] − Δ[r]) · scale. Rows of y and dy are ldy apart.
void tavis_score_gradient_rows(float *ds, const float *p, const float *y, const float *dy, size_t ldy, float scale,
                               size_t rows, size_t cols, size_t width);
/// sum[c] += Σ_r x[r, c].
void tavis_add_rows(float *sum, const float *x, size_t rows, size_t cols);
/// sum[i] += x[i].
void tavis_accumulate(float *sum, const float *x, size_t n);
/// The transpose of `tavis_im2col`: adds each patch entry to the pixel it was read from.
void tavis_col2im(float *out, const float *patches, size_t h, size_t w, size_t c, size_t kh, size_t kw, size_t stride,
                  size_t pad, size_t ow, size_t oy0, size_t oy1);
/// Adds to dweight (k×k×c) what output rows y0..<y1 of `tavis_depthwise_conv` contribute.
void tavis_depthwise_weight_gradient(float *dweight, const float *in, const float *dy, size_t h, size_t w, size_t c,
                                     size_t k, size_t y0, size_t y1);
/// Of `tavis_max_pool_2x2`, for output rows y0..<y1: dy goes to the first largest of the four inputs.
void tavis_max_pool_2x2_gradient(float *dx, const float *dy, const float *in, size_t w, size_t c, size_t y0,
                                 size_t y1);
/// Of a mask's logits against a truth in 0…1: sums[0] = Σ log(1 + eˣ) − x·y, sums[1] = Σ σ(x)·y, sums[2] = Σ σ(x).
void tavis_mask_sums(float *sums, const float *x, const float *truth, size_t n);
/// dx given the gradients of the three sums.
void tavis_mask_sums_gradient(float *dx, const float *dsums, const float *x, const float *truth, size_t n);
/// One step of AdamW (decoupled decay) with the gradient s = scale·g: m ← β₁m + (1−β₁)s, v ← β₂v + (1−β₂)s²,
/// p ← p·(1 − rate·decay) − rate·(m/correction1) / (sqrt(v/correction2) + eps).
void tavis_adamw(float *p, float *m, float *v, const float *g, float scale, float rate, float beta1, float beta2,
                 float eps, float decay, float correction1, float correction2, size_t n);

// MARK: references

// The plain loops that the tests compare the vector variants with; they compute in double. `tavis_col2im` is a plain
// loop itself.
void tavis_unary_gradient_reference(tavis_unary_op op, float *dx, const float *dy, const float *x, const float *y,
                                    size_t n);
void tavis_layer_norm_gradient_rows_reference(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                              const float *weight, float eps, size_t rows, size_t cols);
void tavis_softmax_gradient_rows_reference(float *dx, const float *dy, const float *y, size_t rows, size_t cols);
void tavis_score_gradient_rows_reference(float *ds, const float *p, const float *y, const float *dy, size_t ldy,
                                         float scale, size_t rows, size_t cols, size_t width);
/// Of `tavis_accumulate` too, which is the case of one row.
void tavis_add_rows_reference(float *sum, const float *x, size_t rows, size_t cols);
void tavis_depthwise_weight_gradient_reference(float *dweight, const float *in, const float *dy, size_t h, size_t w,
                                               size_t c, size_t k, size_t y0, size_t y1);
void tavis_max_pool_2x2_gradient_reference(float *dx, const float *dy, const float *in, size_t w, size_t c, size_t y0,
                                           size_t y1);
void tavis_mask_sums_reference(float *sums, const float *x, const float *truth, size_t n);
void tavis_mask_sums_gradient_reference(float *dx, const float *dsums, const float *x, const float *truth, size_t n);
void tavis_adamw_reference(float *p, float *m, float *v, const float *g, float scale, float rate, float beta1,
                           float beta2, float eps, float decay, float correction1, float correction2, size_t n);

#endif
