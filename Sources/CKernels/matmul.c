// SPDX-License-Identifier: Apache-2.0
// Matrix products by a library found at run time. Loading it ourselves lets us choose OpenBLAS's kernels before it
// initialises: 0.3.21 takes CPUs newer than itself for SSE3 machines, which costs a factor of four to five.
#include "dot.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int64_t dnnl_dim;
typedef int (*dnnl_sgemm_t)(char, char, dnnl_dim, dnnl_dim, dnnl_dim, float, const float *, dnnl_dim, const float *,
                            dnnl_dim, float, float *, dnnl_dim);
typedef int (*dnnl_u8s8s32_t)(char, char, char, dnnl_dim, dnnl_dim, dnnl_dim, float, const uint8_t *, dnnl_dim,
                              uint8_t, const int8_t *, dnnl_dim, int8_t, float, int32_t *, dnnl_dim, const int32_t *);
typedef void (*cblas_sgemm_t)(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                              float *, int);

static struct {
    pthread_once_t once;
    tavis_matmul provider;
    /// Whether products may be made by dot.c: not where a library was asked for by name.
    bool may_dot;
    dnnl_sgemm_t dnnl_sgemm;
    dnnl_u8s8s32_t dnnl_u8s8s32;
    void (*omp_set_num_threads)(int);
    cblas_sgemm_t cblas_sgemm;
    char dnnl_description[80], openblas_description[80];
} library = {.once = PTHREAD_ONCE_INIT};

static void *open_first(const char *const *names) {
    for (; *names; names++) {
        void *handle = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        if (handle) return handle;
    }
    return NULL;
}

static void load_onednn(void) {
    if (library.dnnl_sgemm) return;
#if defined(__x86_64__)  // elsewhere its sgemm is a plain loop
    static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", NULL};
    void *handle = open_first(names);
    if (!handle) return;
    struct version { int major, minor, patch; const char *hash; unsigned cpu, gpu; };
    const struct version *(*version)(void) = (const struct version *(*)(void))dlsym(handle, "dnnl_version");
    // The symbol comes from whichever OpenMP runtime this oneDNN was linked with.
    library.omp_set_num_threads = (void (*)(int))dlsym(handle, "omp_set_num_threads");
    library.dnnl_u8s8s32 = (dnnl_u8s8s32_t)dlsym(handle, "dnnl_gemm_u8s8s32");
    if (version)
        snprintf(library.dnnl_description, sizeof library.dnnl_description, "oneDNN %d.%d.%d", version()->major,
                 version()->minor, version()->patch);
    library.dnnl_sgemm = (dnnl_sgemm_t)dlsym(handle, "dnnl_sgemm");
#endif
}

static void load_openblas(void) {
    if (library.cblas_sgemm) return;
#if defined(__x86_64__)
    tavis_isa isa = tavis_isa_current();
    // Only types that every CPU with these instructions can run.
    if (isa == TAVIS_ISA_AVX512) setenv("OPENBLAS_CORETYPE", "SkylakeX", 0);
    if (isa == TAVIS_ISA_AVX2) setenv("OPENBLAS_CORETYPE", __builtin_cpu_is("amd") ? "Zen" : "Haswell", 0);
#endif
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", NULL};
    void *handle = open_first(names);
    if (!handle) return;
    void (*set_threads)(int) = (void (*)(int))dlsym(handle, "openblas_set_num_threads");
    if (set_threads) set_threads(1);
    const char *(*config)(void) = (const char *(*)(void))dlsym(handle, "openblas_get_config");
    const char *(*core)(void) = (const char *(*)(void))dlsym(handle, "openblas_get_corename");
    char version[24] = "";
    if (config) sscanf(config(), "%*s %23s", version);
    snprintf(library.openblas_description, sizeof library.openblas_description, "OpenBLAS %s (%s)", version,
             core ? core() : "unknown kernels");
    library.cblas_sgemm = (cblas_sgemm_t)dlsym(handle, "cblas_sgemm");
}

static void choose(void) {
    const char *wanted = getenv("TAVIS_MATMUL");
    bool any = !wanted || !*wanted;
    library.may_dot = any;
    if (any || !strcmp(wanted, "onednn")) load_onednn();
    if (library.dnnl_sgemm) {
        library.provider = TAVIS_MATMUL_ONEDNN;
        return;
    }
    if (any || !strcmp(wanted, "openblas")) load_openblas();
    library.provider = library.cblas_sgemm ? TAVIS_MATMUL_OPENBLAS : TAVIS_MATMUL_REFERENCE;
}

tavis_matmul tavis_matmul_current(void) {
    pthread_once(&library.once, choose);
    return library.provider;
}

