// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stddef.h>

/// A model bundle inside the program: `model.json` and `model.safetensors`, byte for byte.
extern const unsigned char *const tavis_model_json;
extern const size_t tavis_model_json_size;
extern const unsigned char *const tavis_model_weights;
extern const size_t tavis_model_weights_size;
