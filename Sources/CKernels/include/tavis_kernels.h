// SPDX-License-Identifier: Apache-2.0
// C kernels of the tensor engine. All are single-threaded: the caller splits the work.
#ifndef TAVIS_KERNELS_H
#define TAVIS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Vector instruction sets a kernel may be compiled for.
typedef enum { TAVIS_ISA_BASELINE = 0, TAVIS_ISA_AVX2 = 1, TAVIS_ISA_AVX512 = 2 } tavis_isa;

/// Best instruction set of this CPU (and operating system), at most what `tavis_isa_limit` allows.
tavis_isa tavis_isa_current(void);
/// Lowers the instruction set in use, for tests and benchmarks. Returns the one now in use.
tavis_isa tavis_isa_limit(tavis_isa isa);

/// Cores that the calling thread may run on, at least 1.
size_t tavis_usable_cores(void);

/// Whether the calling thread does a piece of work that is shared out over all threads. Swift has no variables of a
/// thread of its own that are as cheap.
bool tavis_is_at_work(void);
/// Returns what it was before.
bool tavis_set_at_work(bool value);

/// Tells the core that the thread spins.
static inline void tavis_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// MARK: matrix products (matmul.c)

/// Libraries that multiply matrices. They are loaded at run time, so none is needed to build.
typedef enum { TAVIS_MATMUL_REFERENCE = 0, TAVIS_MATMUL_OPENBLAS = 1, TAVIS_MATMUL_ONEDNN = 2 } tavis_matmul;

/// The provider in use: `TAVIS_MATMUL=onednn|openblas|reference` in the environment, else the best one that loads, beside
/// our own products of few rows.
tavis_matmul tavis_matmul_current(void);
/// Switches the provider. False, and nothing changes, if its library cannot be loaded.
bool tavis_matmul_select(tavis_matmul provider);
/// Library, version and kernel set of the provider in use, e.g. "OpenBLAS 0.3.21 (Zen)".
const char *tavis_matmul_description(void);

/// C ← alpha · op(A) · op(B) + beta · C, row-major, op(A) is m×k, op(B) is k×n; on the calling thread only.
void tavis_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha, const float *a,
                 size_t lda, const float *b, size_t ldb, float beta, float *c, size_t ldc);
/// C ← A · Bᵀ with A unsigned, B signed 8-bit, C 32-bit; row-major, A is m×k, B is n×k; on the calling
/// thread only. Needs `tavis_gemm_u8_available`.
void tavis_gemm_u8s8s32(size_t m, size_t n, size_t k, const uint8_t *a, const int8_t *b, int32_t *c);

/// Whether `tavis_gemm_u8s8s32` can multiply.
bool tavis_gemm_u8_available(void);
/// How many steps above 0 the unsigned operand of `tavis_gemm_u8s8s32` may have for exact products: 255, or 127 on CPUs
/// that add pairs of products in 16 bits.
int tavis_gemm_u8_levels(void);

// MARK: bytes for integer products (quantize.c)

/// Rows to bytes: in ≈ scale[r] · (out − zero[r]) with 0 ≤ out ≤ levels; 0 is met exactly. A row that is not finite gets
/// the scale NaN.
void tavis_quantize_rows(uint8_t *out, float *scale, int32_t *zero, const float *in, int levels, size_t rows,
                         size_t cols);
/// Rows of a weight matrix to signed bytes, −127 … 127: in ≈ scale[r] · out; sum[r] is the sum of the row's bytes.
void tavis_quantize_weights(int8_t *out, float *scale, int32_t *sum, const float *in, size_t rows, size_t cols);
/// Products of such rows and weights to floats, without bias:
/// out[r, c] = row_scale[r] · col_scale[c] · (products[r, c] − row_zero[r] · col_sum[c]); rows of out are ldo apart.
void tavis_dequantize_rows(float *out, size_t ldo, const int32_t *products, const float *row_scale,
                           const int32_t *row_zero, const float *col_scale, const int32_t *col_sum, size_t rows,
                           size_t cols);

/// What the products above have done in this process so far, on all threads: multiply-adds, and bytes of their
/// operands and results, each counted once per product.
typedef struct { uint64_t float_macs, int8_macs, bytes; } tavis_matmul_work;
tavis_matmul_work tavis_matmul_done(void);

// MARK: the core's limits (peak.c)

/// Multiplies and adds on registers alone, as fast as the calling thread's core can. Returns the multiply-adds done.
size_t tavis_peak_float32(size_t rounds);
/// The same with 8-bit operands and 32-bit sums; 0, and nothing is done, where we know no instruction for it.
size_t tavis_peak_int8(size_t rounds);

// MARK: element by element (elementwise.c)

typedef enum {
    TAVIS_COPY = 0, TAVIS_RELU, TAVIS_GELU, TAVIS_SIGMOID, TAVIS_EXP, TAVIS_LOG, TAVIS_SQRT,
    TAVIS_SOFTPLUS,
} tavis_unary_op;
typedef enum { TAVIS_ADD = 0, TAVIS_SUB, TAVIS_MUL, TAVIS_DIV, TAVIS_MAX, TAVIS_MIN } tavis_binary_op;

