// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE  // sched_getaffinity
#include "tavis_kernels.h"

#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

static tavis_isa detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return TAVIS_ISA_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return TAVIS_ISA_AVX2;
#endif
    return TAVIS_ISA_BASELINE;
}

static _Atomic int current = -1;

tavis_isa tavis_isa_current(void) {
    int isa = atomic_load_explicit(&current, memory_order_relaxed);
    if (isa < 0) {
        isa = (int)detect();
        atomic_store_explicit(&current, isa, memory_order_relaxed);
    }
    return (tavis_isa)isa;
}

tavis_isa tavis_isa_limit(tavis_isa isa) {
    tavis_isa best = detect();
    atomic_store_explicit(&current, (int)(isa < best ? isa : best), memory_order_relaxed);
    return tavis_isa_current();
}

size_t tavis_usable_cores(void) {
    // The set has to have room for all cores of the machine, or the call fails.
    for (size_t room = CPU_SETSIZE; room <= 1 << 20; room *= 2) {
        cpu_set_t *set = CPU_ALLOC(room);
        if (!set) break;
        int found = sched_getaffinity(0, CPU_ALLOC_SIZE(room), set) == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(room), set) : 0;
        CPU_FREE(set);
        if (found > 0) return (size_t)found;
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (size_t)online : 1;
}
