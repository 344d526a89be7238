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

#endif