/// out[i] = op(in[i]); in and out may be the same. GELU is the exact erf form, at most 3e-7 off relative to max(1,|x|).
void tavis_unary(tavis_unary_op op, float *out, const float *in, size_t n);
/// out[i] = op(a[i], b[i]); out may be a or b.
void tavis_binary(tavis_binary_op op, float *out, const float *a, const float *b, size_t n);
/// out[i] = op(a[i], b); out may be a.
void tavis_binary_scalar(tavis_binary_op op, float *out, const float *a, float b, size_t n);
/// x[r, c] = act(x[r, c] + bias[c]) (+ residual[r, c]); rows of x and residual are ldx and ldr apart;
/// bias and residual may be NULL; residual may be x itself only without an activation.
void tavis_bias_act_rows(float *x, size_t ldx, const float *bias, tavis_unary_op act, const float *residual,
                         size_t ldr, size_t rows, size_t cols);

// MARK: rows (rows.c)

/// out[r, :] = (in[r, :] − mean) / sqrt(variance + eps) · weight + bias; biased variance. out may be in.
void tavis_layer_norm_rows(float *out, const float *in, const float *weight, const float *bias, float eps,
                           size_t rows, size_t cols);
/// out[r, :] = softmax(in[r, :]). out may be in. Rows must be finite or −inf with one finite entry.
void tavis_softmax_rows(float *out, const float *in, size_t rows, size_t cols);
/// One step of streaming softmax over a block of attention scores, in place: s ← exp(scale·(s − new maximum)).
/// Row r ignores columns ≥ limit(r) = min(cols, first_limit + r) when `causal`. Updates maximum[r], sum[r] and writes
/// correction[r] = exp(scale·(old maximum − new maximum)), by which earlier results of the row must be scaled.
void tavis_softmax_block(float *s, size_t lds, float scale, bool causal, ptrdiff_t first_limit, float *maximum,
                         float *sum, float *correction, size_t rows, size_t cols);
/// x[r, :] *= factor[r], rows ldx apart.
void tavis_scale_rows(float *x, size_t ldx, const float *factor, size_t rows, size_t cols);
/// Sum of x.
float tavis_sum(const float *x, size_t n);

// MARK: images, channels last (image.c)

/// Patches of an h×w×c image as rows of a (rows of output pixels)×(c·kh·kw) matrix, column order (c, ky, kx) like a
/// convolution weight; output rows oy0..<oy1; zero padding.
void tavis_im2col(float *out, const float *in, size_t h, size_t w, size_t c, size_t kh, size_t kw, size_t stride,
                  size_t pad, size_t ow, size_t oy0, size_t oy1);
/// Depthwise convolution, stride 1, zero padding k/2, odd k; weight is k×k×c; output rows y0..<y1.
void tavis_depthwise_conv(float *out, const float *in, const float *weight, const float *bias, size_t h, size_t w,
                          size_t c, size_t k, size_t y0, size_t y1);
/// 2×2 maxima, stride 2, of an h×w×c image with even h and w; output rows y0..<y1.
void tavis_max_pool_2x2(float *out, const float *in, size_t w, size_t c, size_t y0, size_t y1);
/// Weighted sum of rows: out[x] = Σ_k weight[k] · in[k · stride + x] for x < n.
void tavis_weighted_rows(float *out, const float *in, size_t stride, const float *weight, size_t taps, size_t n);

/// Rotates adjacent pairs: (a, b) → (a·cos − b·sin, a·sin + b·cos); x is rows×cols, tables are rows×cols/2.
void tavis_rope_rows(float *out, const float *x, const float *cosines, const float *sines, size_t rows, size_t cols);

// MARK: references

// The plain loops that the tests compare the vector variants with.
void tavis_unary_reference(tavis_unary_op op, float *out, const float *in, size_t n);
void tavis_binary_reference(tavis_binary_op op, float *out, const float *a, const float *b, size_t n);
void tavis_bias_act_rows_reference(float *x, size_t ldx, const float *bias, tavis_unary_op act,
                                   const float *residual, size_t ldr, size_t rows, size_t cols);
void tavis_layer_norm_rows_reference(float *out, const float *in, const float *weight, const float *bias, float eps,
                                     size_t rows, size_t cols);
void tavis_softmax_rows_reference(float *out, const float *in, size_t rows, size_t cols);
void tavis_softmax_block_reference(float *s, size_t lds, float scale, bool causal, ptrdiff_t first_limit,
                                   float *maximum, float *sum, float *correction, size_t rows, size_t cols);
void tavis_depthwise_conv_reference(float *out, const float *in, const float *weight, const float *bias, size_t h,
                                    size_t w, size_t c, size_t k, size_t y0, size_t y1);
void tavis_scale_rows_reference(float *x, size_t ldx, const float *factor, size_t rows, size_t cols);
float tavis_sum_reference(const float *x, size_t n);
void tavis_max_pool_2x2_reference(float *out, const float *in, size_t w, size_t c, size_t y0, size_t y1);
void tavis_weighted_rows_reference(float *out, const float *in, size_t stride, const float *weight, size_t taps,
                                   size_t n);
void tavis_rope_rows_reference(float *out, const float *x, const float *cosines, const float *sines, size_t rows,
                               size_t cols);

void tavis_quantize_rows_reference(uint8_t *out, float *scale, int32_t *zero, const float *in, int levels,
                                   size_t rows, size_t cols);
void tavis_quantize_weights_reference(int8_t *out, float *scale, int32_t *sum, const float *in, size_t rows,
                                      size_t cols);
void tavis_dequantize_rows_reference(float *out, size_t ldo, const int32_t *products, const float *row_scale,
                                     const int32_t *row_zero, const float *col_scale, const int32_t *col_sum,
                                     size_t rows, size_t cols);

#endif
