// SPDX-License-Identifier: Apache-2.0
// What live inputs need of GStreamer beyond shim.h.
#include "shim.h"
