// SPDX-License-Identifier: Apache-2.0
// What the RTSP server needs beyond shim.h.
#include "shim.h"
#include <gst/rtsp-server/rtsp-server.h>
