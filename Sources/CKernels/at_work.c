// SPDX-License-Identifier: Apache-2.0
#include "tavis_kernels.h"

static _Thread_local bool at_work;

bool tavis_is_at_work(void) { return at_work; }

bool tavis_set_at_work(bool value) {
    bool before = at_work;
    at_work = value;
    return before;
}