bool tavis_matmul_select(tavis_matmul provider) {
    tavis_matmul_current();
    if (provider == TAVIS_MATMUL_ONEDNN) load_onednn();
    if (provider == TAVIS_MATMUL_OPENBLAS) load_openblas();
    bool present = provider == TAVIS_MATMUL_REFERENCE || (provider == TAVIS_MATMUL_ONEDNN && library.dnnl_sgemm) ||
                   (provider == TAVIS_MATMUL_OPENBLAS && library.cblas_sgemm);
    if (present) library.provider = provider;
    return present;
}

const char *tavis_matmul_description(void) {
    switch (tavis_matmul_current()) {
    case TAVIS_MATMUL_ONEDNN: return library.dnnl_description;
    case TAVIS_MATMUL_OPENBLAS: return library.openblas_description;
    case TAVIS_MATMUL_REFERENCE: break;
    }
    return "built-in reference loops (slow: neither oneDNN nor OpenBLAS was found)";
}

static void reference(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                      const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t p = 0; p < k; p++) sum += (ta ? a[p * lda + i] : a[i * lda + p]) * (tb ? b[j * ldb + p] : b[p * ldb + j]);
            c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]);
        }
}

/// oneDNN splits its work over OpenMP threads; ours already share the work, so each asks for one.
static void use_one_thread(void) {
    static _Thread_local bool done;
    if (!done && library.omp_set_num_threads) library.omp_set_num_threads(1);
    done = true;
}

static struct { _Atomic uint64_t float_macs, int8_macs, bytes; } done;

/// Counts for measurements only: nothing is ordered by it.
static void count(_Atomic uint64_t *macs, size_t m, size_t n, size_t k, size_t bytes) {
    atomic_fetch_add_explicit(macs, m * n * k, memory_order_relaxed);
    atomic_fetch_add_explicit(&done.bytes, bytes, memory_order_relaxed);
}

tavis_matmul_work tavis_matmul_done(void) {
    return (tavis_matmul_work){atomic_load_explicit(&done.float_macs, memory_order_relaxed),
                               atomic_load_explicit(&done.int8_macs, memory_order_relaxed),
                               atomic_load_explicit(&done.bytes, memory_order_relaxed)};
}

void tavis_sgemm(bool ta, bool tb, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                 const float *b, size_t ldb, float beta, float *c, size_t ldc) {
    if (m == 0 || n == 0) return;
    count(&done.float_macs, m, n, k, 4 * (m * k + k * n + m * n));
    tavis_matmul provider = k == 0 ? TAVIS_MATMUL_REFERENCE : tavis_matmul_current();
    bool is_plain = !ta && tb && alpha == 1 && (beta == 0 || beta == 1);
    if (is_plain && provider != TAVIS_MATMUL_REFERENCE && library.may_dot && tavis_dot_serves(m, k)) {
        tavis_dot_floats(m, n, k, a, lda, b, ldb, beta == 1, c, ldc);
        return;
    }
    switch (provider) {
    case TAVIS_MATMUL_ONEDNN:
        use_one_thread();
        library.dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', (dnnl_dim)m, (dnnl_dim)n, (dnnl_dim)k, alpha, a,
                           (dnnl_dim)lda, b, (dnnl_dim)ldb, beta, c, (dnnl_dim)ldc);
        return;
    case TAVIS_MATMUL_OPENBLAS:
        library.cblas_sgemm(101, ta ? 112 : 111, tb ? 112 : 111, (int)m, (int)n, (int)k, alpha, a, (int)lda, b,
                            (int)ldb, beta, c, (int)ldc);
        return;
    case TAVIS_MATMUL_REFERENCE: reference(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }
}

int tavis_gemm_u8_levels(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512vnni") ? 255 : 127;
#else
    return 255;
#endif
}

bool tavis_gemm_u8_available(void) { return tavis_matmul_current() == TAVIS_MATMUL_ONEDNN && library.dnnl_u8s8s32; }

void tavis_gemm_u8s8s32(size_t m, size_t n, size_t k, const uint8_t *a, const int8_t *b, int32_t *c) {
    count(&done.int8_macs, m, n, k, m * k + k * n + 4 * m * n);
    if (library.may_dot && tavis_dot_serves_bytes(m, k)) {
        tavis_dot_bytes(m, n, k, a, b, c);
        return;
    }
    use_one_thread();
    int32_t offset = 0;
    library.dnnl_u8s8s32('N', 'T', 'F', (dnnl_dim)m, (dnnl_dim)n, (dnnl_dim)k, 1, a, (dnnl_dim)k, 0, b, (dnnl_dim)k, 0,
                         0, c, (dnnl_dim)n, &offset);
}
