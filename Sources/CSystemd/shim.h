// SPDX-License-Identifier: Apache-2.0
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

// Swift cannot call sd_journal_sendv's variadic relatives, nor needs to: fields come as vectors.
